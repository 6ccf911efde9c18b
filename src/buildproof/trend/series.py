"""The history as series: the runs of each build, image and machine class, each against those before it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from buildproof.baseline import (
    Comparison,
    History,
    Measured,
    Metric,
    Threshold,
    compare_with,
    in_full,
)
from buildproof.report.frame import counted


class State(StrEnum):
    """Where a run stands; the gravest first. A build stands where its newest run does."""

    FAILED = "failed"
    GREW = "grew"
    NEW = "new"  # nothing that passed was before it
    STEADY = "as before"
    PAST = "past"  # of a build alone: newer runs of it have another image


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of a series. It was compared, as far as it came, unless it is the first."""

    line: Measured
    compared: Comparison | None

    @cached_property
    def state(self) -> State:
        """What became of it."""
        if not self.line.passed:
            return State.FAILED
        if self.compared is None:
            return State.NEW
        return State.GREW if self.over else State.STEADY

    @cached_property
    def over(self) -> frozenset[Metric]:
        """The figures that grew too much: by the thresholds of now, or by those of the run itself."""
        if not self.line.passed or self.compared is None:
            return frozenset()
        return frozenset({*(self.line.over or ()), *(one.metric for one in self.compared.failing)})

    @property
    def why(self) -> tuple[str, ...]:
        """What failed or grew, and who: nothing to say of any other run."""
        who = "; ".join(map(str, self.compared.grown)) if self.compared else ""
        if self.state is State.FAILED:
            culprit = f": {self.line.culprit}" if self.line.culprit else ""
            return (f"{self.line.outcome}{culprit}", *([f"who held more than before: {who}"] if who else []))
        if self.compared is None or self.state is not State.GREW:
            return ()
        if self.compared.failing:
            return tuple(in_full(self.compared))
        return (
            f"more than {', '.join((self.line.over or {}).values())} when it ran",
            *([f"who grew: {who}"] if who else []),
        )


@dataclass(frozen=True, kw_only=True)
class Series:
    """The runs of one key, oldest first."""

    build: str
    image: str
    machine: str
    points: tuple[Point, ...]
    is_past: bool = False

    @property
    def newest(self) -> Point:
        """The last run."""
        return self.points[-1]

    @property
    def state(self) -> State:
        """Where the build stands."""
        return State.PAST if self.is_past else self.newest.state


def series_of(history: History, thresholds: Sequence[Threshold]) -> list[Series]:
    """All series, the gravest first, then by name. A run grew when it is over its threshold and over the noise."""
    lines: dict[tuple[str, str, str], list[Measured]] = {}
    for line in history.lines:
        lines.setdefault(line.key, []).append(line)
    newest: dict[tuple[str, str], datetime] = {}
    for (build, _, machine), of_key in lines.items():
        newest[build, machine] = max(of_key[-1].at, newest.get((build, machine), of_key[-1].at))
    found = [
        Series(
            build=build,
            image=image,
            machine=machine,
            points=_points(of_key, thresholds),
            is_past=of_key[-1].at < newest[build, machine],
        )
        for (build, image, machine), of_key in lines.items()
    ]
    order = list(State)
    return sorted(found, key=lambda one: (order.index(one.state), one.build, one.machine, one.image))


def _points(lines: Sequence[Measured], thresholds: Sequence[Threshold]) -> tuple[Point, ...]:
    before: list[Measured] = []
    points = []
    for line in lines:
        points.append(Point(line=line, compared=compare_with(line, before, thresholds) if before else None))
        if line.counts:
            before.append(line)
    return tuple(points)


def title_of(series: Sequence[Series]) -> str:
    """Where all builds stand, in one sentence."""
    states = Counter(one.state for one in series if not one.is_past)
    total = states.total()
    if not total:
        return "Nothing was saved yet"
    failed, grew = states[State.FAILED], states[State.GREW]
    if total == 1:
        return "The build failed" if failed else "The build grew" if grew else "The build did not grow"
    if not failed and not grew:
        return f"None of {total} builds grew"
    return counted(total, (failed, "failed"), (grew, "grew"))
