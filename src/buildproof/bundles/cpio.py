"""cpio archives as rpm writes them: cpio(5) of FreeBSD, "New ASCII Format", and rpm's own stripped one.

A stripped entry is nothing but the number of a file whose name, size and mode stand in the package's header. rpm uses
it where a file is larger than 4 GiB, and in every package of format 6.
"""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from buildproof.bundles.member import BrokenError, Member
from buildproof.bundles.streams import Bounded, Part

_NEWC = (b"070701", b"070702")
_STRIPPED = b"07070X"
_FIELDS = struct.Struct(">13I")
_HEXADECIMAL = re.compile(rb"(?:[0-9A-Fa-f]{8})+\Z")
_TRAILER = "TRAILER!!!"
_MOST_NAME = 4096  # PATH_MAX


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the package's header says of a file. `size` is that of its content in the archive, in bytes."""

    name: str
    mode: int
    size: int


@dataclass(frozen=True, kw_only=True)
class _Entry:
    name: str
    mode: int
    size: int
    links: int


def cpio_members(stream: Bounded, files: Sequence[Known]) -> Iterator[Member]:
    """The members up to the trailer. Raises BrokenError, and EOFError where the archive ends before it."""
    while (entry := _header(stream, files)) is not None:
        start = stream.tell()
        kind = stat.S_IFMT(entry.mode)
        link = None
        if kind == stat.S_IFLNK:
            if entry.size > _MOST_NAME:
                raise BrokenError(f"{entry.name} is a link with a target of {entry.size} bytes")
            link = stream.exactly(entry.size, f"the target of {entry.name}").decode("utf-8", "replace")
        yield Member(
            name=entry.name,
            size=entry.size,
            # Of hard links to one file only the last has its content.
            regular=kind == stat.S_IFREG and (entry.size > 0 or entry.links < 2),
            link=link,
            special=kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK),
            open=partial(Part, stream, entry.size),
        )
        stream.seek(start + entry.size)
        if stream.tell() < start + entry.size:
            raise EOFError(f"{entry.name} has {entry.size} bytes, of which {stream.tell() - start} are there")


def _header(stream: Bounded, files: Sequence[Known]) -> _Entry | None:
    _pad(stream)
    at = stream.tell()
    magic = stream.exactly(6, "the archive")
    if magic == _STRIPPED:
        number = int.from_bytes(_unhexed(stream.exactly(8, "the archive"), at), "big")
        if number >= len(files):
            raise BrokenError(f"the entry at {at:#x} is file {number} of the header, which has {len(files)}")
        _pad(stream)
        known = files[number]
        return _Entry(name=known.name, mode=known.mode, size=known.size, links=1)
    if magic not in _NEWC:
        raise BrokenError(f"there is no cpio entry at {at:#x}")
    fields = _FIELDS.unpack(_unhexed(stream.exactly(2 * _FIELDS.size, "the archive"), at))
    _, mode, _, _, links, _, size, _, _, _, _, name_size, _ = fields
    if not 0 < name_size <= _MOST_NAME:
        raise BrokenError(f"the entry at {at:#x} has a name of {name_size} bytes")
    name = stream.exactly(name_size, "a name").rstrip(b"\0").decode("utf-8", "replace")
    _pad(stream)
    return None if name == _TRAILER else _Entry(name=name, mode=mode, size=size, links=links)


def _unhexed(digits: bytes, at: int) -> bytes:
    if not _HEXADECIMAL.match(digits):
        raise BrokenError(f"the entry at {at:#x} has numbers that are not hexadecimal: {digits[:24]!r}")
    return bytes.fromhex(digits.decode("ascii"))


def _pad(stream: Bounded) -> None:
    stream.seek(-(-stream.tell() // 4) * 4)
