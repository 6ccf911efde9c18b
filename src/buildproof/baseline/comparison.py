"""Comparing one build with its history: what grew, whether that is more than noise, and who grew. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildproof.units import size

from .history import History
from .measured import Measured
from .metrics import Metric
from .thresholds import Threshold

_LOOKED_AT = 20  # the newest lines of a key
_SPREAD_FROM = 3  # of fewer runs nobody knows how far they lie apart
_MOST_GROWN = 3
_LEAST_GROWTH = 0.05  # of a process, to be named
_LEAST_GROWTH_BYTES = 1 << 20
_UNUSUAL = 3  # times the median deviation: what is further out is no noise


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A process that grew: bytes of resident memory, `before` is the median.

    One that `was_among_largest` never has as `before` what the least of the largest had: it was no larger than that.
    """

    name: str
    before: int
    now: int
    was_among_largest: bool = True

    def __str__(self) -> str:
        if self.was_among_largest:
            return f"{self.name}: {size(self.now)}, before {size(self.before)}"
        return f"{self.name}: {size(self.now)}, before not among the largest"


@dataclass(frozen=True, kw_only=True)
class MetricCompared:
    """One figure against its history: `before` is the median of so many `runs`, `least` and `most` are their ends."""

    metric: Metric
    now: float | None
    before: float | None
    least: float | None
    most: float | None
    runs: int
    threshold: Threshold | None = None

    @property
    def spread(self) -> float | None:
        """From the least to the most, None when unknown: of two runs nobody knows how far others will lie apart."""
        return self.most - self.least if self.most is not None and self.least is not None else None

    @property
    def bound(self) -> float | None:
        """Up to here a figure does not fail: the most that was seen and what is allowed, or the median and the spread.

        Three runs of a build whose peak varies by 5% may lie close together by chance. Measured from their median,
        one of ten runs that did not change would then be over 10% too often; measured from the most it seldom is.
        """
        if self.threshold is None or self.before is None:
            return None
        allowed = self.threshold.allowed(self.before)
        if self.most is None or self.least is None:
            return self.before + allowed
        return max(self.most + allowed, self.before + self.most - self.least)

    @property
    def growth(self) -> float | None:
        """By how much it grew; negative when it shrank."""
        return None if self.now is None or self.before is None else self.now - self.before

    @property
    def ratio(self) -> float | None:
        """Now to before."""
        return self.now / self.before if self.now is not None and self.before else None

    @property
    def fails(self) -> bool:
        """Over its threshold, whichever of the runs before it is measured from, and further than they lay apart."""
        return self.now is not None and self.bound is not None and self.now > self.bound

    @property
    def is_within_noise(self) -> bool:
        """Over its threshold, measured from the median, but not out of what the runs before may come to."""
        if self.threshold is None or self.growth is None or self.before is None:
            return False
        return not self.fails and self.growth > self.threshold.allowed(self.before)

    def __str__(self) -> str:
        show = self.metric.show
        if self.growth is None:
            return f"{self.metric} {show(self.now)}, before {show(self.before)}"
        text = f"{self.metric} {show(self.now)}, before {show(self.before)}"
        if self.ratio is not None:
            text += f" ({self.ratio - 1:+.1%})"
        if self.spread is None:
            return f"{text}; the median of {self.runs}, too few to know the spread"
        return f"{text}; the median of {self.runs}, which lay {show(self.spread)} apart"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One build against its history."""

    build: str
    metrics: tuple[MetricCompared, ...] = ()
    grown: tuple[Growth, ...] = ()
    new_because: str | None = None  # why there is nothing to compare with

    def of(self, metric: Metric) -> MetricCompared | None:
        """One figure; None of a build that is new."""
        return next((one for one in self.metrics if one.metric is metric), None)

    @property
    def failing(self) -> tuple[MetricCompared, ...]:
        """The figures over their thresholds."""
        return tuple(compared for compared in self.metrics if compared.fails)


def compare(now: Measured, history: History, thresholds: Sequence[Threshold] = ()) -> Comparison:
    """Compare one build of this run with what was saved before; a line of this very run does not count."""
    before = [line for line in history.of(now.key) if line.run != now.run and line.counts]
    if not before:
        return Comparison(build=now.build, new_because=_why_new(now, history))
    return compare_with(now, before, thresholds)


def compare_with(now: Measured, before: Sequence[Measured], thresholds: Sequence[Threshold] = ()) -> Comparison:
    """Compare with the newest of these runs: of the same key, at least one, the oldest first, all of which count."""
    before = before[-_LOOKED_AT:]
    by_metric = {threshold.metric: threshold for threshold in thresholds}
    metrics = tuple(_compared(metric, now, before, by_metric.get(metric)) for metric in Metric)
    return Comparison(build=now.build, metrics=metrics, grown=_grown(now, before))


def _compared(metric: Metric, now: Measured, before: Sequence[Measured], threshold: Threshold | None) -> MetricCompared:
    values = [value for line in before if (value := line.value(metric)) is not None]
    return MetricCompared(
        metric=metric,
        now=now.value(metric),
        before=statistics.median(values) if values else None,
        least=min(values) if len(values) >= _SPREAD_FROM else None,
        most=max(values) if len(values) >= _SPREAD_FROM else None,
        runs=len(values),
        threshold=threshold,
    )


def _grown(now: Measured, before: Sequence[Measured]) -> tuple[Growth, ...]:
    """Who grew, the most first: of those that were there at the peak, or, if none of them grew, of all.

    A process that only some runs had among their largest is compared with those.
    """
    least = round(statistics.median(min(line.held.values(), default=0) for line in before))
    held: dict[str, list[int]] = {}
    for line in before:
        for name, value in line.held.items():
            held.setdefault(name, []).append(value)
    found = []
    for name, value in now.held.items():
        values = held.get(name) or _under_another_name(name, now, held)
        was = round(statistics.median(values)) if values else least
        # The median of deviations, unlike the spread, is not moved by the few runs that had grown already.
        usual = statistics.median(abs(one - was) for one in values) if values else 0
        if value - was > max(_LEAST_GROWTH_BYTES, _LEAST_GROWTH * was, _UNUSUAL * usual):
            found.append(Growth(name=name, before=was, now=value, was_among_largest=bool(values)))
    there = [growth for growth in found if growth.name in (now.at_peak or ())]
    return tuple(sorted(there or found, key=lambda growth: growth.before - growth.now)[:_MOST_GROWN])


def _under_another_name(name: str, now: Measured, held: Mapping[str, Sequence[int]]) -> Sequence[int]:
    """What a program held that is not there by its name any more: the largest such.

    A crate is renamed, `ld -o app-5f01` has a new hash, or a process ended before its command line was read.
    """
    program = name.partition(" ")[0]
    gone = [values for other, values in held.items() if other not in now.held and other.partition(" ")[0] == program]
    return max(gone, key=statistics.median, default=())


def _why_new(now: Measured, history: History) -> str:
    saved = [line for line in history.lines if line.build == now.build and line.run != now.run]
    others = [line for line in saved if line.counts]
    if not others:
        return "no run of it that passed was saved before" if saved else "nothing was saved of it before"
    last = others[-1]
    if last.image != now.image and last.machine != now.machine:
        return f"saved before with {last.image} on {last.machine}, now {now.image} on {now.machine}"
    if last.image != now.image:
        return f"saved before with {last.image}, now {now.image}"
    return f"saved before on {last.machine}, now on {now.machine}"
