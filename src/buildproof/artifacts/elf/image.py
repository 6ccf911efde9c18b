"""An ELF file's headers as they stand in it: read, not judged.

Names are those of the System V gABI, chapters 4 and 5, and of elf(5). Everything is read when it is first asked for,
and raises OutOfFileError where it is not there. All targets are little-endian, and so is all that is read here.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from functools import cached_property

from buildproof.artifacts.content import Content
from buildproof.artifacts.elf.structures import (
    CLASS_32,
    CLASS_64,
    DF_1_NOW,
    DF_BIND_NOW,
    DynamicTag,
    Header,
    Section,
    Segment,
    SegmentType,
)
from buildproof.artifacts.expectation import Expectation
from buildproof.artifacts.reader import MisplacedError, Reader
from buildproof.targets import Target

LONGEST_SYMBOL = 1 << 20  # bytes: mangled names of C++ templates and Rust generics reach some ten thousand
LONGEST_NAME = 4096  # bytes of a library's name, a version or a list of folders: PATH_MAX
_HEADER = {CLASS_32: struct.Struct("<16sHHIIIIIHHHHHH"), CLASS_64: struct.Struct("<16sHHIQQQIHHHHHH")}
_SEGMENT = {CLASS_32: struct.Struct("<IIIIIIII"), CLASS_64: struct.Struct("<IIQQQQQQ")}
SECTION_HEADER = {CLASS_32: struct.Struct("<IIIIIIIIII"), CLASS_64: struct.Struct("<IIQQQQIIQQ")}
_DYNAMIC = {CLASS_32: struct.Struct("<II"), CLASS_64: struct.Struct("<QQ")}
_U16 = struct.Struct("<H")


class ElfImage:
    """One ELF file: its bytes and what its headers say, in the class that it states."""

    def __init__(self, reader: Reader, content: Content, expected: Expectation) -> None:
        self.reader = reader
        self.content = content
        self.expected = expected
        self.target: Target = expected.target

    @cached_property
    def ident(self) -> bytes:
        """e_ident."""
        return self.reader.read(0, 16, "the ELF identification")

    @property
    def header_size(self) -> int:
        """Bytes of the ELF header in the stated class, or of the larger one where the class is nonsense."""
        return _HEADER[CLASS_32 if self.ident[4] == CLASS_32 else CLASS_64].size

    @cached_property
    def machine(self) -> int:
        """e_machine, which stands at the same place in both classes."""
        return int(self.reader.unpack(_U16, 18, "e_machine")[0])

    @cached_property
    def header(self) -> Header:
        """The ELF header."""
        return Header(*self.reader.unpack(_HEADER[self.ident[4]], 0, "the ELF header"))

    @property
    def segment_entry_size(self) -> int:
        """Bytes of a program header."""
        return _SEGMENT[self.ident[4]].size

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The program headers, in file order."""
        layout, start = _SEGMENT[self.ident[4]], self.header.phoff
        entries = self.reader.table(layout, start, self.header.phnum, "the program header table")
        if self.ident[4] == CLASS_32:
            entries = [(e[0], e[6], e[1], e[2], e[3], e[4], e[5], e[7]) for e in entries]
        return tuple(
            Segment(index, start + index * layout.size, e[0], e[1], e[2], e[3], e[5], e[6], e[7])
            for index, e in enumerate(entries)
        )

    @cached_property
    def loads(self) -> tuple[Segment, ...]:
        """The segments that are mapped: PT_LOAD."""
        return tuple(segment for segment in self.segments if segment.type == SegmentType.LOAD)

    def segment(self, kind: SegmentType) -> Segment | None:
        """The first segment of this type."""
        return next((segment for segment in self.segments if segment.type == kind), None)

    @property
    def section_entry_size(self) -> int:
        """Bytes of a section header."""
        return SECTION_HEADER[self.ident[4]].size

    @cached_property
    def section_count(self) -> int:
        """e_shnum, or the first header's sh_size, where the number stands from 0xff00 sections on."""
        if not self.header.shoff:
            return 0
        first = self.reader.unpack(SECTION_HEADER[self.ident[4]], self.header.shoff, "the section header table")
        return self.header.shnum or int(first[5])

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The section headers; none where the file has no section header table."""
        layout, start = SECTION_HEADER[self.ident[4]], self.header.shoff
        entries = self.reader.table(layout, start, self.section_count, "the section header table")
        return tuple(
            Section(index, start + index * layout.size, e[1], e[2], e[3], e[4], e[5], e[6], e[7])
            for index, e in enumerate(entries)
        )

    @property
    def section_names(self) -> int:
        """Index of the section that holds the sections' names; 0 for none."""
        extended = self.header.shstrndx == 0xFFFF and self.sections
        return self.sections[0].link if extended else self.header.shstrndx

    @cached_property
    def dynamic(self) -> tuple[tuple[int, int], ...]:
        """Tag and value of the entries of PT_DYNAMIC, the final DT_NULL and what follows it included."""
        segment = self.segment(SegmentType.DYNAMIC)
        if segment is None:
            return ()
        layout = _DYNAMIC[self.ident[4]]
        entries = self.reader.table(layout, segment.offset, segment.filesz // layout.size, "the dynamic section")
        return tuple((int(tag), int(value)) for tag, value in entries)

    @cached_property
    def tags(self) -> dict[int, int]:
        """The first value of each tag in front of the final DT_NULL."""
        found: dict[int, int] = {}
        for tag, value in self.dynamic:
            if tag == DynamicTag.NULL:
                break
            found.setdefault(tag, value)
        return found

    @property
    def bind_now(self) -> bool:
        """Whether ld.so resolves every function before the program starts: DT_BIND_NOW, DF_BIND_NOW or DF_1_NOW."""
        now = self.tags.get(DynamicTag.FLAGS, 0) & DF_BIND_NOW or self.tags.get(DynamicTag.FLAGS_1, 0) & DF_1_NOW
        return DynamicTag.BIND_NOW in self.tags or bool(now)

    def values(self, tag: DynamicTag) -> list[int]:
        """All values of a tag that may come several times, in order."""
        return [value for found, value in self.dynamic_entries if found == tag]

    @cached_property
    def dynamic_entries(self) -> tuple[tuple[int, int], ...]:
        """Tag and value of the entries in front of the final DT_NULL."""
        end = next((index for index, (tag, _) in enumerate(self.dynamic) if tag == DynamicTag.NULL), len(self.dynamic))
        return self.dynamic[:end]

    @property
    def word(self) -> int:
        """Bytes of an address."""
        return 4 if self.ident[4] == CLASS_32 else 8

    def backed(self, address: int, length: int, what: str) -> int:
        """File offset of the `length` bytes at `address`, all of which have to come from the file by one PT_LOAD.

        Raises MisplacedError where they do not.
        """
        load = self.load_at(address)
        if load is None:
            raise MisplacedError(what, address, length, "where no PT_LOAD segment is")
        if address + length > load.vaddr + load.filesz:
            raise MisplacedError(what, address, length, f"for which the file has no bytes in {load}")
        return load.offset + address - load.vaddr

    def load_at(self, address: int) -> Segment | None:
        """The PT_LOAD whose memory holds this address, in a file whose PT_LOADs ascend (`elf-load-order`)."""
        index = bisect_right(self._load_starts, address) - 1
        return self.loads[index] if index >= 0 and address < self.loads[index].memory_end else None

    @cached_property
    def _load_starts(self) -> list[int]:
        return [load.vaddr for load in self.loads]

    def backed_size(self, address: int) -> int:
        """How many bytes the file has from `address` on, in the same PT_LOAD."""
        load = self.load_at(address)
        return max(0, load.vaddr + load.filesz - address) if load else 0

    def spans(self, *, executable: bool = False, writable: bool = False) -> list[tuple[int, int]]:
        """The PT_LOAD segments' ranges of addresses: all of them, or those that can be executed or written."""
        return [
            (load.vaddr, load.memory_end)
            for load in self.loads
            if (load.executable or not executable) and (load.writable or not writable)
        ]

    @cached_property
    def strings(self) -> tuple[int, int]:
        """Offset and size of the dynamic string table; MisplacedError where it is not in the file."""
        size = self.tags.get(DynamicTag.STRSZ, 0)
        return self.backed(self.tags.get(DynamicTag.STRTAB, 0), size, "the dynamic string table"), size

    def string(self, index: int, what: str, *, most: int = LONGEST_NAME) -> str:
        """A string of the dynamic string table; MisplacedError where there is none of up to `most` bytes."""
        start, size = self.strings
        raw = self.reader.text(start + index, start + min(size, index + most)) if index < size else None
        if raw is None:
            raise MisplacedError(what, index, 0, f"of the dynamic string table, which has {size} bytes")
        return raw.decode("utf-8", "backslashreplace")
