"""How long a build has run: without what it was paused, and without what its machine slept. Pure."""

from __future__ import annotations

OWN_PAUSE_S = 5.0  # nobody looked for so long: it is we who were stopped
_CATCH_UP_S = 10.0  # what arrived while we were stopped is read in this time


class Stopwatch:
    """Seconds since `began` by the monotonic clock, which counts neither a host's suspend nor a step of its wall clock.

    Two kinds of time are left out: that in which somebody paused the build through the engine, and that in which
    neither we nor the probe ran, because both were stopped with their machine. After we were stopped the probe's word
    decides, until what it said meanwhile was read: a build that ended in time is not late because we were.
    """

    def __init__(self, began: float) -> None:
        self._began = self._looked = began
        self._own_gap_s = self._asleep_s = self._paused_s = 0.0
        self._beat_at_s = 0.0
        self._catching_up_until = began
        self._paused_at: tuple[float, float] | None = None

    @property
    def stopped_s(self) -> float:
        """Seconds that do not count; the two kinds overlap where both were seen."""
        return max(self._asleep_s, self._paused_s)

    @property
    def is_paused(self) -> bool:
        """Whether the build is paused now."""
        return self._paused_at is not None

    def paused_for_s(self, now: float) -> float:
        """Seconds since it was paused; 0 when it is not."""
        return 0.0 if self._paused_at is None else now - self._paused_at[0]

    def is_catching_up(self, now: float) -> bool:
        """Whether what was said while we were stopped may still be unread."""
        return now < self._catching_up_until

    def look(self, now: float) -> None:
        """Note that we run; to be called all the time."""
        gap_s = now - self._looked
        if gap_s > OWN_PAUSE_S:
            self._own_gap_s, self._catching_up_until = gap_s, now + _CATCH_UP_S
        elif not self.is_catching_up(now):
            self._own_gap_s = 0.0
        self._looked = now

    def beat(self, at_s: float) -> None:
        """The probe runs: `at_s` is its own clock, seconds since the command was let go."""
        gap_s = at_s - self._beat_at_s
        if gap_s > OWN_PAUSE_S and self._own_gap_s:
            self._asleep_s += min(gap_s, self._own_gap_s)
            self._own_gap_s = 0.0
        self._beat_at_s = max(self._beat_at_s, at_s)

    def pause(self, now: float, clock_s: float) -> None:
        """Somebody paused the build; `clock_s` is the engine's wall clock."""
        self._paused_at = self._paused_at or (now, clock_s)

    def resume(self, now: float, clock_s: float) -> None:
        """And let it go on."""
        if self._paused_at is None:
            return
        ours, theirs = now - self._paused_at[0], clock_s - self._paused_at[1]
        self._paused_s += min(max(ours, theirs), now - self._began)  # a clock that was set in between proves nothing
        self._paused_at = None

    def running_s(self, now: float) -> float:
        """Seconds that count against the build's limits."""
        if self._paused_at is not None:
            now = self._paused_at[0]
        counted_s = now - self._began
        if self.is_catching_up(now):
            counted_s = min(counted_s, self._beat_at_s)
        return max(0.0, counted_s - self.stopped_s)
