"""One figure of a series as a line of a few pixels, without axes: its shape, its band, its marks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buildproof.baseline import Metric
from buildproof.trend.series import Point, Series, State

HEIGHT = 24
WIDTH = 100
_POINTS = 60  # the newest runs
_LEAST_RANGE = 0.3  # of the largest value: noise is not blown up to the whole height


@dataclass(frozen=True, kw_only=True)
class Spark:
    """Paths of SVG in a box of 100 by 24: the runs that passed, the band of the newest, and single points."""

    line: str
    band: tuple[float, float] | None  # top and height
    grew: str
    failed: str


def spark_of(series: Series, metric: Metric) -> Spark | None:
    """The newest runs of a figure; None where none of them has a value."""
    points = series.points[-_POINTS:]
    values = [point.line.value(metric) for point in points]
    known = [value for value in values if value is not None]
    if not known:
        return None
    newest = series.newest.compared.of(metric) if series.newest.compared else None
    ends = [end for end in (newest.least, newest.most) if end is not None] if newest else []
    # What a run that failed held on its way is drawn at the edge: it must not press the others flat.
    pairs = zip(points, values, strict=True)
    passed_alone = [value for point, value in pairs if value is not None and point.line.passed]
    floor, top = scale([*passed_alone, *ends] or known)

    def y(value: float) -> float:
        return round((HEIGHT - 4) * (top - min(top, max(floor, value))) / (top - floor) + 2, 1)

    def x(index: int) -> float:
        return round(WIDTH * (index + 0.5) / len(points), 1)

    placed = [(point, x(index), y(value)) for index, (point, value) in _known(points, values)]
    passed = [(at, height) for point, at, height in placed if point.line.passed]
    band = None
    if len(ends) == 2:
        band = (y(ends[1]), max(1.0, round(y(ends[0]) - y(ends[1]), 1)))
    return Spark(
        line="M" + "L".join(f"{at} {height}" for at, height in passed) if passed else "",
        band=band,
        grew=_dots(placed, State.GREW, metric),
        failed=_dots(placed, State.FAILED, metric),
    )


def scale(values: Sequence[float]) -> tuple[float, float]:
    """From where to where the axis goes: as near as noise allows, never below zero."""
    low, high = min(values), max(values)
    missing = max(_LEAST_RANGE * abs(high), 1e-9) - (high - low)
    if missing > 0:
        low, high = low - missing / 2, high + missing / 2
    return max(0.0, low), high


def _known(points: Sequence[Point], values: Sequence[float | None]) -> list[tuple[int, tuple[Point, float]]]:
    pairs = enumerate(zip(points, values, strict=True))
    return [(index, (point, value)) for index, (point, value) in pairs if value is not None]


def _dots(placed: Sequence[tuple[Point, float, float]], state: State, metric: Metric) -> str:
    """Strokes of no length, which a round cap makes dots, however the box is stretched."""
    return "".join(
        f"M{at} {height}h0" for point, at, height in placed if point.state is state and _is_marked(point, metric)
    )


def _is_marked(point: Point, metric: Metric) -> bool:
    """A run that failed is marked in all figures, one that grew where it did."""
    if point.state is State.FAILED:
        return True
    return metric in point.over
