"""One load's record against what had to come out. Pure; docs/calibration.md says how truth is defined."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from buildproof.calibration.loads import Interval, Load
from buildproof.record import BuildRecord, EngineRecord
from buildproof.units import size

CLOSE = 0.03  # of the truth
# What cannot be known better. v1 and v2 keep a group's statistics per CPU, and fold them in batches of 64 pages
# (MEMCG_CHARGE_BATCH, mm/memcontrol.c); v2's demand has kernel memory in it that no process shows, such as its stacks.
SLACK = 2 << 20
MARK = "buildproof-load: "


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a load itself says that its box held at once: bytes, and for how many milliseconds."""

    anonymous: int
    shared: int
    page_tables: int
    held_ms: float

    def demand(self, cgroup_version: int | None) -> int:
        """What the demand peak should be: on v2 page tables count, on v1 no kernel memory does."""
        return self.anonymous + self.shared + (self.page_tables if cgroup_version == 2 else 0)


def truth_in(log: str) -> Truth | None:
    """The truth that a load's log tells; None when it tells none."""
    told = [line.removeprefix(MARK) for line in log.splitlines() if line.startswith(MARK)]
    return Truth(**json.loads(told[-1])) if told else None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One load, run once. `wrong` is what differs from what was expected, one sentence each."""

    load: Load
    outcome: str
    cause: str | None
    truth: int | None
    held_ms: float | None
    demand_peak: int | None
    charged_peak: int | None
    leftover: tuple[str, ...]
    longest_gap_ms: float | None
    wall_s: float | None
    probe_cpu_s: float | None
    wrong: tuple[str, ...]

    @property
    def error(self) -> float | None:
        """How far the demand peak is from the truth, as a part of it; negative when below."""
        if self.truth is None or self.demand_peak is None:
            return None
        return self.demand_peak / self.truth - 1


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """All trials of all loads on one engine, in the order in which they ran."""

    engine: EngineRecord | None
    trials: tuple[Trial, ...]
    folders: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether everything came out as expected."""
        return bool(self.trials) and not any(trial.wrong for trial in self.trials)

    def by_load(self) -> list[tuple[Load, list[Trial]]]:
        """The trials of each load."""
        loads = dict.fromkeys(trial.load for trial in self.trials)
        return [(load, [trial for trial in self.trials if trial.load == load]) for load in loads]


def errors_of(trials: Sequence[Trial]) -> tuple[float, float] | None:
    """Median error, and the one farthest from zero; None when no trial has one."""
    errors = [trial.error for trial in trials if trial.error is not None]
    return (statistics.median(errors), max(errors, key=abs)) if errors else None


def compare(load: Load, record: BuildRecord, truth: Truth | None, *, cgroup_version: int | None) -> Trial:
    """Hold a load's record against what is expected of it; `truth` is what the load said of itself."""
    verdict, memory = record.verdict, record.memory
    load = _as_it_was(load, record)
    demand = truth.demand(cgroup_version) if truth else None
    wrong = [*_verdict(load, record), *_interval(load, record, demand)]
    if load.saturated is not None and memory.saturated is not load.saturated:
        wrong.append(f"saturated is {memory.saturated}, not {load.saturated}")
    leftover = tuple(process.comm for process in record.processes.leftover)
    if leftover != ((load.leftover,) if load.leftover else ()):
        wrong.append(f"left behind was {', '.join(leftover) or 'no process'}, not {load.leftover or 'nothing'}")
    return Trial(
        load=load,
        outcome=verdict.outcome if verdict else "no verdict",
        cause=verdict.cause if verdict else None,
        truth=demand,
        held_ms=truth.held_ms if truth else None,
        demand_peak=memory.demand_peak,
        charged_peak=memory.charged_peak,
        leftover=leftover,
        longest_gap_ms=memory.sample_interval_ms,
        wall_s=record.time.wall_s,
        probe_cpu_s=record.ended.probe_cpu_s,
        wrong=tuple(wrong),
    )


def _as_it_was(load: Load, record: BuildRecord) -> Load:
    """The load itself, or what it is without swap if there was none to be had."""
    limit = record.limits.get("memory_swap")
    had_none = limit is not None and limit.in_force is False and record.memory.swap_peak == 0
    return load.without_swap if had_none and load.without_swap else load


def _verdict(load: Load, record: BuildRecord) -> Iterator[str]:
    verdict = record.verdict
    if verdict is None:
        yield "there is no verdict"
    elif verdict.outcome is not load.outcome:
        yield f"the verdict is {verdict.outcome}, not {load.outcome}: {verdict.summary}"
    else:
        if load.cause is not None and verdict.cause != load.cause:
            yield f"the cause is {verdict.cause}, not {load.cause}"
        if load.culprit and load.culprit not in (verdict.culprit or ""):
            yield f"the culprit is {verdict.culprit or 'not named'}, not {load.culprit}"


def _interval(load: Load, record: BuildRecord, truth: int | None) -> Iterator[str]:
    if load.interval is Interval.ANY:
        return
    memory = record.memory
    if truth is None:
        yield "the load did not say what it held"
        return
    if memory.demand_peak is None or memory.charged_peak is None:
        yield f"the interval is unknown: {size(memory.demand_peak)} to {size(memory.charged_peak)}"
        return
    if memory.charged_peak + (memory.swap_peak or 0) < truth:
        yield f"the charged peak {size(memory.charged_peak)} is below the truth {size(truth)}"
    if memory.demand_peak > truth + SLACK:
        yield f"the demand peak {size(memory.demand_peak)} is above the truth {size(truth)}"
    if load.interval is Interval.CLOSE and truth - memory.demand_peak > max(CLOSE * truth, SLACK):
        gap = memory.sample_interval_ms
        yield (
            f"the demand peak {size(memory.demand_peak)} is {1 - memory.demand_peak / truth:.1%} below {size(truth)}"
            + (f"; the longest gap between two samples was {gap:.0f} ms" if gap is not None else "")
        )
