"""A COFF object's headers as they stand in it: read, not judged. Names are those of the Microsoft PE format."""

from __future__ import annotations

import struct
from functools import cached_property
from typing import NamedTuple

from buildproof.artifacts.coff.symbols import SymbolTable
from buildproof.artifacts.content import Content
from buildproof.artifacts.expectation import Expectation
from buildproof.artifacts.reader import Reader

_HEADER = struct.Struct("<HHIIIHH")
# winnt.h, ANON_OBJECT_HEADER_BIGOBJ: two signatures, version, machine, date, class, sizes of other things, and then
# the numbers of sections and symbols, which `/bigobj` and -Wa,-mbig-obj make 32 bits wide.
_BIG_HEADER = struct.Struct("<HHHHI16s4I3I")
BIG_START = b"\0\0\xff\xff"
BIG_CLASS = bytes.fromhex("c7a1bad1eebaa94baf20faf66aa4dcb8")
_SECTION = struct.Struct("<8sIIIIIIHHI")
_RELOCATION = 10  # bytes
_MANY_RELOCATIONS = 0x01000000  # IMAGE_SCN_LNK_NRELOC_OVFL
_UNINITIALIZED = 0x80  # IMAGE_SCN_CNT_UNINITIALIZED_DATA


class ObjectHeader(NamedTuple):
    """COFF File Header, or the one of a big object. Offsets in the file, bytes."""

    size: int
    machine: int
    sections: int
    symbols_at: int
    symbols: int
    optional: int  # bytes of an optional header, which objects have none of
    big: bool


class ObjectSection(NamedTuple):
    """Section Header."""

    number: int  # from 1
    offset: int  # of this header in the file
    size: int
    data: int
    relocations_at: int
    relocations_declared: int
    characteristics: int

    def __str__(self) -> str:
        return f"section {self.number}"

    @property
    def file_size(self) -> int:
        """Bytes that stand in the file."""
        return 0 if self.characteristics & _UNINITIALIZED or not self.data else self.size

    @property
    def executable(self) -> bool:
        """IMAGE_SCN_MEM_EXECUTE or IMAGE_SCN_CNT_CODE."""
        return bool(self.characteristics & 0x20000020)


class CoffObject:
    """One COFF object: its bytes and what its headers say. Reading raises OutOfFileError for what is not there."""

    def __init__(self, reader: Reader, content: Content, expected: Expectation) -> None:
        self.reader, self.content, self.expected = reader, content, expected

    @cached_property
    def header(self) -> ObjectHeader:
        """The file header."""
        if self.reader.data[:4] == BIG_START:
            fields = self.reader.unpack(_BIG_HEADER, 0, "the header of a big object")
            return ObjectHeader(_BIG_HEADER.size, fields[3], fields[10], fields[11], fields[12], 0, big=True)
        machine, sections, _, at, count, optional, _ = self.reader.unpack(_HEADER, 0, "the COFF file header")
        return ObjectHeader(_HEADER.size, machine, sections, at, count, optional, big=False)

    @property
    def class_id(self) -> bytes:
        """What kind of anonymous object a big one is."""
        return bytes(self.reader.unpack(_BIG_HEADER, 0, "the header of a big object")[5])

    @cached_property
    def sections(self) -> tuple[ObjectSection, ...]:
        """The section headers, in file order."""
        start = self.header.size + self.header.optional
        entries = self.reader.table(_SECTION, start, self.header.sections, "the section table")
        return tuple(
            ObjectSection(number, start + (number - 1) * _SECTION.size, e[3], e[4], e[5], e[7], e[9])
            for number, e in enumerate(entries, start=1)
        )

    @property
    def symbols(self) -> SymbolTable:
        """The symbol table."""
        return SymbolTable(
            reader=self.reader,
            start=self.header.symbols_at,
            count=self.header.symbols,
            sections=self.header.sections,
            big=self.header.big,
        )

    def relocations(self, section: ObjectSection) -> bytes:
        """The relocations of a section, 10 bytes each: address, symbol, type.

        Where 16 bits are too few for their number, the first one's address is that number, itself included.
        """
        what = f"the relocations of {section}"
        start, count = section.relocations_at, section.relocations_declared
        if count == 0xFFFF and section.characteristics & _MANY_RELOCATIONS:
            count = int.from_bytes(self.reader.read(start, 4, what), "little") - 1
            start += _RELOCATION
        return self.reader.read(start, max(count, 0) * _RELOCATION, what) if count > 0 else b""
