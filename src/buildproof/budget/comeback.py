"""The wait until the memory of what ran before is there again: as long as more of it comes back, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

STEADY_S = 5.0
LONGEST_S = 60.0
PAUSE_S = 0.5
_STEP = 16 << 20  # bytes; less is what an idle machine does anyway


@dataclass(frozen=True, kw_only=True)
class Comeback:
    """How many bytes were there in the end; None: nobody can tell. `settled` says why it went on with less."""

    available: int | None
    settled: str | None = None


def wait_for(
    needed: int,
    look: Callable[[], int | None],
    *,
    on_wait: Callable[[int], object],
    steady_s: float = STEADY_S,
    longest_s: float = LONGEST_S,
) -> Comeback:
    """Wait until `look` sees `needed` bytes available: at most until none came back for a while, or for too long.

    `on_wait` is told the bytes that are there when it has to wait.
    """
    began = grew = time.monotonic()
    most = available = look()
    while available is not None and most is not None and available < needed:
        now = time.monotonic()
        if available >= most + _STEP:
            most, grew = available, now
        if now - began >= longest_s:
            return Comeback(available=available, settled=f"it was waited for during {longest_s:.0f} s")
        if now - grew >= steady_s:
            return Comeback(available=available, settled=f"none came back for {steady_s:.0f} s")
        on_wait(available)
        time.sleep(min(PAUSE_S, steady_s))
        available = look()
    return Comeback(available=available)
