"""Sampling the build's memory: dense while it moves, sparse while it does not, with its own gaps kept beside it."""

from __future__ import annotations

from .cgroup import Cgroup, Usage
from .processes import Census, Seen

DENSE_S = 0.01
SPARSE_S = 0.05
IDLE_S = 0.02
MOVED_BYTES = 8 << 20  # a change between two samples that calls for dense sampling
TOLD_EVERY_S = 0.1  # at most, and only when something changed
TOLD_AT_LEAST_EVERY_S = 1.0
_TOLD_CHANGE = 0.01  # of the last value told
_HOLDERS = 5


class Sampler:
    """Demand and its peak over one build. `pause_s` is how long to wait until the next sample. Sizes are bytes.

    The shell with the pid `gate` is ours, and never told as a holder.
    """

    def __init__(self, cgroup: Cgroup, census: Census, gate: int) -> None:
        self._cgroup, self._census, self._gate = cgroup, census, gate
        self._samples = 0
        self._longest_gap_s = 0.0
        self._last_at = 0.0
        self._last_demand = 0
        self._told_at = -TOLD_AT_LEAST_EVERY_S
        self._told: Usage | None = None
        self._demand_peak: int | None = None
        self._demand_peak_at_s = 0.0
        self._holders: list[dict[str, object]] = []
        self._holders_at_demand = 0
        self._swap_peak: int | None = None
        self.pause_s = IDLE_S

    def start(self, now: float) -> None:
        """The clock begins: a gap before the first sample is a gap too. `now` is monotonic seconds."""
        self._last_at = now

    def sample(self, now: float, at_s: float) -> Usage | None:
        """Take one reading; returned when it is worth telling."""
        usage = self._cgroup.usage()
        if usage.demand is None:
            return None
        self._samples += 1
        self._longest_gap_s = max(self._longest_gap_s, now - self._last_at)
        self._last_at = now
        moved = abs(usage.demand - self._last_demand) > MOVED_BYTES
        self._last_demand = usage.demand
        self.pause_s = DENSE_S if moved else min(SPARSE_S, self.pause_s * 1.5)
        if usage.swap is not None:
            self._swap_peak = max(self._swap_peak or 0, usage.swap)
        if self._demand_peak is None or usage.demand > self._demand_peak:
            self._demand_peak, self._demand_peak_at_s = usage.demand, at_s
            self._note_holders()
        return usage if self._is_worth_telling(usage, at_s) else None

    def _is_worth_telling(self, usage: Usage, at_s: float) -> bool:
        since = at_s - self._told_at
        if since < TOLD_EVERY_S:
            return False
        if since < TOLD_AT_LEAST_EVERY_S and self._told and not _differs(self._told, usage):
            return False
        self._told, self._told_at = usage, at_s
        return True

    def _note_holders(self) -> None:
        """Who holds the memory at a new peak; asked when the peak grew by a twentieth, for a scan has its price."""
        peak = self._demand_peak or 0
        if peak > self._holders_at_demand * 1.05 + (4 << 20):
            self._holders_at_demand = peak
            self._census.measure()
            self._holders = [
                {"pid": seen.pid, "comm": seen.comm, "cmdline": seen.cmdline, "rss": seen.rss}
                for seen in self.largest_first()[:_HOLDERS]
                if seen.rss
            ]

    def largest_first(self) -> list[Seen]:
        """The build's living processes by what they hold now."""
        own = (seen for seen in self._census.alive.values() if seen.pid != self._gate)
        return sorted(own, key=lambda seen: seen.rss, reverse=True)

    def facts(self) -> dict[str, object]:
        """The event form."""
        return {
            "demand_peak": self._demand_peak,
            "demand_peak_at_s": round(self._demand_peak_at_s, 3),
            "holders": self._holders,
            "swap_peak": self._swap_peak,
            "samples": self._samples,
            "longest_gap_ms": round(self._longest_gap_s * 1000, 1),
        }


def _differs(before: Usage, now: Usage) -> bool:
    def far(old: int | None, new: int | None) -> bool:
        return abs((new or 0) - (old or 0)) > max(1 << 20, (old or 0) * _TOLD_CHANGE)

    return far(before.charged, now.charged) or far(before.demand, now.demand) or far(before.swap, now.swap)
