"""ar archives: deb(5) packages and static libraries are made of them. The format is told in ar(5) of FreeBSD."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from buildproof.bundles.member import BrokenError

MAGIC = b"!<arch>\n"
_HEADER = 60
_MOST = 100_000


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A member's name as it stands in its header, and where its header and content are in the file. Bytes."""

    name: str
    header: int
    start: int
    size: int


def ar_members(file: IO[bytes], what: str) -> Iterator[Entry]:
    """The members of an archive that is `what`. Raises BrokenError where it is none or does not come to its end."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise BrokenError(f"it is no ar archive, which {what} is")
    at = len(MAGIC)
    for _ in range(_MOST):
        if at >= end:
            return
        file.seek(at)
        header = file.read(_HEADER)
        name, digits = header[:16].decode("ascii", "replace").rstrip(), header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not digits.isdigit():
            raise BrokenError(f"there is no header of a member at {at:#x}, where the one before ends")
        entry = Entry(name=name, header=at, start=at + _HEADER, size=int(digits))
        if entry.start + entry.size > end:
            there = end - entry.start
            raise BrokenError(f"{name} at {at:#x} has {entry.size} bytes, of which {there} are there")
        yield entry
        at = entry.start + entry.size + entry.size % 2
    raise BrokenError(f"it has over {_MOST} members")
