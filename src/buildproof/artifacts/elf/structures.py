"""What an ELF file is made of, by the names of the System V gABI, chapters 4 and 5, and of elf(5)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

CLASS_32, CLASS_64 = 1, 2
PF_X, PF_W = 1, 2
DF_BIND_NOW, DF_1_NOW = 8, 1
SHF_ALLOC, SHF_EXECINSTR, SHF_TLS = 2, 4, 0x400


class ObjectType(IntEnum):
    """e_type."""

    REL = 1
    EXEC = 2
    DYN = 3
    CORE = 4


class SegmentType(IntEnum):
    """p_type, where a rule asks for it."""

    LOAD = 1
    DYNAMIC = 2
    INTERP = 3
    NOTE = 4
    PHDR = 6
    TLS = 7
    GNU_EH_FRAME = 0x6474E550
    GNU_STACK = 0x6474E551
    GNU_RELRO = 0x6474E552
    GNU_PROPERTY = 0x6474E553


class SectionType(IntEnum):
    """sh_type, where a rule asks for it."""

    NULL = 0
    SYMTAB = 2
    STRTAB = 3
    RELA = 4
    NOBITS = 8
    REL = 9
    DYNSYM = 11
    SYMTAB_SHNDX = 18


class DynamicTag(IntEnum):
    """d_tag, where a rule asks for it."""

    NULL = 0
    NEEDED = 1
    PLTRELSZ = 2
    PLTGOT = 3
    HASH = 4
    STRTAB = 5
    SYMTAB = 6
    RELA = 7
    RELASZ = 8
    RELAENT = 9
    STRSZ = 10
    SYMENT = 11
    INIT = 12
    FINI = 13
    SONAME = 14
    RPATH = 15
    REL = 17
    RELSZ = 18
    RELENT = 19
    PLTREL = 20
    TEXTREL = 22
    JMPREL = 23
    BIND_NOW = 24
    INIT_ARRAY = 25
    FINI_ARRAY = 26
    INIT_ARRAYSZ = 27
    FINI_ARRAYSZ = 28
    RUNPATH = 29
    FLAGS = 30
    PREINIT_ARRAY = 32
    PREINIT_ARRAYSZ = 33
    RELRSZ = 35
    RELR = 36
    RELRENT = 37
    GNU_HASH = 0x6FFFFEF5
    VERSYM = 0x6FFFFFF0
    RELACOUNT = 0x6FFFFFF9
    RELCOUNT = 0x6FFFFFFA
    FLAGS_1 = 0x6FFFFFFB
    VERDEF = 0x6FFFFFFC
    VERDEFNUM = 0x6FFFFFFD
    VERNEED = 0x6FFFFFFE
    VERNEEDNUM = 0x6FFFFFFF


class Header(NamedTuple):
    """Elf32_Ehdr or Elf64_Ehdr."""

    ident: bytes
    type: int
    machine: int
    version: int
    entry: int
    phoff: int
    shoff: int
    flags: int
    ehsize: int
    phentsize: int
    phnum: int
    shentsize: int
    shnum: int
    shstrndx: int


class Segment(NamedTuple):
    """Elf32_Phdr or Elf64_Phdr."""

    number: int  # from 0, as readelf counts
    position: int  # of this header in the file
    type: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int

    def __str__(self) -> str:
        known = self.type in SegmentType.__members__.values()
        return f"segment {self.number} ({SegmentType(self.type).name if known else f'type {self.type:#x}'})"

    @property
    def file_end(self) -> int:
        """File offset behind the segment."""
        return self.offset + self.filesz

    @property
    def executable(self) -> bool:
        """PF_X."""
        return bool(self.flags & PF_X)

    @property
    def writable(self) -> bool:
        """PF_W."""
        return bool(self.flags & PF_W)

    @property
    def memory_end(self) -> int:
        """Address behind the segment."""
        return self.vaddr + self.memsz


class Section(NamedTuple):
    """Elf32_Shdr or Elf64_Shdr."""

    number: int
    position: int  # of this header in the file
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int

    def __str__(self) -> str:
        return f"section {self.number}"

    @property
    def file_size(self) -> int:
        """Bytes that stand in the file."""
        return 0 if self.type in (SectionType.NULL, SectionType.NOBITS) else self.size
