"""One build in two ways by turns, and what a pair of them took."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import bare, report
from benchmarks.once import once

from buildproof.box import Box
from buildproof.discovery import load
from buildproof.plan import Build
from buildproof.record import BuildRecord, EngineRecord
from buildproof.runfolder import RunFolder
from buildproof.verdict import Outcome

_LONGEST_S = 3600.0


@dataclass(frozen=True)
class Took:
    """One run of a build. Seconds: by the clock, of CPU in its container, and of the probe where one watched."""

    wall_s: float
    cpu_s: float
    probe_cpu_s: float = 0.0


@dataclass(frozen=True)
class Pair:
    """The same build in two ways right after each other."""

    first: Took
    second: Took

    @property
    def ratio(self) -> float:
        """By the clock, the first to the second."""
        return self.first.wall_s / self.second.wall_s

    @property
    def cpu_ratio(self) -> float:
        """By the CPU time of both containers, the first to the second."""
        return self.first.cpu_s / self.second.cpu_s


Way = Callable[[], Took]


class Ways:
    """The ways to run one build. The bare ones are told by the record of the last watched run."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._record: BuildRecord
        self._folder: RunFolder

    @property
    def engine(self) -> EngineRecord | None:
        """The engine of the last watched run."""
        return self._folder.read().engine

    def watched(self) -> Took:
        """Under buildproof, which has to let it pass. SystemExit when it does not, or when a time is missing."""
        self._record, self._folder = once(self._build)
        verdict, time = self._record.verdict, self._record.time
        if verdict is None or verdict.outcome is not Outcome.PASSED:
            raise SystemExit(f"{self._build.id} did not pass: {verdict and verdict.summary}")
        return _took(self._build.id, time.wall_s, time.cpu_s, self._record.ended.probe_cpu_s)

    def boxed(self) -> Took:
        """In a bare container, as the user and with the rights of the build's box."""
        return self._bare(Box.of(self._build.builder))

    def as_root(self) -> Took:
        """In a bare container as an engine makes it by default."""
        return self._bare(None)

    def _bare(self, box: Box | None) -> Took:
        argv = bare.timed_argv(self._build)
        with bare.bare_container(self._build, self._record, argv, box=box) as container:
            found = bare.run(container, self._folder.path / "bare.log")
        if found.exit_code != 0:
            raise SystemExit(
                f"{self._build.id} failed in a bare container, exit code {found.exit_code}:\n{found.output[-2000:]}"
            )
        return _took(self._build.id, found.wall_s, found.cpu_s, 0.0)


def _took(name: str, wall_s: float | None, cpu_s: float | None, probe_cpu_s: float | None) -> Took:
    if wall_s is None or cpu_s is None or probe_cpu_s is None:
        raise SystemExit(f"{name}: a time is missing: {wall_s=}, {cpu_s=}, {probe_cpu_s=}")
    return Took(wall_s, cpu_s, probe_cpu_s)


def measure(
    build: Build, choose: Callable[[Ways], tuple[Way, Way]], repeat: int, *, warm_up: bool = True
) -> tuple[list[Pair], EngineRecord | None]:
    """`repeat` pairs, and the engine. Every other pair the other way round: a drift of the machine cancels out."""
    ways = Ways(build)
    if warm_up:
        ways.watched()  # not counted: it fills the engine's caches, and tells how the build is run
    first, second = choose(ways)
    pairs: list[Pair] = []
    for number in range(repeat):
        if number % 2:
            later = second()
            pairs.append(Pair(first(), later))
        else:
            pairs.append(Pair(first(), second()))
        _say(build, number + 1, pairs[-1])
    return pairs, ways.engine


def _say(build: Build, number: int, pair: Pair) -> None:
    """Progress goes beside the result."""
    print(
        f"{build.id}, pair {number}: {pair.first.wall_s:.2f} s and {pair.second.wall_s:.2f} s, ratio {pair.ratio:.3f}; "
        f"CPU {pair.first.cpu_s:.1f} s and {pair.second.cpu_s:.1f} s; probe {pair.first.probe_cpu_s:.2f} s",
        file=sys.stderr,
    )


def parser(description: str | None) -> argparse.ArgumentParser:
    """The command line of both benchmarks."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "builds", nargs="*", default=["packer-linux"], help="ids as `buildproof list` has them, or ID=PAIRS"
    )
    parser.add_argument("--repeat", type=int, default=5, help="pairs per build")
    parser.add_argument("--project", type=Path, action="append", help="where the builds' manifests are")
    parser.add_argument("--output", type=Path, help="a Markdown file (default: below benchmarks/results)")
    return parser


def asked(parser: argparse.ArgumentParser, given: argparse.Namespace) -> list[tuple[Build, int]]:
    """The builds, and how many pairs of each. Ends with a usage error for builds that are not there."""
    # A busy machine may pass the time limit, and that is not what is measured here.
    known = {
        build.id: replace(build, time_limit_s=_LONGEST_S)
        for build in load(given.project or [report.ROOT / "fixtures" / "projects"])
    }
    counts: dict[str, int] = {}
    for word in given.builds:
        name, _, pairs = word.partition("=")
        if name not in known:
            parser.error(f"no build {name}; there are {', '.join(known)}")
        if not (count := pairs or str(given.repeat)).isdecimal() or count == "0":
            parser.error(f"{name}: {count} is no number of pairs")
        counts[name] = int(count)
    return [(known[name], count) for name, count in counts.items()]


def cells(build: Build, pairs: Sequence[Pair]) -> list[str]:
    """What both benchmarks tell of a build: how many pairs, both times, and the two ratios of a pair."""
    return [
        build.id,
        str(len(pairs)),
        report.spread([pair.first.wall_s for pair in pairs]),
        report.spread([pair.second.wall_s for pair in pairs]),
        report.spread([pair.ratio for pair in pairs], ".3f"),
        report.spread([pair.cpu_ratio for pair in pairs], ".3f"),
    ]
