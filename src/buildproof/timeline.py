"""The timeline that a build leaves behind: JSON lines, samples as rows under named columns, all else as objects. Pure.

Times are seconds since the command was let go, sizes are bytes. `largest` is the pid of the process that held most; its
name stands in a `process` event before. `free` has one number for each of the header's mounts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from buildproof.hostile import json_text
from buildproof.keptfile import KeptFile

VERSION = 1
COLUMNS = ("at_s", "charged", "demand", "swap", "pids", "largest", "largest_rss", "free")
_PASSED_OVER = frozenset({"started"})


class Timeline:
    """Writes the probe's events down as they come, without what is only the last word said again."""

    def __init__(self, file: IO[str] | KeptFile) -> None:
        self._file = file
        self._is_headed = False
        self._last_state: Mapping[str, Any] | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Write one event, or nothing."""
        kind = event.get("event")
        if kind == "limits" and not self._is_headed:
            self._is_headed = True
            mounts = [mount["mount"] for mount in event.get("mounts") or ()]
            self._put({"timeline": VERSION, "columns": COLUMNS, "mounts": mounts})
        if kind == "sample":
            self._put([event.get(column) for column in COLUMNS])
        elif kind == "state":
            self._last_state = event
        elif kind not in _PASSED_OVER:
            self._put(event)

    def close(self) -> None:
        """Write the last summing up, which holds all before it."""
        if self._last_state:
            self._put(self._last_state)
            self._last_state = None

    def _put(self, line: object) -> None:
        self._file.write(json_text(json.dumps(line, separators=(",", ":"), ensure_ascii=False)) + "\n")


def events(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """The probe's events of a timeline that was written down, its header as an event of its own.

    What is no line of a timeline is passed over: the last may have been cut short.
    """
    columns: list[str] = []
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, list):
            yield {"event": "sample", **dict(zip(columns, entry, strict=False))}
        elif isinstance(entry, dict) and "timeline" in entry:
            columns = list(map(str, entry.get("columns") or COLUMNS))
            yield {**entry, "event": "header"}
        elif isinstance(entry, dict):
            yield entry
