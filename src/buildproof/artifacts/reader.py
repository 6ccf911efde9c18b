"""Bounds-checked reads from the bytes of a file: nothing else in this package takes an offset on trust."""

from __future__ import annotations

import mmap
import struct
from typing import Any


class OutOfFileError(Exception):
    """Something that the file declares does not lie inside the file."""

    def __init__(self, what: str, offset: int, length: int, size: int) -> None:
        self.what = what
        self.offset = offset
        self.length = length
        self.size = size
        super().__init__(f"{what} at {span(offset, offset + length)} of a file of {size} bytes")


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


def span(start: int, end: int) -> str:
    """A range of bytes or addresses for people: `0x400-0x600`, the end not included."""
    return f"{start:#x}-{end:#x}"


def align_up(value: int, alignment: int) -> int:
    """The next multiple of `alignment`, which must not be zero."""
    return -(-value // alignment) * alignment


def is_power_of_two(value: int) -> bool:
    """Whether `value` is 1, 2, 4, 8, ..."""
    return value > 0 and value & (value - 1) == 0
