"""What watching costs: the same build under buildproof and in a bare container, by turns.

.venv/bin/python -m benchmarks.overhead packer-linux packer-windows --repeat 5
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import bare, report
from benchmarks.once import once

from buildproof.discovery import load
from buildproof.errors import BuildproofError
from buildproof.plan import Build
from buildproof.record import BuildRecord, EngineRecord
from buildproof.runfolder import RunFolder
from buildproof.verdict import Outcome

GOAL_RATIO = 1.03
GOAL_CPU = 0.015
LONGEST_S = 3600.0


@dataclass(frozen=True)
class Pair:
    """One build, once each way, right after each other. Seconds."""

    watched_s: float
    bare_s: float
    probe_cpu_s: float
    build_cpu_s: float

    @property
    def ratio(self) -> float:
        """Watched to bare."""
        return self.watched_s / self.bare_s


def say(line: str) -> None:
    """Progress goes beside the result."""
    print(line, file=sys.stderr)


def watched(build: Build) -> tuple[BuildRecord, RunFolder]:
    """One run of `build` under buildproof, which has to pass."""
    record, folder = once(build)
    if record.verdict is None or record.verdict.outcome is not Outcome.PASSED:
        raise SystemExit(f"{build.id} did not pass: {record.verdict and record.verdict.summary}")
    return record, folder


def unwatched(build: Build, record: BuildRecord, folder: RunFolder) -> float:
    """Wall seconds of the same build in a bare container."""
    with bare.bare_container(build, record, bare.timed_argv(build)) as container:
        found = bare.run(container, folder.path / "bare.log")
    if found.exit_code != 0 or found.wall_s is None:
        raise SystemExit(f"{build.id} failed in a bare container, exit code {found.exit_code}:\n{found.output[-2000:]}")
    return found.wall_s


def measure(build: Build, repeat: int, *, warm_up: bool) -> tuple[list[Pair], EngineRecord | None]:
    """`repeat` pairs. To `warm_up` is one run before that is not counted: it fills the engine's caches."""
    record, folder = None, None
    if warm_up:
        say(f"{build.id}: warming up")
        record, folder = watched(build)
    pairs = []
    for number in range(repeat):
        if (
            number % 2 and record and folder
        ):  # every other pair the other way round, so that a drift of the machine cancels out
            bare_s = unwatched(build, record, folder)
            record, folder = watched(build)
        else:
            record, folder = watched(build)
            bare_s = unwatched(build, record, folder)
        if None in (record.time.wall_s, record.time.cpu_s, record.ended.probe_cpu_s):
            raise SystemExit(f"{build.id}: a time is missing in the record {folder.path}")
        pair = Pair(record.time.wall_s or 0, bare_s, record.ended.probe_cpu_s or 0, record.time.cpu_s or 0)
        pairs.append(pair)
        say(
            f"{build.id}: {number + 1} of {repeat}: {pair.watched_s:.2f} s watched, {pair.bare_s:.2f} s bare, "
            f"{pair.ratio:.3f}; probe {pair.probe_cpu_s:.2f} of {pair.build_cpu_s:.1f} CPU seconds"
        )
    return pairs, folder.read().engine if folder else None


def main() -> None:
    """Measure the builds that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="*", default=["packer-linux"], help="ids as `buildproof list` has them")
    parser.add_argument("--repeat", type=int, default=5, help="pairs per build")
    parser.add_argument("--no-warm-up", action="store_true", help="save time where the images were used just before")
    parser.add_argument("--project", type=Path, action="append", help="where the builds' manifests are")
    parser.add_argument("--output", type=Path, help="a Markdown file (default: benchmarks/results/overhead.md)")
    options = parser.parse_args()
    # A busy machine may pass the time limit, and that is not what is measured here.
    known = {
        build.id: replace(build, time_limit_s=LONGEST_S)
        for build in load(options.project or [report.ROOT / "fixtures" / "projects"])
    }
    unknown = [name for name in options.builds if name not in known]
    if unknown or options.repeat < 1:
        parser.error(
            f"no build {', '.join(unknown)}; there are {', '.join(known)}" if unknown else "--repeat 1 or more"
        )
    load_before = os.getloadavg()[0]
    rows: list[list[str]] = []
    for name in options.builds:
        pairs, engine = measure(known[name], options.repeat, warm_up=not options.no_warm_up)
        rows.append(_row(name, pairs))
        report.write(
            "overhead.md", _page(rows, engine, load_before), options.output
        )  # an end in the midst loses nothing


def _row(name: str, pairs: list[Pair]) -> list[str]:
    shares = [pair.probe_cpu_s / pair.build_cpu_s for pair in pairs]
    held = statistics.median(pair.ratio for pair in pairs) <= GOAL_RATIO and statistics.median(shares) <= GOAL_CPU
    return [
        name,
        str(len(pairs)),
        report.spread([pair.watched_s for pair in pairs]),
        report.spread([pair.bare_s for pair in pairs]),
        report.spread([pair.ratio for pair in pairs], ".3f"),
        report.spread([100 * share for share in shares]),
        "yes" if held else "no",
    ]


def _page(rows: list[list[str]], engine: EngineRecord | None, load_before: float) -> list[str]:
    return [
        "# What watching costs",
        "",
        *report.facts(engine, load_before),
        "",
        "Medians, with the least and the largest.",
        f"Goal: ratio up to {GOAL_RATIO}, probe up to {GOAL_CPU:.1%} of the build's CPU time.",
        "",
        *report.table(
            ["build", "pairs", "watched, s", "bare, s", "ratio of a pair", "probe's CPU, %", "goal held"], rows
        ),
        "",
        "Watched: the command's elapsed time in the kernel's accounting record.",
        "Bare: the same command in a container with the same image, limits, environment and volumes, by its own clock.",
    ]


if __name__ == "__main__":
    try:
        main()
    except BuildproofError as error:
        raise SystemExit(str(error)) from None
