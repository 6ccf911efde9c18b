"""A file that keeps the beginning and the end of what is written to it, however much that is.

While it is open it takes no more than `head` and twice `tail` bytes of disk, closing takes once `tail` more for a
moment. What was kept is readable at any time, and after the writer was killed: the beginning in the file itself, the
end in the two files beside it, `NAME.tail-1` and then `NAME.tail`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from buildproof.keptfile import KeptFile

HEAD = 8 << 20
TAIL = 24 << 20
_PARTS = (".tail-1", ".tail")  # the older one first
_COPY_BYTES = 1 << 20
LEFT_OUT = re.compile(rb"\[buildproof: \d{1,18} bytes with (\d{1,18}) line ends are left out here\]\n")


class CappedFile(KeptFile):
    """A kept file with bounds. Sizes are bytes; what a full disk does not take is `lost` here too."""

    def __init__(self, path: Path, *, head: int = HEAD, tail: int = TAIL) -> None:
        self._head, self._tail = head, tail
        self._older, self._newer = (path.with_name(f"{path.name}{suffix}") for suffix in _PARTS)
        for part in (self._older, self._newer):
            part.unlink(missing_ok=True)
        super().__init__(path)
        self._rest: KeptFile | None = None
        self._in_rest = 0  # bytes in the newer of the two files
        self._ends_in_middle = 0  # line ends behind the beginning
        self.written = 0

    @property
    def dropped(self) -> int:
        """How many bytes of what was written so far are kept nowhere once the file is closed."""
        return max(0, self.written - self._head - self._tail)

    def write(self, data: bytes) -> None:
        """Keep `data`, and forget of what came before as much as is over the bounds."""
        room = max(0, self._head - self.written)
        self.written += len(data)
        super().write(data[:room])
        rest = data[room:]
        self._ends_in_middle += rest.count(b"\n")
        while rest and self.lost is None:
            if self._rest is None or self._in_rest >= self._tail:
                self._rest = self._turned()
            if self._rest:
                taken = rest[: self._tail - self._in_rest]
                self._rest.write(taken)
                self._in_rest, rest = self._in_rest + len(taken), rest[len(taken) :]
                self.lost = self._rest.lost

    def _turned(self) -> KeptFile | None:
        """Make the newer of the two files the older one, and begin another."""
        try:
            if self._rest:
                self._rest.close()
                self._newer.replace(self._older)
            self._in_rest = 0
            return KeptFile(self._newer)
        except OSError as error:
            self.lost = error.strerror or str(error)
            return None

    def close(self) -> None:
        """Put beginning and end together, with a line between them that says how much is missing."""
        if self._rest:
            self._rest.close()
            self._rest = None
            try:
                self._put_together()
            except OSError as error:
                self.lost = error.strerror or str(error)
        super().close()

    def _put_together(self) -> None:
        kept = [(part, most) for part, most in self._parts() if part.exists()]
        if self.dropped:
            ends = self._ends_in_middle - sum(chunk.count(b"\n") for one in kept for chunk in _last(*one))
            super().write(f"\n[buildproof: {self.dropped} bytes with {ends} line ends are left out here]\n".encode())
        for part, most in kept:
            for chunk in _last(part, most):
                super().write(chunk)
            if self.lost is None:
                part.unlink()

    def _parts(self) -> tuple[tuple[Path, int], ...]:
        """The two parts of the end, and how many bytes of each belong to it."""
        return (self._older, self._tail - self._in_rest), (self._newer, self._in_rest)


def parts_of(path: Path) -> tuple[Path, ...]:
    """What there is of such a file, in order: more than one where its writer was killed."""
    beside = (path.with_name(f"{path.name}{suffix}") for suffix in _PARTS)
    return (path, *(part for part in beside if part.is_file()))


def _last(path: Path, most: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - most))
        while chunk := file.read(_COPY_BYTES):
            yield chunk
