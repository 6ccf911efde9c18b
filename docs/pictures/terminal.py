"""A real terminal, driven and looked at: tmux runs a command in it, and what is on its screen becomes a page."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

_THEME = TerminalTheme(
    (26, 30, 34),
    (222, 226, 230),
    [(26, 30, 34), (255, 128, 120), (79, 192, 141), (224, 176, 74),
     (125, 180, 240), (185, 160, 245), (91, 191, 174), (222, 226, 230)],
)  # fmt: skip
_PAGE = """<!doctype html><meta charset="utf-8"><style>{stylesheet}
body {{ margin: 0; background: {background}; color: {foreground}; padding: 16px 20px; width: max-content; }}
pre {{ margin: 0; font: 14px/1.4 "DejaVu Sans Mono", monospace; }}</style><pre><code>{code}</code></pre>"""


class Terminal:
    """A session of tmux with a shell in it."""

    def __init__(self, name: str, columns: int) -> None:
        self._name, self._columns = name, columns

    def type(self, command: str) -> None:
        """Type a command and Enter."""
        _tmux("send-keys", "-t", self._name, command, "Enter")

    def press(self, key: str) -> None:
        """Press a key by tmux's name for it."""
        _tmux("send-keys", "-t", self._name, key)

    def screen(self, *, history: int = 0) -> str:
        """What is on the screen, with its colours; `history` are lines above it."""
        return _tmux("capture-pane", "-p", "-e", "-t", self._name, "-S", str(-history)).rstrip("\n")

    def wait(self, pattern: str, *, at_most_s: float) -> str:
        """The screen as soon as it shows this; TimeoutError."""
        deadline = time.monotonic() + at_most_s
        while time.monotonic() < deadline:
            shown = self.screen(history=200)
            if re.search(pattern, Text.from_ansi(shown).plain):
                return shown
            time.sleep(0.2)
        raise TimeoutError(f"{pattern!r} was not seen within {at_most_s:.0f} s:\n{shown}")

    def page(self, screen: str) -> str:
        """A screen as a page that looks like it."""
        console = Console(record=True, width=self._columns, file=io.StringIO(), highlight=False)
        console.print(Text.from_ansi(screen), soft_wrap=True)
        return console.export_html(theme=_THEME, code_format=_PAGE)


def _tmux(*words: str) -> str:
    return subprocess.run(["tmux", *words], capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def terminal(folder: Path, *, columns: int, rows: int) -> Iterator[Terminal]:
    """A terminal whose shell stands in a folder; it ends with the block."""
    name = f"buildproof-pictures-{time.monotonic_ns()}"
    shell = "env -u CI -u NO_COLOR PS1='$ ' bash --norc"
    _tmux("new-session", "-d", "-s", name, "-x", str(columns), "-y", str(rows), "-c", str(folder), shell)
    try:
        yield Terminal(name, columns)
    finally:
        _tmux("kill-session", "-t", name)
