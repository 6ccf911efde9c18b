"""A PE file's headers as they stand in it: read, not judged.

Names are those of the Microsoft PE format specification (learn.microsoft.com/windows/win32/debug/pe-format),
in Python's spelling. Everything is read when it is first asked for, and raises OutOfFileError where it is not there.
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import NamedTuple

from buildproof.artifacts.content import Content
from buildproof.artifacts.expectation import Expectation
from buildproof.artifacts.reader import MisplacedError, Reader, align_up
from buildproof.targets import Target

PE32, PE32_PLUS = 0x10B, 0x20B
SIGNATURE = b"PE\0\0"
DOS_HEADER_SIZE = 64

# Numbers of data directories. The certificate table alone is addressed by file offset, not by RVA.
EXPORT, IMPORT, RESOURCE, EXCEPTION, CERTIFICATE_TABLE, RELOCATION, DEBUG = range(7)
TLS, LOAD_CONFIG, IMPORT_ADDRESS, DELAY_IMPORT = 9, 10, 12, 13
LONGEST_NAME = 4096  # bytes of a DLL's or a symbol's name: GNU ld and MSVC make no longer ones

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_COFF = struct.Struct("<HHIIIHH")
_OPTIONAL = {
    PE32: struct.Struct("<HBBIIIIIIIIIHHHHHHIIIIHHIIIIII"),
    PE32_PLUS: struct.Struct("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII"),
}
_DIRECTORY = struct.Struct("<II")
_SECTION = struct.Struct("<8sIIIIIIHHI")


class CoffHeader(NamedTuple):
    """COFF File Header."""

    machine: int
    number_of_sections: int
    time_date_stamp: int
    pointer_to_symbol_table: int
    number_of_symbols: int
    size_of_optional_header: int
    characteristics: int


class OptionalHeader(NamedTuple):
    """Optional Header: standard and Windows-specific fields that rules ask for, of PE32 and PE32+ alike."""

    size: int  # of the fixed part, without the data directories
    address_of_entry_point: int
    image_base: int
    section_alignment: int
    file_alignment: int
    size_of_image: int
    size_of_headers: int
    checksum: int
    subsystem: int
    dll_characteristics: int
    subsystem_version: tuple[int, int]
    number_of_rva_and_sizes: int


class Directory(NamedTuple):
    """Optional Header Data Directory: `rva` is a file offset in the certificate table alone."""

    number: int  # from 0
    offset: int  # of this entry in the file
    rva: int
    size: int

    @property
    def name(self) -> str:
        """The specification's name for a directory of this number."""
        return DIRECTORY_NAMES[self.number]


class Section(NamedTuple):
    """Section Header."""

    number: int  # from 1, as symbols count
    offset: int  # of this header in the file
    name: str
    virtual_size: int
    virtual_address: int
    size_of_raw_data: int
    pointer_to_raw_data: int
    characteristics: int

    def __str__(self) -> str:
        return f"section {self.number} ({self.name})"

    @property
    def raw_end(self) -> int:
        """File offset behind the raw data."""
        return self.pointer_to_raw_data + self.raw_size

    @property
    def raw_size(self) -> int:
        """Bytes that come from the file: none without a pointer, whatever the size says."""
        return self.size_of_raw_data if self.pointer_to_raw_data else 0

    @property
    def memory_size(self) -> int:
        """Bytes in memory: VirtualSize, or the raw size where an old linker left VirtualSize zero."""
        return self.virtual_size or self.size_of_raw_data

    @property
    def writable(self) -> bool:
        """IMAGE_SCN_MEM_WRITE."""
        return bool(self.characteristics & 0x80000000)

    @property
    def executable(self) -> bool:
        """IMAGE_SCN_MEM_EXECUTE."""
        return bool(self.characteristics & 0x20000000)

    @property
    def claims_code(self) -> bool:
        """IMAGE_SCN_MEM_EXECUTE or IMAGE_SCN_CNT_CODE."""
        return bool(self.characteristics & 0x20000020)


DIRECTORY_NAMES = (
    "export table", "import table", "resource table", "exception table", "certificate table", "base relocation table",
    "debug data", "architecture data", "global pointer", "TLS table", "load config table", "bound import table",
    "import address table", "delay import descriptor", "CLR runtime header", "reserved directory",
)  # fmt: skip


class PeImage:
    """One PE file: its bytes and what its headers say."""

    def __init__(self, reader: Reader, content: Content, expected: Expectation) -> None:
        self.reader = reader
        self.content = content
        self.expected = expected
        self.target: Target = expected.target

    @cached_property
    def signature_offset(self) -> int:
        """File offset of `PE\\0\\0`: e_lfanew of the DOS header."""
        self.reader.require(0, DOS_HEADER_SIZE, "the DOS header")
        return int(self.reader.unpack(_U32, 0x3C, "e_lfanew")[0])

    @property
    def coff_offset(self) -> int:
        """File offset of the COFF file header."""
        return self.signature_offset + len(SIGNATURE)

    @cached_property
    def coff(self) -> CoffHeader:
        """The COFF file header."""
        return CoffHeader(*self.reader.unpack(_COFF, self.coff_offset, "the COFF file header"))

    @property
    def optional_offset(self) -> int:
        """File offset of the optional header."""
        return self.coff_offset + _COFF.size

    @cached_property
    def magic(self) -> int:
        """The optional header's magic number: PE32 or PE32_PLUS in a sound file."""
        return int(self.reader.unpack(_U16, self.optional_offset, "the optional header's magic number")[0])

    @cached_property
    def optional(self) -> OptionalHeader:
        """The optional header, in the layout that its magic number names."""
        layout = _OPTIONAL[self.magic]
        fields = layout.unpack(self.reader.read(self.optional_offset, layout.size, "the optional header"))
        # PE32 has BaseOfData in front of ImageBase; all other fields come in the same order.
        rest = fields[9:] if self.magic == PE32 else fields[8:]
        return OptionalHeader(
            size=layout.size,
            address_of_entry_point=fields[6],
            image_base=rest[0],
            section_alignment=rest[1],
            file_alignment=rest[2],
            size_of_image=rest[10],
            size_of_headers=rest[11],
            checksum=rest[12],
            subsystem=rest[13],
            dll_characteristics=rest[14],
            subsystem_version=(rest[7], rest[8]),
            number_of_rva_and_sizes=rest[20],
        )

    @cached_property
    def directories(self) -> tuple[Directory, ...]:
        """The data directories that the file uses: those of a size and an address of zero are left out."""
        start = self.optional_offset + self.optional.size
        count = min(self.optional.number_of_rva_and_sizes, len(DIRECTORY_NAMES))
        entries = self.reader.table(_DIRECTORY, start, count, "the table of data directories")
        return tuple(
            Directory(index, start + index * _DIRECTORY.size, rva, size)
            for index, (rva, size) in enumerate(entries)
            if rva or size
        )

    @property
    def section_table_offset(self) -> int:
        """File offset of the first section header."""
        return self.optional_offset + self.coff.size_of_optional_header

    @property
    def section_table_end(self) -> int:
        """File offset behind the last section header."""
        return self.section_table_offset + self.coff.number_of_sections * _SECTION.size

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The section headers, in file order."""
        start = self.section_table_offset
        entries = self.reader.table(_SECTION, start, self.coff.number_of_sections, "the section table")
        return tuple(
            Section(number, start + (number - 1) * _SECTION.size, _name(e[0]), e[1], e[2], e[3], e[4], e[9])
            for number, e in enumerate(entries, start=1)
        )

    def section_at(self, rva: int) -> Section | None:
        """The section whose memory, up to its last page's end, holds this address."""
        for start, end, section in self._places:
            if start <= rva < end:
                return section
        return None

    @cached_property
    def _places(self) -> list[tuple[int, int, Section]]:
        alignment = self.optional.section_alignment
        return [
            (
                section.virtual_address,
                section.virtual_address + align_up(section.memory_size, alignment),
                section,
            )
            for section in self.sections
        ]

    def directory(self, number: int) -> Directory | None:
        """The data directory of this number, where the file has one with a size."""
        return next((entry for entry in self.directories if entry.number == number and entry.size), None)

    def backed(self, rva: int, length: int, what: str) -> int:
        """File offset of the `length` bytes at `rva`, all of which have to come from the file.

        Raises MisplacedError where they do not.
        """
        if rva >= 0 and rva + length <= self.optional.size_of_headers:
            return rva
        section = self.section_at(rva)
        if section is None:
            raise MisplacedError(what, rva, length, "where no section is")
        at = rva - section.virtual_address
        if at + length > section.raw_size:
            raise MisplacedError(what, rva, length, f"for which the file has no bytes in {section}")
        return section.pointer_to_raw_data + at

    def backed_end(self, rva: int) -> int:
        """File offset behind the last byte that the file has from `rva` on, in the same section."""
        section = self.section_at(rva)
        return section.raw_end if section else self.optional.size_of_headers

    def name_at(self, rva: int, what: str) -> str:
        """The name there: printable ASCII in front of a zero byte. Raises MisplacedError where there is none."""
        start = self.backed(rva, 1, what)
        raw = self.reader.text(start, min(self.backed_end(rva), start + LONGEST_NAME))
        if not raw or not raw.isascii() or not (text := raw.decode("ascii")).isprintable():
            shown = self.reader.read(start, min(16, self.reader.size - start), what).hex(" ")
            raise MisplacedError(what, rva, len(raw or b""), f"but what stands there is no name: {shown}")
        return text

    def spans(self, *, executable: bool = False, writable: bool = False) -> list[tuple[int, int]]:
        """The sections' ranges of addresses: all of them, or those that can be executed or written."""
        return [
            (section.virtual_address, section.virtual_address + section.memory_size)
            for section in self.sections
            if (section.executable or not executable) and (section.writable or not writable)
        ]


def _name(raw: bytes) -> str:
    text = raw.rstrip(b"\0").decode("latin-1")
    return text if text.isprintable() and text else f"name {raw.hex(' ')}"
