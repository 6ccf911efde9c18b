"""The lines to a pod's containers: what they print and what the engine tells, as messages of one queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from buildproof.engine import Attachment, Happening

_MOST_WAITING = 256  # a build that prints faster than its log is written has to wait, not to fill our memory


class Lines:
    """Reads in the background. The kinds of a message, and their bodies:

    `probe` (bytes, one line), `probe-gone` (bytes, what came after the last line), `log` (bytes, a chunk of the build's
    output), `build-gone` (None), `engine` (a Happening, or None when the engine went).
    """

    def __init__(self) -> None:
        self._messages: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=_MOST_WAITING)
        self._open: list[Attachment] = []

    def take(self, within_s: float) -> tuple[str, Any] | None:
        """The next message; None when none came within so many seconds."""
        try:
            return self._messages.get(timeout=max(0.0, within_s))
        except queue.Empty:
            return None

    @property
    def is_quiet(self) -> bool:
        """Whether no message waits."""
        return self._messages.empty()

    def hear(self, happening: Happening | None) -> None:
        """Take in what the engine's witness saw."""
        self._messages.put(("engine", happening))

    def read_probe(self, attachment: Attachment) -> None:
        """Listen to the probe's container from now on."""
        self._in_background(attachment, self._probe)

    def read_build(self, attachment: Attachment) -> None:
        """Listen to the build's container from now on."""
        self._in_background(attachment, self._build)

    def close(self) -> None:
        """Close all attachments; their readers end with them."""
        for attachment in self._open:
            attachment.close()

    def _in_background(self, attachment: Attachment, reader: Callable[[Attachment], None]) -> None:
        self._open.append(attachment)
        threading.Thread(target=reader, args=(attachment,), daemon=True).start()

    def _probe(self, attachment: Attachment) -> None:
        rest = b""
        for chunk in attachment.chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._messages.put(("probe", line))
        self._messages.put(("probe-gone", rest))

    def _build(self, attachment: Attachment) -> None:
        for chunk in attachment.chunks():
            self._messages.put(("log", chunk))
        self._messages.put(("build-gone", None))
