"""SIGTERM and SIGHUP as Ctrl-C: what a run has begun is taken down before its process ends."""

from __future__ import annotations

import signal
from types import FrameType


def as_interrupts() -> None:
    """Have both raise KeyboardInterrupt, unless somebody else handles or ignores them, as nohup(1) does SIGHUP."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
