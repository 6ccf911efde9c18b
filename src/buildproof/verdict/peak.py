"""Judge a peak-memory budget against an interval. Pure; the reasoning is in docs/design.md."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from buildproof.evidence import Memory
from buildproof.units import duration, size


class PeakState(StrEnum):
    """What can be said of a peak and a budget."""

    PROVED_INSIDE = "proved-inside"
    INSIDE = "inside"
    PROVED_OVER = "proved-over"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Peak:
    """The state with one sentence that says why."""

    state: PeakState
    why: str

    @property
    def over(self) -> bool:
        """Whether the budget was passed."""
        return self.state is PeakState.PROVED_OVER


STARVED_MS = 2000.0  # a build can take and give back gigabytes in such a gap between two samples


def is_starved(memory: Memory) -> bool:
    """Whether the probe was kept from sampling for too long, so that `demand_peak` is no word on the peak."""
    return memory.sample_interval_ms is not None and memory.sample_interval_ms > STARVED_MS


def judge_peak(memory: Memory, budget: int) -> Peak:
    """Compare both ends of the interval with a budget in bytes."""
    charged, demand, swap = memory.charged_peak, memory.demand_peak, memory.swap_peak
    told = f"demand peak {size(demand)}, charged peak {size(charged)}, budget {size(budget)}"
    told += f", swap {size(swap)}" if swap else ""
    if demand is not None and demand > budget:
        return Peak(
            PeakState.PROVED_OVER, f"{told}: what cannot be reclaimed passed the budget by {size(demand - budget)}"
        )
    # The kernel's mark does not count what was swapped out; together they are an upper bound.
    if charged is not None and swap is not None and charged + swap <= budget:
        return Peak(PeakState.PROVED_INSIDE, f"{told}: even with page cache it stayed inside")
    if demand is None:
        return Peak(PeakState.UNKNOWN, f"{told}: the build's memory could not be sampled")
    if is_starved(memory):
        gap = duration((memory.sample_interval_ms or 0.0) / 1000)
        return Peak(PeakState.UNKNOWN, f"{told}: the probe could not sample for {gap}")
    if charged is None:
        return Peak(PeakState.INSIDE, f"{told}: no sample passed the budget; the kernel keeps no high-water mark here")
    if charged <= budget:
        swapped = "the kernel does not account swap" if swap is None else "some of it was swapped out"
        return Peak(PeakState.INSIDE, f"{told}: no sample passed the budget; {swapped}")
    return Peak(PeakState.INSIDE, f"{told}: only page cache, which the kernel gives back, went beyond the budget")
