"""What others do to a build's containers, and the engine's own end: the events stream of the Engine API.

The stream is one connection that lives as long as the engine does. When it ends and nobody here closed it, the engine
went, even if another answers a moment later at the same address.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import docker.errors
import requests
import urllib3


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One event of a container: `what` is the engine's word, such as `kill`, `pause` or `destroy`.

    `at_s` is the engine's wall clock, seconds since the epoch; `signal` is that of a `kill`.
    """

    container: str
    what: str
    at_s: float
    signal: int | None = None


class Stream(Protocol):
    """The engine's events; closing it from another thread ends the iteration."""

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the events, one JSON object a line, until the engine ends or the stream is closed."""

    def close(self) -> None:
        """Hang up."""


Tell = Callable[[Happening | None], None]
_BROKEN = (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)
_TAKEN_APART = (ValueError, AttributeError)  # what the SDK's stream raises when it is read and closed at once


class Witness:
    """Hands on every happening, and None when the engine went. An engine that tells no events is not gone."""

    def __init__(self, open_stream: Callable[[], Stream], tell: Tell) -> None:
        self._open_stream, self._tell = open_stream, tell
        self._stream: Stream | None = None
        self._is_closed = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            self._stream = self._open_stream()
        except _BROKEN:
            return
        with contextlib.suppress(*_BROKEN, *_TAKEN_APART):
            for line in self._stream:
                if self._is_closed:
                    return
                if line:
                    self._tell(_happening(json.loads(line)))
        if not self._is_closed:
            self._tell(None)

    def close(self) -> None:
        """Hang up; nothing is told after that."""
        self._is_closed = True
        if self._stream is not None:
            with contextlib.suppress(*_BROKEN, *_TAKEN_APART):
                self._stream.close()


def _happening(event: Mapping[str, Any]) -> Happening:
    actor = event.get("Actor") or {}
    number = str((actor.get("Attributes") or {}).get("signal", ""))
    return Happening(
        container=str(actor.get("ID") or event.get("id") or ""),
        what=str(event.get("Action") or event.get("status") or ""),
        at_s=int(event.get("timeNano") or 0) // 1000 / 1e6 or float(event.get("time") or 0),
        signal=int(number) if number.isdigit() else None,
    )
