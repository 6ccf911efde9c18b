"""A peak is an interval: what is proved, what is only likely, and what is not known at all."""

from __future__ import annotations

import pytest

from buildproof.evidence import Memory
from buildproof.verdict.peak import PeakState, judge_peak

GIB = 1 << 30
BUDGET = 2 * GIB


def state(charged: int | None, demand: int | None, swap: int | None = 0) -> PeakState:
    return judge_peak(Memory(charged_peak=charged, demand_peak=demand, swap_peak=swap), BUDGET).state


@pytest.mark.parametrize(
    ("charged", "demand", "swap", "expected"),
    [
        (BUDGET, BUDGET, 0, PeakState.PROVED_INSIDE),
        (BUDGET, None, 0, PeakState.PROVED_INSIDE),
        (BUDGET + 1, BUDGET, 0, PeakState.INSIDE),
        (BUDGET + 1, BUDGET + 1, 0, PeakState.PROVED_OVER),
        (None, BUDGET + 1, 0, PeakState.PROVED_OVER),
        (None, BUDGET, 0, PeakState.INSIDE),
        (None, None, 0, PeakState.UNKNOWN),
        (BUDGET + 1, None, 0, PeakState.UNKNOWN),
    ],
)
def test_both_ends_of_the_interval_decide(
    charged: int | None, demand: int | None, swap: int | None, expected: PeakState
) -> None:
    assert state(charged, demand, swap) is expected


def test_what_was_swapped_out_is_not_hidden_by_a_small_charged_peak() -> None:
    assert state(GIB, BUDGET + 1, 2 * GIB) is PeakState.PROVED_OVER
    assert state(GIB, GIB, GIB) is PeakState.PROVED_INSIDE
    assert state(GIB, GIB, GIB + 1) is PeakState.INSIDE


def test_swap_that_is_not_accounted_proves_nothing() -> None:
    assert state(GIB, GIB, None) is PeakState.INSIDE
    assert state(GIB, None, None) is PeakState.UNKNOWN


def test_only_a_proof_is_over() -> None:
    peaks = [
        judge_peak(memory, BUDGET)
        for memory in (
            Memory(charged_peak=1, swap_peak=0),
            Memory(charged_peak=3 * GIB, demand_peak=1),
            Memory(demand_peak=3 * GIB),
            Memory(),
        )
    ]
    assert {peak.state for peak in peaks} == set(PeakState)
    assert [peak.state for peak in peaks if peak.over] == [PeakState.PROVED_OVER]


@pytest.mark.parametrize(
    ("memory", "why"),
    [
        (Memory(charged_peak=GIB, demand_peak=GIB, swap_peak=0), "even with page cache it stayed inside"),
        (
            Memory(charged_peak=4 * GIB, demand_peak=3 * GIB, swap_peak=GIB),
            "budget 2 GiB, swap 1 GiB: what cannot be reclaimed passed the budget by 1 GiB",
        ),
        (Memory(charged_peak=4 * GIB, demand_peak=GIB, swap_peak=0), "only page cache"),
        (
            Memory(demand_peak=GIB),
            "charged peak unknown, budget 2 GiB: no sample passed the budget; the kernel keeps no",
        ),
        (Memory(charged_peak=GIB, demand_peak=GIB), "the kernel does not account swap"),
        (Memory(charged_peak=GIB, demand_peak=GIB, swap_peak=2 * GIB), "some of it was swapped out"),
        (Memory(charged_peak=4 * GIB), "demand peak unknown"),
    ],
)
def test_the_reason_has_the_numbers_and_does_not_claim_more_than_is_known(memory: Memory, why: str) -> None:
    assert why in judge_peak(memory, BUDGET).why
