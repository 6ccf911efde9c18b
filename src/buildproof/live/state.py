"""How one build stands, as a file: written by the process that runs it."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

_EVERY_S = 0.5
_SUFFIX = ".json"


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """One build now. Bytes and seconds; None is unknown, or not yet."""

    id: str
    phase: str
    running_s: float | None = None
    time_limit_s: float | None = None
    demand: int | None = None
    high_water: int | None = None
    memory_limit: int | None = None
    at_work: str | None = None
    tightest: tuple[str, int] | None = None  # a writable mount that is nearly full, and what is free


_ADAPTER = TypeAdapter(LiveState)


class LiveFile:
    """The file of one build. It goes when the build has ended; that it cannot be written stops no build."""

    def __init__(self, folder: Path, state: LiveState) -> None:
        self._path = folder / f"{state.id}{_SUFFIX}"
        self.state = state
        self._next = 0.0
        with contextlib.suppress(OSError):
            folder.mkdir(exist_ok=True)

    @property
    def is_due(self) -> bool:
        """Whether half a second has passed since the last word: more often nobody looks."""
        return time.monotonic() >= self._next

    def tell(self, **changes: Any) -> None:
        """Write down what changed."""
        self.state = replace(self.state, **changes)
        self._next = time.monotonic() + _EVERY_S
        partial = self._path.with_suffix(".partial")
        with contextlib.suppress(OSError):
            partial.write_text(json.dumps(asdict(self.state)), "utf-8")
            partial.replace(self._path)

    def close(self) -> None:
        """The build has ended."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def read_all(folder: Path) -> list[LiveState]:
    """Every build that is under way, by id; what is being written just now, or is none, is passed over."""
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            found.append(_ADAPTER.validate_json(path.read_bytes()))
        except (OSError, ValueError):
            continue
    return found
