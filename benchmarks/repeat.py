"""The same builds again and again, each time as a run of its own: how many of which verdict.

.venv/bin/python -m benchmarks.repeat small-windows sigbus-swallowed-linux --times 100 --for 4m

Goes on where it stopped: what was counted is kept, and the builds take turns. The exit code is 1 when a build had two
different verdicts, and 75 (EX_TEMPFAIL of sysexits.h) when `--for` was over before all was done.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.once import once

from buildproof.discovery import load
from buildproof.errors import BuildproofError
from buildproof.layout import user_cache
from buildproof.plan import Build
from buildproof.record import EngineRecord
from buildproof.units import parse_duration

_NOT_DONE_YET = 75
FOLDERS = ("fixtures/small", "fixtures/faults")


@dataclass(frozen=True, kw_only=True)
class Time:
    """One time that a build ran. `load` is the machine's load average of one minute, `record` where a rare one lies."""

    build: str
    outcome: str
    cause: str | None
    grade: str | None
    wall_s: float | None
    load: float
    commit: str
    record: str | None = None

    @property
    def verdict(self) -> str:
        """What has to be the same each time."""
        return self.outcome + (f" ({self.cause})" if self.cause else "") + f", grade {self.grade}"


def counted(path: Path) -> list[Time]:
    """What was counted so far; one JSON object in a line."""
    return [Time(**json.loads(line)) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


def run(build: Build, usual: str | None) -> tuple[Time, EngineRecord | None]:
    """Run a build once; the run's folder is kept when the verdict is not the `usual` one."""
    record, folder = once(build)
    engine = folder.read().engine
    verdict = record.verdict
    found = Time(
        build=build.id,
        outcome=verdict.outcome if verdict else "no verdict",
        cause=verdict.cause if verdict else None,
        grade=verdict.grade if verdict else None,
        wall_s=record.time.wall_s,
        load=round(os.getloadavg()[0], 2),
        commit=report.commit(),
    )
    if usual in (None, found.verdict):
        shutil.rmtree(folder.path)
        return found, engine
    return Time(**{**asdict(found), "record": str(folder.path)}), engine


def lines_of(times: Sequence[Time], engine: EngineRecord | None, load_before: float) -> list[str]:
    """The result: one row for each build and verdict."""
    rows = []
    for name in dict.fromkeys(found.build for found in times):
        mine = [found for found in times if found.build == name]
        for verdict, count in Counter(found.verdict for found in mine).most_common():
            walls = [found.wall_s for found in mine if found.verdict == verdict and found.wall_s is not None]
            rows.append([name, verdict, f"{count} of {len(mine)}", report.spread(walls) if walls else "unknown"])
    commits = ", ".join(dict.fromkeys(found.commit for found in times))
    load_meanwhile = report.spread([found.load for found in times]) if times else "unknown"
    return [
        "# The same verdict each time",
        "",
        *report.facts(engine, load_before),
        f"- counted at {commits}; load average meanwhile {load_meanwhile}",
        "",
        "Each time is a run of its own, as a person starts it. Wall times are seconds of the command:",
        "the median, the least and the largest.",
        "",
        *report.table(["build", "verdict", "times", "wall time, s"], rows),
    ]


def main() -> int:
    """Run what is named until each was run so often, or until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", help="ids as `buildproof list` has them")
    parser.add_argument("--times", type=int, default=100, help="how often each (default: 100)")
    parser.add_argument("--for", type=parse_duration, dest="seconds", metavar="4m", help="stop after so long")
    parser.add_argument("--fresh", action="store_true", help="forget what was counted before")
    parser.add_argument("--project", type=Path, action="append", help=f"manifests (default: {', '.join(FOLDERS)})")
    parser.add_argument("--output", type=Path, help="a Markdown file (default: benchmarks/results/repeat.md)")
    options = parser.parse_args()
    known = {build.id: build for build in load(options.project or [report.ROOT / folder for folder in FOLDERS])}
    if unknown := [name for name in options.builds if name not in known]:
        parser.error(f"no build {', '.join(unknown)}; there are {', '.join(known)}")
    state = (options.output or user_cache() / "benchmarks" / "repeat").with_suffix(".jsonl")
    state.parent.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        state.unlink(missing_ok=True)
    began, load_before, engine = time.monotonic(), os.getloadavg()[0], None
    while True:
        times = [found for found in counted(state) if found.build in options.builds]
        counts = Counter(found.build for found in times)
        name = min(options.builds, key=lambda build: counts[build])
        over = options.seconds is not None and time.monotonic() - began >= options.seconds
        if over or counts[name] >= options.times:
            break
        usual = next((found.verdict for found in times if found.build == name), None)
        found, engine = run(known[name], usual)
        with state.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(found)) + "\n")
        print(f"{name}: {counts[name] + 1} of {options.times}: {found.verdict}", file=sys.stderr)
    report.write("repeat.md", lines_of(times, engine, load_before), options.output)
    if len({(found.build, found.verdict) for found in times}) > len(set(options.builds)):
        return 1
    return 0 if min(counts[name] for name in options.builds) >= options.times else _NOT_DONE_YET


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BuildproofError as error:
        raise SystemExit(str(error)) from None
