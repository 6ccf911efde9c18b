"""The memory of one build over time as data for a chart: thinned out without losing a peak, with its axes. Pure.

Times are seconds since the command was let go. Series are whole KiB, to keep the page small.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from buildproof.evidence import Memory, ProcessEnd
from buildproof.record import BuildRecord
from buildproof.report.trace import Sample, Trace
from buildproof.units import clock, duration, size
from buildproof.verdict.culprit import named, signal_name, work_of

HOLDERS_NAMED = 7
MOST_MARKS = 40
_HEADROOM = 1.08
_LIMIT_IN_SIGHT = 1.6  # a limit further above the curve than this would press it flat, and is told in words
_LEAST_CHANGE = 100  # a mount whose free space moved by less than a hundredth of its size is no news
_KIB = 1024


def chart_of(build: BuildRecord, trace: Trace, points: int) -> dict[str, Any] | None:
    """All that the chart of one build shows, with up to `points` points; None without a sample."""
    if not trace.samples:
        return None
    samples = _with_peak(trace.samples, build.memory)
    marks = _marks(build)
    end_s = max(samples[-1].at_s, build.time.wall_s or 0.0, *(mark["at"] for mark in marks), 0.1)
    groups = _grouped(samples, end_s, points)
    top = _top(build, samples)
    return {
        "end": round(end_s, 3),
        "top": top,
        "x": [[at, clock(at) if end_s >= 10 else f"{at:g} s"] for at in time_ticks(end_s)],
        "y": [[at, size(at) if at else "0"] for at in size_ticks(top)],
        "t": [round(max(group, key=lambda sample: sample.demand or 0).at_s, 2) for group in groups],
        "demand": [_most(sample.demand for sample in group) for group in groups],
        "charged": [_most(sample.charged for sample in group) for group in groups],
        "lines": _lines(build, top),
        "holders": _holders(groups, end_s),
        "marks": marks,
        "peak": _peak(build),
    }


def space_of(trace: Trace, points: int) -> dict[str, Any]:
    """Free space over time of each mount where it moved: `t` once, KiB by mount."""
    if not trace.samples:
        return {}
    groups = _grouped(trace.samples, max(trace.samples[-1].at_s, 0.1), points)
    series = {}
    for index, mount in enumerate(trace.mounts):
        free = [_least(sample.free[index] for sample in group) for group in groups]
        known = [value for value in free if value is not None]
        if known and (max(known) - min(known)) * _LEAST_CHANGE > max(known):
            series[mount] = free
    return {"t": [round(group[0].at_s, 2) for group in groups], "free": series} if series else {}


def time_ticks(end_s: float, at_most: int = 8) -> list[float]:
    """Round moments from 0 on that people count in: seconds, minutes, hours."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
    step = next((step for step in steps if end_s / step <= at_most), math.ceil(end_s / at_most / 86400) * 86400)
    return [round(index * step, 3) for index in range(int(end_s / step + 1e-9) + 1)]


def size_ticks(top: int, at_most: int = 5) -> list[int]:
    """Round sizes from 0 up to `top`: powers of two, as memory comes."""
    step = 1 << max(0, math.ceil(math.log2(max(top, 1) / at_most)))
    return [index * step for index in range(top // step + 1)]


def _with_peak(samples: Sequence[Sample], memory: Memory) -> Sequence[Sample]:
    """The samples with that of the demand peak among them: memory is read more often than the timeline is written."""
    peak, at_s = memory.demand_peak, memory.demand_peak_at_s
    if peak is None or at_s is None:
        return samples
    place = bisect(samples, at_s, key=attrgetter("at_s"))
    before = samples[max(0, place - 1)]
    return [*samples[:place], before._replace(at_s=at_s, demand=peak, charged=None), *samples[place:]]


def _grouped(samples: Sequence[Sample], end_s: float, points: int) -> list[list[Sample]]:
    """The samples as they are, or, where there are more than `points`, in as many equal stretches of time."""
    if len(samples) <= points:
        return [[sample] for sample in samples]
    groups: dict[int, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(min(points - 1, int(sample.at_s / end_s * points)), []).append(sample)
    return [groups[key] for key in sorted(groups)]


def _most(values: Iterable[int | None]) -> int | None:
    return max((round(value / _KIB) for value in values if value is not None), default=None)


def _least(values: Iterable[int | None]) -> int | None:
    return min((value // _KIB for value in values if value is not None), default=None)


def _top(build: BuildRecord, samples: Sequence[Sample]) -> int:
    """Where the axis of memory ends, bytes: above all that was sampled and promised, and above the limit if near."""
    seen = max((value for sample in samples for value in (sample.demand, sample.charged) if value), default=0)
    seen = max(seen, build.memory.demand_peak or 0, build.memory.charged_peak or 0, 1 << 20)
    near = [
        value for value in (build.memory.limit, build.budget.peak_memory) if value and value <= seen * _LIMIT_IN_SIGHT
    ]
    return round(max([seen, *near]) * _HEADROOM)


def _lines(build: BuildRecord, top: int) -> list[dict[str, Any]]:
    told = (("limit", build.memory.limit), ("budget", build.budget.peak_memory))
    return [{"kind": kind, "at": at, "text": f"{kind} {size(at)}", "beyond": at > top} for kind, at in told if at]


def _peak(build: BuildRecord) -> dict[str, Any] | None:
    peak, at_s = build.memory.demand_peak, build.memory.demand_peak_at_s
    return None if peak is None or at_s is None else {"at": at_s, "bytes": peak, "text": f"peak {size(peak)}"}


def _holders(groups: Sequence[Sequence[Sample]], end_s: float) -> dict[str, Any]:
    """Who held most, stretch by stretch: `names`, the weightiest first, and `spans` of [from, to, name, most bytes].

    Those beyond the first `HOLDERS_NAMED` names keep their place in `names` as well; the chart draws them alike.
    """
    spans: list[list[Any]] = []
    weight: dict[str, float] = {}
    for index, group in enumerate(groups):
        held = max(group, key=lambda sample: sample.holder_rss or 0)
        name = work_of(*held.holder).replace(" --crate-name ", " ") if held.holder else ""
        begin = group[0].at_s
        until = groups[index + 1][0].at_s if index + 1 < len(groups) else end_s
        rss = held.holder_rss or 0
        weight[name] = weight.get(name, 0.0) + rss * (until - begin)
        if spans and spans[-1][2] == name:
            spans[-1][1], spans[-1][3] = until, max(spans[-1][3], rss)
        else:
            spans.append([begin, until, name, rss])
    weight.pop("", None)
    names = sorted(weight, key=lambda name: -weight[name])
    return {
        "names": names,
        "spans": [
            [round(begin, 2), round(until, 2), names.index(name), size(rss)]
            for begin, until, name, rss in spans
            if name
        ],
    }


def _marks(build: BuildRecord) -> list[dict[str, Any]]:
    """The moments that a reader looks for: processes that a signal ended, and where the harness stepped in."""
    marks = [
        {"at": end.at_s, "kind": "death", "text": _death(end), "is_culprit": _is_culprit(end, build)}
        for end in build.processes.signalled
    ]
    marks.sort(key=lambda mark: (not mark["is_culprit"], mark["at"]))
    stopped, at_s = build.ended.stopped, build.ended.stopped_at_s
    if stopped and at_s is not None:
        text = f"ended by the harness ({stopped.value}) after {duration(at_s)}"
        marks.insert(0, {"at": at_s, "kind": "stop", "text": text, "is_culprit": not marks})
    return marks[:MOST_MARKS]


def _death(end: ProcessEnd) -> str:
    return f"{named(end)}: {signal_name(end.signal)}"


def _is_culprit(end: ProcessEnd, build: BuildRecord) -> bool:
    return build.verdict is not None and build.verdict.culprit == named(end)
