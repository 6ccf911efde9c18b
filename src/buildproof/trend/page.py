"""The page about a history: each build, image and machine class with its runs, its band, and who grew. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from buildproof.baseline import History, Metric, Threshold
from buildproof.report.frame import inert, render, seen
from buildproof.trend.series import Point, Series, State, series_of, title_of
from buildproof.trend.spark import Spark, spark_of

_SCRIPTS = ("elements.js", "page.js", "charts.js", "trend.js", "begin.js")
_FAMILIES = {State.GREW: "resource", State.NEW: "measurement", State.STEADY: "passed", State.PAST: "planned"}
_SHOWN = (Metric.PEAK, Metric.TIME, Metric.SIZE)  # in the overview
_KIB = 1024
_SHORT_COMMIT = 10
_FROM = 0.005  # a change below half a percent is shown as none


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure of a build in the overview. `change` is a share of what was before, None when that is unknown."""

    now: str
    change: float | None
    is_over: bool
    spark: Spark | None

    @property
    def change_told(self) -> str:
        """The change for people; a small one is no news."""
        return "" if self.change is None else f"{self.change:+.1%}" if abs(self.change) >= _FROM else "="


@dataclass(frozen=True, kw_only=True)
class Row:
    """One series in the overview."""

    key: str
    series: Series
    rank: int
    outcome: str
    family: str
    cells: dict[str, Cell]
    why: str
    marked: int


def draw(history: History, thresholds: Sequence[Threshold]) -> str:
    """The page about everything that was saved; a run is marked as grown by these thresholds."""
    series = series_of(history, thresholds)
    rows = _rows(series)
    current = [line.at for line in history.lines]
    names = _Numbered()
    data = [inert(seen(_all_of(row, names))) for row in rows]
    return render(
        "trend.html.j2",
        package="buildproof.trend",
        styles=("page.css", "trend.css"),
        scripts=_SCRIPTS,
        is_good=all(one.state not in {State.FAILED, State.GREW} for one in series),
        title=title_of(series),
        lines=len(history.lines),
        first=f"{min(current):%Y-%m-%d}" if current else "",
        last=f"{max(current):%Y-%m-%d}" if current else "",
        thresholds=", ".join(threshold.text for threshold in thresholds),
        tallies=_tallies(rows),
        shown=_SHOWN,
        rows=rows,
        names=inert({"names": seen(list(names))}),
        builds=data,
    )


class _Numbered(dict[str, int]):
    """Texts that stand in many places, each written once: its number is its place."""

    def __missing__(self, text: str) -> int:
        self[text] = len(self)
        return self[text]


def _rows(series: Sequence[Series]) -> list[Row]:
    ids = Counter(one.build for one in series)
    numbers = {build: count(1) for build in ids}
    rows = []
    for rank, one in enumerate(series):
        outcome = one.newest.line.outcome.value if one.state is State.FAILED else one.state.value
        family = one.newest.line.outcome.family.value if one.state is State.FAILED else _FAMILIES[one.state]
        rows.append(
            Row(
                key=one.build if ids[one.build] == 1 else f"{one.build}~{next(numbers[one.build])}",
                series=one,
                rank=rank,
                outcome=outcome,
                family=family,
                cells={metric.value: _cell(one, metric) for metric in _SHOWN},
                why="" if one.is_past else "; ".join(one.newest.why),
                marked=sum(point.state in {State.FAILED, State.GREW} for point in one.points),
            )
        )
    return rows


def _cell(series: Series, metric: Metric) -> Cell:
    newest = series.newest
    found = newest.compared.of(metric) if newest.compared else None
    return Cell(
        now=metric.show(newest.line.value(metric)),
        change=found.ratio - 1 if found and found.ratio is not None and newest.line.passed else None,
        is_over=metric in newest.over,
        spark=spark_of(series, metric),
    )


def _tallies(rows: Iterable[Row]) -> list[tuple[str, str, int]]:
    """Outcome, family and number of builds, as the rows begin."""
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        found[row.outcome, row.family] = found.get((row.outcome, row.family), 0) + 1
    return [(outcome, family, number) for (outcome, family), number in found.items()]


def _all_of(row: Row, names: _Numbered) -> dict[str, Any]:
    """What there is to see of one series. Memory is whole KiB, times tenths of a second, moments minutes of the epoch.

    Numbers in a row are the steps from each to the next, which is most often a short one.
    `band` has, of each figure that is compared, the median of the runs before, their least and most, and the bound
    above which it grew too much.
    """
    points, series = row.series.points, row.series
    return {
        "id": series.build,
        "image": series.image,
        "machine": series.machine,
        "outcome": row.outcome,
        "family": row.family,
        "why": [] if series.is_past else list(series.newest.why),
        "at": _steps([int(point.line.at.timestamp() // 60) for point in points]),
        "run": _steps([names[point.line.run] for point in points]),
        "commit": _steps([names[point.line.commit[:_SHORT_COMMIT]] if point.line.commit else None for point in points]),
        "figures": {
            "peak": _steps([_kib(point.line.peak) for point in points]),
            "charged": _steps([_kib(point.line.charged) for point in points]),
            "time": _steps([_tenths(point.line.time) for point in points]),
            "cpu": _steps([_tenths(point.line.cpu) for point in points]),
            "size": _steps([point.line.size for point in points]),
        },
        "band": {metric.value: _band(metric, points) for metric in Metric},
        "marks": [
            [index, point.state.value, list(point.why), _who(point), sorted(point.over)]
            for index, point in enumerate(points)
            if point.state in {State.FAILED, State.GREW}
        ],
    }


def _who(point: Point) -> str:
    """Who grew, in the fewest words: for a mark."""
    if point.compared and point.compared.grown:
        return point.compared.grown[0].name
    return point.line.culprit or ""


def _band(metric: Metric, points: Sequence[Point]) -> list[list[int | None]]:
    round_to = {Metric.PEAK: _kib, Metric.SIZE: _whole}.get(metric, _tenths)
    found = [point.compared.of(metric) if point.compared else None for point in points]
    names = ("before", "least", "most", "bound")
    return [_steps([round_to(getattr(one, name)) if one else None for one in found]) for name in names]


def _steps(values: Sequence[int | None]) -> list[int | None]:
    """The steps between numbers, over those that are unknown; the first is one from zero."""
    before = 0
    steps: list[int | None] = []
    for value in values:
        steps.append(None if value is None else value - before)
        before = before if value is None else value
    return steps


def _kib(value: float | None) -> int | None:
    return None if value is None else round(value / _KIB)


def _tenths(value: float | None) -> int | None:
    return None if value is None else round(value * 10)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
