"""Bounds-checked reads from the bytes of a file: nothing else in this package takes an offset on trust."""

from __future__ import annotations

import mmap
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

U16, U32, U64 = "HIQ"  # type codes of `Reader.words`
_WIDTHS = {code: array(code).itemsize for code in (U16, U32, U64)}


class OutOfFileError(Exception):
    """Something that the file declares does not lie inside the file."""

    def __init__(self, what: str, offset: int, length: int, size: int) -> None:
        self.what = what
        self.offset = offset
        self.length = length
        self.size = size
        super().__init__(f"{what} at {span(offset, offset + length)} of a file of {size} bytes")


class MisplacedError(Exception):
    """Something that the file declares at an address in memory is not there, or is not what it is said to be."""

    def __init__(self, what: str, address: int, length: int, trouble: str) -> None:
        self.what = what
        self.address = address
        self.length = length
        self.trouble = trouble
        super().__init__(f"{what} at {span(address, address + length)} in memory {trouble}")


class Reader:
    """Reads from a mapped file, or from bytes; offsets and lengths in bytes.

    Every method raises OutOfFileError, naming `what` was wanted, rather than return less than was asked for.
    """

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.data = data
        self.size = len(data)

    def require(self, offset: int, length: int, what: str) -> None:
        """Nothing, where `length` bytes from `offset` lie inside the file."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise OutOfFileError(what, offset, length, self.size)

    def read(self, offset: int, length: int, what: str) -> bytes:
        """The bytes there."""
        self.require(offset, length, what)
        return self.data[offset : offset + length]

    def unpack(self, layout: struct.Struct, offset: int, what: str) -> tuple[Any, ...]:
        """The fields of one structure."""
        return layout.unpack(self.read(offset, layout.size, what))

    def table(self, layout: struct.Struct, offset: int, count: int, what: str) -> list[tuple[Any, ...]]:
        """The fields of `count` structures that follow each other, in one read."""
        return list(layout.iter_unpack(self.read(offset, layout.size * count, what)))

    def words(self, code: str, offset: int, count: int, what: str) -> array[int]:
        """`count` little-endian numbers of one width: U16, U32 or U64. No object is made for each of them."""
        words = array(code, self.read(offset, count * _WIDTHS[code], what))
        if sys.byteorder == "big":
            words.byteswap()
        return words

    def text(self, offset: int, end: int) -> bytes | None:
        """The bytes up to the next zero, which has to come in front of `end`; None where there is none."""
        stop = self.data.find(b"\0", offset, min(end, self.size))
        return None if stop < 0 else self.data[offset:stop]


def first_outside(values: Iterable[int], spans: Iterable[tuple[int, int]]) -> int | None:
    """The smallest of `values` that lies in none of the half-open `spans`; None where each lies in one."""
    ordered = sorted(values)
    at = 0
    for start, end in sorted(spans):
        if bisect_left(ordered, start, at) > at:
            return ordered[at]
        at = bisect_left(ordered, end, at)
    return ordered[at] if at < len(ordered) else None


def span(start: int, end: int) -> str:
    """A range of bytes or addresses for people: `0x400-0x600`, the end not included."""
    return f"{start:#x}-{end:#x}"


def align_up(value: int, alignment: int) -> int:
    """The next multiple of `alignment`, which must not be zero."""
    return -(-value // alignment) * alignment


def is_power_of_two(value: int) -> bool:
    """Whether `value` is 1, 2, 4, 8, ..."""
    return value > 0 and value & (value - 1) == 0
