"""Sampling memory: what is worth telling, what the longest gap was, who held most at the peak."""

from __future__ import annotations

from typing import cast

import pytest

from buildproof.probe.cgroup import Cgroup, Usage
from buildproof.probe.memory import (
    DENSE_S,
    MOVED_BYTES,
    SPARSE_S,
    TOLD_AT_LEAST_EVERY_S,
    TOLD_EVERY_S,
    Sampler,
)
from buildproof.probe.processes import Census, Seen

MIB = 1 << 20
GIB = 1 << 30
GATE = 50


class FakeCgroup:
    def __init__(self) -> None:
        self.reading: Usage = usage()

    def usage(self) -> Usage:
        return self.reading


class FakeCensus:
    def __init__(self) -> None:
        self.alive: dict[int, Seen] = {}
        self.measured = 0

    def measure(self) -> None:
        self.measured += 1


def usage(demand: int | None = 100 * MIB, charged: int | None = 200 * MIB, swap: int | None = 0) -> Usage:
    return Usage(charged=charged, demand=demand, swap=swap)


class Bench:
    """A sampler over readings that the test gives; its clock starts at 1000 s."""

    def __init__(self) -> None:
        self.cgroup, self.census = FakeCgroup(), FakeCensus()
        self.sampler = Sampler(cast("Cgroup", self.cgroup), cast("Census", self.census), GATE)
        self.sampler.start(1000.0)

    def holds(self, pid: int, rss: int) -> None:
        self.census.alive[pid] = Seen(pid, GATE, f"p{pid}", (f"p{pid}", "x.c"), rss=rss, peak_rss=rss)

    def take(self, at_s: float, reading: Usage | None = None) -> Usage | None:
        if reading:
            self.cgroup.reading = reading
        return self.sampler.sample(1000.0 + at_s, at_s)

    def fact(self, name: str) -> object:
        return self.sampler.facts()[name]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- telling --------------------------------------------------------------------------------------------------------


def test_the_first_sample_is_told_at_once(bench: Bench) -> None:
    assert bench.take(0.001) == usage()


def test_a_change_is_told_no_sooner_than_a_tenth_of_a_second_later(bench: Bench) -> None:
    bench.take(0.0)
    assert bench.take(TOLD_EVERY_S - 0.01, usage(GIB)) is None
    assert bench.take(TOLD_EVERY_S + 0.001, usage(GIB)) == usage(GIB)


def test_what_does_not_change_is_told_once_a_second(bench: Bench) -> None:
    told = [at_s for at_s in (step / 20 for step in range(61)) if bench.take(at_s)]
    assert told == [0.0, TOLD_AT_LEAST_EVERY_S, 2 * TOLD_AT_LEAST_EVERY_S, 3 * TOLD_AT_LEAST_EVERY_S]


@pytest.mark.parametrize("part", ["charged", "demand", "swap"])
@pytest.mark.parametrize(
    ("before", "now", "is_told"),
    [
        (10 * MIB, 11 * MIB, False),
        (10 * MIB, 11 * MIB + 1, True),
        (11 * MIB + 1, 10 * MIB, True),
        (10 * GIB, 10 * GIB + 90 * MIB, False),
        (10 * GIB, 10 * GIB + 110 * MIB, True),
        (0, MIB + 1, True),
    ],
)
def test_a_change_worth_telling_is_over_a_mebibyte_and_a_hundredth(
    bench: Bench, part: str, before: int, now: int, *, is_told: bool
) -> None:
    sizes = {"charged": 200 * MIB, "demand": 100 * MIB, "swap": 0}
    bench.take(0.0, Usage(**{**sizes, part: before}))
    assert bool(bench.take(0.5, Usage(**{**sizes, part: now}))) is is_told


def test_a_slow_drift_is_measured_against_what_was_told_last(bench: Bench) -> None:
    bench.take(0.0, usage(10 * MIB))
    told = [step for step in range(1, 9) if bench.take(step * 0.11, usage(10 * MIB + step * MIB // 4))]
    assert told == [5]


# -- gaps -----------------------------------------------------------------------------------------------------------


def test_the_longest_gap_is_kept_and_the_one_before_the_first_sample_counts(bench: Bench) -> None:
    for at_s in (0.7, 0.75, 1.0):
        bench.take(at_s)
    assert (bench.fact("longest_gap_ms"), bench.fact("samples")) == (700.0, 3)
    bench.take(3.5)
    assert bench.fact("longest_gap_ms") == 2500.0


def test_readings_that_fail_are_no_samples_and_leave_a_gap(bench: Bench) -> None:
    bench.take(0.1)
    for at_s in (1.0, 2.0, 3.0):
        assert bench.take(at_s, usage(None)) is None
    bench.take(3.1, usage())
    assert (bench.fact("samples"), bench.fact("longest_gap_ms")) == (2, 3000.0)


def test_sampling_goes_from_dense_to_sparse_and_back(bench: Bench) -> None:
    bench.take(0.1, usage(GIB))
    assert bench.sampler.pause_s == DENSE_S
    pauses = []
    for step in range(6):
        bench.take(0.2 + step / 10)
        pauses.append(bench.sampler.pause_s)
    assert pauses == sorted(pauses)
    assert pauses[-1] == SPARSE_S
    bench.take(2.0, usage(GIB - MOVED_BYTES))
    assert bench.sampler.pause_s == SPARSE_S
    bench.take(2.1, usage(GIB - 2 * MOVED_BYTES - 1))
    assert bench.sampler.pause_s == DENSE_S


# -- peaks ----------------------------------------------------------------------------------------------------------


def test_before_any_sample_the_peaks_are_unknown(bench: Bench) -> None:
    assert (bench.fact("demand_peak"), bench.fact("swap_peak"), bench.fact("holders")) == (None, None, [])


def test_the_peak_keeps_its_moment(bench: Bench) -> None:
    for at_s, demand in ((0.5, 5 * MIB), (1.25, 9 * MIB), (2.0, 9 * MIB), (3.0, MIB)):
        bench.take(at_s, usage(demand))
    assert (bench.fact("demand_peak"), bench.fact("demand_peak_at_s")) == (9 * MIB, 1.25)


def test_a_demand_of_zero_was_sampled_and_is_known(bench: Bench) -> None:
    bench.take(0.1, usage(0))
    assert bench.fact("demand_peak") == 0


def test_swap_that_is_not_accounted_stays_unknown_and_zero_is_known(bench: Bench) -> None:
    bench.take(0.1, usage(swap=None))
    assert bench.fact("swap_peak") is None
    bench.take(0.2, usage(swap=0))
    assert bench.fact("swap_peak") == 0
    bench.take(0.3, usage(swap=7))
    bench.take(0.4, usage(swap=None))
    assert bench.fact("swap_peak") == 7


# -- holders --------------------------------------------------------------------------------------------------------


def test_the_five_largest_hold_the_peak_without_the_gate_and_those_that_hold_nothing(bench: Bench) -> None:
    bench.holds(GATE, 99 * MIB)
    bench.holds(60, 0)
    for pid in range(61, 68):
        bench.holds(pid, pid * MIB)
    bench.take(0.1, usage(500 * MIB))
    assert bench.fact("holders") == [
        {"pid": pid, "comm": f"p{pid}", "cmdline": f"p{pid} x.c", "rss": pid * MIB} for pid in (67, 66, 65, 64, 63)
    ]


def test_holders_are_asked_again_only_when_the_peak_grew_by_a_twentieth(bench: Bench) -> None:
    scans: list[int] = []
    for demand in (100, 102, 109, 110, 50, 119, 120):
        bench.take(len(scans) / 10, usage(demand * MIB))
        scans.append(bench.census.measured)
    assert scans == [1, 1, 1, 2, 2, 2, 3]


def test_a_fall_of_memory_leaves_the_holders_of_the_peak(bench: Bench) -> None:
    bench.holds(60, 300 * MIB)
    bench.take(0.1, usage(300 * MIB))
    del bench.census.alive[60]
    bench.holds(61, 20 * MIB)
    bench.take(0.2, usage(20 * MIB))
    assert [holder["pid"] for holder in cast("list[dict[str, object]]", bench.fact("holders"))] == [60]
