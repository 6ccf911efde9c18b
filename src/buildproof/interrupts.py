"""SIGTERM, SIGHUP and the end of a parent as Ctrl-C: what a run has begun is taken down before its process ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

_LOOK_S = 0.2


def as_interrupts() -> None:
    """Have both raise KeyboardInterrupt, unless somebody else handles or ignores them, as nohup(1) does SIGHUP."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def with_its_parent() -> None:
    """Have the end of the process that started this one be a SIGTERM to it: for workers, of whom nobody asks any more.

    execnet lets an xdist worker go on for 5 s when its controller was killed: long enough for a build to be started.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:  # another one adopts the child of a process that ended, getppid(2)
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
