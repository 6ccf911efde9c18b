"""Drawing the board below pytest's own output, from a thread, and out of its way whenever pytest writes."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console
from rich.control import Control
from rich.live import Live

from .board import Board, board

_EVERY_S = 0.5
_USUAL_WIDTH = 80


class View:
    """The board at the end of a terminal. `look` gives what is to be shown; nothing is drawn while no build runs.

    `column` says how far somebody else has written the line that the cursor is in: it stays, the board stands below
    it, and the cursor goes back to its end.
    """

    def __init__(self, terminal: TextIO, look: Callable[[], Board], column: Callable[[], int]) -> None:
        self._terminal = terminal
        self._console = Console(file=terminal, highlight=False, force_terminal=True)
        self._unicode = (terminal.encoding or "").lower().replace("-", "") == "utf8"
        self._look, self._column = look, column
        self._begun = 0
        self._lock = threading.RLock()
        self._live: Live | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True, name="buildproof-live")

    @classmethod
    def on(cls, stream: TextIO, look: Callable[[], Board], column: Callable[[], int] = lambda: 0) -> View:
        """A view that writes to the terminal behind `stream`, whatever a capture puts in its descriptor's place."""
        own = os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding, errors="replace", buffering=1)
        return cls(own, look, column)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def stop(self) -> None:
        """Draw no more, and leave nothing on the screen."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        with self._lock:
            self._clear()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """While somebody else writes: the board is gone, and comes back after it."""
        with self._lock:
            self._clear()
            yield

    def _go_on(self) -> None:
        while not self._over.wait(_EVERY_S):
            now = self._look()
            with self._lock:
                if self._over.is_set():
                    return
                if not now.states:
                    self._clear()
                else:
                    self._draw(now)

    def _draw(self, now: Board) -> None:
        with contextlib.suppress(OSError):  # rich asks descriptors 0 to 2, which a capture may hold
            self._console.width = os.get_terminal_size(self._terminal.fileno()).columns or _USUAL_WIDTH
        drawn = board(now, width=self._console.width, unicode=self._unicode)
        if self._live is None:
            self._begun = self._column()
            if self._begun:
                self._console.line()
            self._live = Live(
                drawn,
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()
        self._live.update(drawn, refresh=True)

    def _clear(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            if self._begun:
                column = (self._begun - 1) % self._console.width + 1
                self._console.control(Control.move(0, -1), Control.move_to_column(column))
