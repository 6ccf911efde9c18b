"""One pass over a file's bytes: what has to be known of all of them is learnt here, and they are not read again.

Hashing lets other threads run, so that it goes on beside the rest: that halves the time of a large file.
The pass uses read(2), not the mapping that the rules look at: a disk that cannot deliver a page answers read(2)
with EIO, and a mapping with the very SIGBUS that this harness hunts.
"""

from __future__ import annotations

import errno
import hashlib
import os
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

from buildproof.artifacts.reader import Reader

PAGE = 4096  # bytes: the unit in which a file system loses data, whatever the CPU's pages are
_CHUNK = 1024 * PAGE
_WORDS = 16 * PAGE
_MOST_HOLES = 10_000
_ZERO_PAGE = bytes(PAGE)


@dataclass(frozen=True, kw_only=True)
class Content:
    """What the whole of a file says.

    `zero_runs` are ranges of whole pages of zeros, in file order, never adjacent. `word_sum` is the sum of all
    little-endian 16-bit words modulo 65535, of which PE checksums are made; 0 where it was not asked for. `holes` were
    never written: they read as zeros and take no space on the disk.
    """

    size: int
    sha256: str
    zero_runs: tuple[range, ...]
    trailing_zeros: int
    word_sum: int = 0
    holes: tuple[range, ...] = ()

    def zero_pages(self, start: int, end: int) -> range | None:
        """The first run of whole zero pages that lies between `start` and `end`, cut to whole pages of the file."""
        first, last = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        index = bisect_right(self.zero_runs, first, key=lambda run: run.stop)
        if index == len(self.zero_runs):
            return None
        run = self.zero_runs[index]
        return range(max(run.start, first), min(run.stop, last)) or None

    def hole(self, start: int, end: int) -> range | None:
        """The first part of a hole that lies between `start` and `end`."""
        parts = (range(max(hole.start, start), min(hole.stop, end)) for hole in self.holes)
        return next((part for part in parts if part), None)

    def blank(self, reader: Reader, start: int, end: int) -> bool:
        """Whether there are bytes from `start` up to `end`, and all of them are zero, however long that is."""
        first, last = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        if first >= last:
            return start < end and not reader.read(start, end - start, "content").strip(b"\0")
        edges = reader.read(start, first - start, "content") + reader.read(last, end - last, "content")
        return self.zero_pages(start, end) == range(first, last) and not edges.strip(b"\0")


NOTHING = Content(size=0, sha256="", zero_runs=(), trailing_zeros=0)
"""For those who read a file's headers, and ask no rule."""


def read_through(file: BinaryIO, *, words: bool = False) -> Content:
    """Read `file` from its position to its end; `words` asks for the sum. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    size = trailing = total = 0
    runs: list[range] = []
    with ThreadPoolExecutor(1) as beside:
        hashed = None
        while chunk := file.read(_CHUNK):
            if hashed:
                hashed.result()
            if len(chunk) == _CHUNK:
                hashed = beside.submit(digest.update, chunk)
            else:  # the last one, and the only one of a small file: not worth a thread
                digest.update(chunk)
            zeros = len(chunk) - len(chunk.rstrip(b"\0")) if chunk[-1] == 0 else 0
            trailing = trailing + zeros if zeros == len(chunk) else zeros
            if zeros == len(chunk):
                _add(runs, size, size + len(chunk) // PAGE * PAGE)
            else:
                if _ZERO_PAGE in chunk:  # a substring search skips ahead: comparing page by page stays the exception
                    for at in range(0, len(chunk) - PAGE + 1, PAGE):
                        if chunk[at : at + PAGE] == _ZERO_PAGE:
                            _add(runs, size + at, size + at + PAGE)
                total += _word_sum(chunk) if words else 0
            size += len(chunk)
    return Content(
        size=size, sha256=digest.hexdigest(), zero_runs=tuple(runs), trailing_zeros=trailing, word_sum=total % 0xFFFF
    )


def holes_of(descriptor: int, size: int) -> tuple[range, ...]:
    """The holes of an open file: lseek(2), SEEK_HOLE. The implicit one at the end of every file is none of them."""
    holes: list[range] = []
    at = 0
    while at < size and len(holes) < _MOST_HOLES:
        start = os.lseek(descriptor, at, os.SEEK_HOLE)
        if start >= size:
            break
        try:
            at = os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # no data behind the hole
                raise
            at = size
        holes.append(range(start, at))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return tuple(holes)


def _word_sum(chunk: bytes) -> int:
    # 65536 is 1 modulo 65535: a number modulo 65535 is the sum of its 16-bit digits. Adding up before dividing leaves
    # one division, of a short number.
    total = sum(int.from_bytes(chunk[at : at + _WORDS], "little") for at in range(0, len(chunk), _WORDS))
    return total % 0xFFFF


def _add(runs: list[range], start: int, stop: int) -> None:
    if runs and runs[-1].stop == start:
        runs[-1] = range(runs[-1].start, stop)
    elif start < stop:
        runs.append(range(start, stop))
