"""COFF symbols and strings, which objects have and images of GNU ld."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from buildproof.artifacts.reader import Reader
from buildproof.artifacts.rule import Problem

_U32 = struct.Struct("<I")
# The name's halves, value, section, type, storage class, number of auxiliary records.
_SYMBOL, _BIG_SYMBOL = struct.Struct("<IIIhHBB"), struct.Struct("<IIIiHBB")
_LOWEST_SECTION = -2  # IMAGE_SYM_DEBUG


@dataclass(frozen=True, kw_only=True)
class SymbolTable:
    """Where the symbols start, how many there are, auxiliary records included, and how many sections they may name."""

    reader: Reader
    start: int
    count: int
    sections: int
    big: bool = False  # records of an object with more than 65,279 sections

    @property
    def layout(self) -> struct.Struct:
        """One record."""
        return _BIG_SYMBOL if self.big else _SYMBOL

    @property
    def strings(self) -> int:
        """File offset of the string table."""
        return self.start + self.count * self.layout.size

    @property
    def strings_size(self) -> int:
        """Bytes of the string table, the four of this number included."""
        return int(self.reader.unpack(_U32, self.strings, "the COFF string table")[0])

    @property
    def end(self) -> int:
        """File offset behind the string table."""
        return self.strings + max(self.strings_size, _U32.size)


def table_problems(table: SymbolTable) -> Iterator[Problem]:
    """What is wrong with where the tables are. OutOfFileError where they are not in the file."""
    table.reader.require(table.start, table.strings - table.start, f"the COFF symbol table ({table.count} symbols)")
    size = table.strings_size
    if size < _U32.size:
        yield Problem(
            message=f"the COFF string table at {table.strings:#x} gives its own size as {size}",
            offset=table.strings,
            expected="at least 4",
            actual=str(size),
        )
    else:
        table.reader.require(table.strings, size, "the COFF string table")


def symbol_problems(table: SymbolTable) -> Iterator[Problem]:
    """The first symbol whose name or section does not exist."""
    records = table.reader.read(table.start, table.strings - table.start, "the COFF symbol table")
    strings = table.strings_size
    auxiliary = 0
    for index, (first, second, _, section, _, _, following) in enumerate(table.layout.iter_unpack(records)):
        if auxiliary:
            auxiliary -= 1
            continue
        auxiliary = following
        if not first and second >= strings and second:
            trouble, expected, actual = "has its name behind the end of the string table", f"below {strings}", second
        elif not _LOWEST_SECTION <= section <= table.sections:
            trouble, expected = f"stands in section {section}", f"{_LOWEST_SECTION} to {table.sections}"
            actual = section
        else:
            continue
        yield Problem(
            message=f"COFF symbol {index} of {table.count} {trouble}",
            offset=table.start + index * table.layout.size,
            expected=expected,
            actual=str(actual),
        )
        return
    if auxiliary:
        yield Problem(
            message=f"the last of the {table.count} COFF symbols announces {auxiliary} more records than there are",
            offset=table.strings,
            expected="records inside the symbol table",
            actual=f"{auxiliary} too many",
        )
