"""Installers that makensis makes: NSIS, Source/exehead/fileform.h, fileform.c and util.c; Source/build.cpp.

Behind the executable stand the first header, then the compressed header (a table of instructions and their texts) and
one block for each packed file, at last a CRC-32. They are compressed one by one, or all as one stream ("solid").
Files have no table of their own: their names stand in the instructions that unpack them.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, NamedTuple

from buildproof.artifacts.reader import OutOfFileError, Reader
from buildproof.bundles.member import BrokenError, Member, NotOpenedError, Stream
from buildproof.bundles.nsis_inflate import Inflate
from buildproof.bundles.nsis_names import names_of
from buildproof.bundles.streams import (
    MOST_MEMORY,
    Bounded,
    Part,
    Unpacked,
    Window,
    most_unpacked,
)

_FIRST_HEADER = struct.Struct("<I16sII")
_SIGNATURE = b"\xef\xbe\xad\xdeNullsoftInst"
_NO_CRC, _FORCE_CRC = 4, 8
_CRC = 4  # bytes
_UNCHECKED = 512  # bytes at the start of the file, which the CRC-32 leaves out for those who sign
_COMPRESSED = 1 << 31
_MOST_HEADER, _PIECE = 16 << 20, 1 << 18  # bytes, and those that are read at once
_LENGTH = 4  # bytes in front of each block
_LZMA = struct.Struct("<BI")  # properties, and the size of the dictionary


@dataclass(frozen=True, kw_only=True)
class Installer:
    """The first header: where it stands, and what it declares. Bytes; `length` counts from `start` to the end."""

    start: int
    flags: int
    header_length: int
    length: int

    @property
    def end(self) -> int:
        """File offset behind the CRC-32."""
        return self.start + self.length

    @property
    def has_crc(self) -> bool:
        """Whether a CRC-32 is the last of it, and is compared when the installer starts."""
        return not self.flags & _NO_CRC or bool(self.flags & _FORCE_CRC)

    @property
    def data_end(self) -> int:
        """File offset behind the last block."""
        return self.end - (_CRC if self.has_crc else 0)


def find_installer(reader: Reader, rest: range) -> Installer | None:
    """The first header at the start of `rest`, the bytes behind the executable; None where there is none."""
    if len(rest) < _FIRST_HEADER.size:
        return None
    flags, signature, header, length = reader.unpack(_FIRST_HEADER, rest.start, "the first header")
    if signature != _SIGNATURE:
        return None
    return Installer(start=rest.start, flags=flags, header_length=header, length=length)


def crc_of(reader: Reader, installer: Installer) -> tuple[int, int]:
    """The CRC-32 that the file has, and the one that is written in it. Raises OutOfFileError where that is cut off."""
    declared = int.from_bytes(reader.read(installer.end - _CRC, _CRC, "the CRC-32 of the installer"), "little")
    with memoryview(reader.data) as view:
        found = 0
        for at in range(_UNCHECKED, installer.end - _CRC, 1 << 20):
            found = zlib.crc32(view[at : min(at + (1 << 20), installer.end - _CRC)], found)
    return found, declared


class _Block(NamedTuple):
    position: int  # as instructions count, once the header's end is taken from it
    size: int  # bytes that are stored
    stream: Stream


def nsis_members(file: IO[bytes], installer: Installer, *, wide: bool) -> Iterator[Member]:
    """The files in an installer; `wide` where its program has addresses of 64 bits.

    Raises BrokenError where it is damaged, NotOpenedError where it is compressed in a way that is not read here.
    """
    size = file.seek(0, io.SEEK_END)
    if installer.end > size:
        raise BrokenError(f"the installer's data ends at {installer.end:#x}, and the file at {size:#x}")
    if installer.data_end - installer.start <= _FIRST_HEADER.size + _LENGTH:
        raise BrokenError("nothing stands behind the first header")
    blocks = _blocks(file, installer)
    first = next(blocks)
    header = _read(first.stream, installer.header_length)
    data = first.position + first.size + _LENGTH
    try:
        names = names_of(Reader(header), wide=wide)
    except OutOfFileError as error:
        raise BrokenError(f"{error.what} lies outside of the installer's header") from error
    for block in blocks:
        found = names.pop(block.position - data, [f"block-{block.position - data:#x}"])
        for name in found:
            # What is packed once and unpacked to several places is read once.
            regular = name is found[0]
            yield Member(
                name=name,
                size=block.size,
                regular=regular,
                link=None,
                special=False,
                open=lambda stream=block.stream: stream,  # type: ignore[misc]
            )
    if names:
        raise BrokenError(f"there is no block of data at {min(names):#x}, where {names[min(names)][0]} has to be")


def _blocks(file: IO[bytes], installer: Installer) -> Iterator[_Block]:
    """The header, then the files."""
    start, end = installer.start + _FIRST_HEADER.size, installer.data_end
    head = Window(file, start, min(16, end - start)).read()
    word = int.from_bytes(head[:_LENGTH], "little")
    stored = word == installer.header_length
    if stored or (head[3:4] == b"\x80" and not _is_lzma(head)):
        return _separate(file, start, end, None if stored else _method(head[_LENGTH:]))
    solid = _unpacked(file, start, end - start, _method(head))
    return _solid(Bounded(solid, most_unpacked(end - start)))


def _separate(file: IO[bytes], at: int, end: int, method: str | None) -> Iterator[_Block]:
    while at < end:
        word = int.from_bytes(Window(file, at, _LENGTH).read(), "little")
        size = word & ~_COMPRESSED
        if at + _LENGTH + size > end:
            raise BrokenError(f"the block at {at:#x} has {size} bytes, of which {max(0, end - at - _LENGTH)} are there")
        stream: Stream = Window(file, at + _LENGTH, size)
        if word & _COMPRESSED and method:
            stream = _unpacked(file, at + _LENGTH, size, method)
        yield _Block(at, size, stream)
        at += _LENGTH + size


def _solid(stream: Bounded) -> Iterator[_Block]:
    while word := stream.read(_LENGTH):
        start, size = stream.tell(), int.from_bytes(word, "little")
        if len(word) < _LENGTH:
            raise BrokenError("the data ends in the middle of a block's length")
        yield _Block(start - _LENGTH, size, Part(stream, size))
        stream.seek(start + size)
        if stream.tell() < start + size:
            raise BrokenError(f"a block of {size} bytes is cut to {stream.tell() - start}")


def _unpacked(file: IO[bytes], start: int, size: int, method: str) -> Unpacked:
    """A compressed stream; that of LZMA begins with its properties."""
    if method == "deflate":
        return Unpacked(Window(file, start, size), Inflate, once=True)
    properties, dictionary = _LZMA.unpack(Window(file, start, _LZMA.size).read().ljust(_LZMA.size, b"\0"))
    if properties >= 9 * 5 * 5 or dictionary > MOST_MEMORY:
        raise BrokenError(f"an LZMA stream has the properties {properties:#x} and a dictionary of {dictionary} bytes")
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096), "lc": lc, "lp": lp, "pb": pb}]
    make = partial(lzma.LZMADecompressor, lzma.FORMAT_RAW, None, filters)
    return Unpacked(Window(file, start + _LZMA.size, size - _LZMA.size), make, once=True)


def _is_lzma(head: bytes) -> bool:
    """Whether these are makensis's properties (lc 3, lp 0, pb 2), a dictionary's size, and a stream's first byte."""
    return head[:3] == b"\x5d\0\0" and head[5:6] == b"\0"


def _method(head: bytes) -> str:
    """How the header is compressed: nothing says so, its first bytes have to tell, as they do to 7-Zip."""
    if _is_lzma(head):
        return "lzma"
    if head[1:4] == b"\x5d\0\0" and head[:1] in (b"\0", b"\1"):
        raise NotOpenedError("an NSIS installer compressed with LZMA behind a filter")
    if head[:1] == b"1" and head[1:2] < b"\x0e":
        raise NotOpenedError("an NSIS installer compressed with NSIS's own kind of bzip2")
    return "deflate"


def _read(stream: Stream, length: int) -> bytes:
    """The header: `length` bytes, no more and no less."""
    if length > _MOST_HEADER:
        raise BrokenError(f"the first header announces a header of {length} bytes")
    parts, left = [], length
    while left and (data := stream.read(min(left, _PIECE)) or b""):
        parts.append(data)
        left -= len(data)
    if left or stream.read(1):
        raise BrokenError(f"the header has not the {length} bytes that the first header announces")
    return b"".join(parts)
