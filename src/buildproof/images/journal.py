"""What an image build has made so far, written down for whoever comes after a killed one.

The classic builder leaves a layer for each step behind, which carries no label of ours. While the build's lock is held
somebody is at it; a journal without that is of a build that was killed.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from buildproof.engine import Engine
from buildproof.errors import EngineError
from buildproof.layout import user_cache

_MADE = re.compile(r"^ ?-{2,3}> ([0-9a-f]{11,64})$")
_FOUND = re.compile(r"^ ?-{2,3}> Using cache|^(?:Step|STEP) \d+/\d+ ?: FROM ", re.IGNORECASE)


class Journal:
    """Takes the lines of one image build; gone at the end of its context, however that comes about but by a kill."""

    def __init__(self, reference: str) -> None:
        self._path = _folder() / _name(reference)
        self._found = False

    def take(self, line: str) -> None:
        """Note the layer that a line tells of, unless it was there before."""
        if _FOUND.match(line):
            self._found = True
        elif made := _MADE.match(line):
            if not self._found:
                with self._path.open("a") as file:
                    file.write(f"{made[1]}\n")
            self._found = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)


def image_lock(reference: str) -> FileLock:
    """The lock that is held on this host while an image is being made."""
    return FileLock(_locks() / f"{_name(reference)}.lock")


def sweep_layers(engine: Engine) -> int:
    """Remove the layers of image builds that were killed; how many.

    To be called when the images of a run are there: layers that one of them is made of stay with it.
    """
    count = 0
    for journal in sorted(_folder().iterdir()):
        with contextlib.suppress(Timeout, FileNotFoundError), FileLock(_locks() / f"{journal.name}.lock", timeout=0):
            for layer in reversed(journal.read_text().split()):  # children before their parents
                with contextlib.suppress(EngineError):
                    count += engine.remove_untagged(layer)
            journal.unlink()
    return count


def _name(reference: str) -> str:
    return re.sub(r"[^a-z0-9.-]", "_", reference)


def _folder() -> Path:
    folder = user_cache() / "layers"
    folder.mkdir(exist_ok=True)
    return folder


def _locks() -> Path:
    folder = user_cache() / "locks"
    folder.mkdir(exist_ok=True)
    return folder
