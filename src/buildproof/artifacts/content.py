"""One pass over a file's bytes: what has to be known of all of them is learnt here, and they are not read again.

The pass uses read(2), not the mapping that the rules look at: a disk that cannot deliver a page answers read(2)
with EIO, and a mapping with the very SIGBUS that this harness hunts.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import BinaryIO

from buildproof.artifacts.reader import Reader

PAGE = 4096  # bytes: the unit in which a file system loses data, whatever the CPU's pages are
_CHUNK = 256 * PAGE
_ZERO_PAGE = bytes(PAGE)


@dataclass(frozen=True, kw_only=True)
class Content:
    """What the whole of a file says; `zero_runs` are ranges of whole pages of zeros, in file order, never adjacent."""

    size: int
    sha256: str
    zero_runs: tuple[range, ...]
    trailing_zeros: int

    def zero_pages(self, start: int, end: int) -> range | None:
        """The first run of whole zero pages that lies between `start` and `end`, cut to whole pages of the file."""
        first, last = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        index = bisect_right(self.zero_runs, first, key=lambda run: run.stop)
        if index == len(self.zero_runs):
            return None
        run = self.zero_runs[index]
        return range(max(run.start, first), min(run.stop, last)) or None

    def blank(self, reader: Reader, start: int, end: int) -> bool:
        """Whether there are bytes from `start` up to `end`, and all of them are zero, however long that is."""
        first, last = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        if first >= last:
            return start < end and not reader.read(start, end - start, "content").strip(b"\0")
        edges = reader.read(start, first - start, "content") + reader.read(last, end - last, "content")
        return self.zero_pages(start, end) == range(first, last) and not edges.strip(b"\0")


def read_through(file: BinaryIO) -> Content:
    """Read `file` from its position to its end; raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    size = trailing = 0
    runs: list[range] = []
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        zeros = len(chunk) - len(chunk.rstrip(b"\0")) if chunk[-1] == 0 else 0
        trailing = trailing + zeros if zeros == len(chunk) else zeros
        if zeros == len(chunk):
            _add(runs, size, size + len(chunk) // PAGE * PAGE)
        elif _ZERO_PAGE in chunk:  # a substring search skips ahead: comparing page by page stays the exception
            for at in range(0, len(chunk) - PAGE + 1, PAGE):
                if chunk[at : at + PAGE] == _ZERO_PAGE:
                    _add(runs, size + at, size + at + PAGE)
        size += len(chunk)
    return Content(size=size, sha256=digest.hexdigest(), zero_runs=tuple(runs), trailing_zeros=trailing)


def _add(runs: list[range], start: int, stop: int) -> None:
    if runs and runs[-1].stop == start:
        runs[-1] = range(runs[-1].start, stop)
    elif start < stop:
        runs.append(range(start, stop))
