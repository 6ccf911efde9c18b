"""This terminal, or what stdin and stdout are instead, in the hands of a command in a container."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator

from buildproof.engine import Command
from buildproof.errors import EngineError

_PIECE = 1 << 16


def is_terminal() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextlib.contextmanager
def handed_over(command: Command) -> Iterator[threading.Event]:
    """What is typed goes to the command and what it prints is shown; the event is set when it says no more.

    A terminal is raw meanwhile, so that Ctrl-C is the command's, and is as it was afterwards.
    """
    over = threading.Event()
    with _raw(command) if is_terminal() else contextlib.nullcontext():
        threading.Thread(target=_show, args=(command, over), daemon=True).start()
        threading.Thread(target=_type, args=(command,), daemon=True).start()
        try:
            yield over
        finally:
            command.close()


@contextlib.contextmanager
def _raw(command: Command) -> Iterator[None]:
    def fit(*_signal: object) -> None:
        columns, rows = os.get_terminal_size()
        command.resize(rows, columns)

    terminal = sys.stdin.fileno()
    before, handler = termios.tcgetattr(terminal), signal.signal(signal.SIGWINCH, fit)
    tty.setraw(terminal, termios.TCSADRAIN)  # what was typed ahead is not thrown away
    try:
        fit()
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, handler)


def _show(command: Command, over: threading.Event) -> None:
    try:
        for chunk in command.chunks():
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    finally:
        over.set()


def _type(command: Command) -> None:
    with contextlib.suppress(EngineError):  # it has ended
        while data := os.read(sys.stdin.fileno(), _PIECE):
            command.send(data)
        command.end_of_input()
