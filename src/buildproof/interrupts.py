"""SIGTERM, SIGHUP and the end of a parent as Ctrl-C: what a run has begun is taken down before its process ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

_LOOK_S = 0.2


def as_interrupts() -> None:
    """Have both raise KeyboardInterrupt, unless somebody else handles or ignores them, as nohup(1) does SIGHUP."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def with_its_parent() -> Callable[[], bool]:
    """Have the end of the process that started this one be an interrupt; what is returned tells whether it has ended.

    For workers, of whom nobody asks any more then. execnet lets an xdist worker go on for 5 s when its controller was
    killed: long enough for a build to be started. Then it sends SIGINT, which is ignored: what is taken down by then
    is not to be left by half.
    """
    parent = os.getppid()

    def is_gone() -> bool:
        return os.getppid() != parent  # another process adopts the child of one that ended, getppid(2)

    def watch() -> None:
        while not is_gone():
            time.sleep(_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        if is_gone():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        _interrupt(number, frame)

    if signal.getsignal(signal.SIGTERM) is _interrupt:
        signal.signal(signal.SIGTERM, end)
    threading.Thread(target=watch, daemon=True).start()
    return is_gone


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
