"""A minimal ELF program, byte by byte, and a view to damage any ELF file through.

The program is a position-independent one for x86_64 that exits with 42; it starts on any Linux with glibc. It has what
rules ask about: an interpreter, code of several pages, a dynamic section, a zero-filled end of its data, and sections.
"""

from __future__ import annotations

import struct

from tests.unit.binaries_damage import View

INTERPRETER = b"/lib64/ld-linux-x86-64.so.2\0"
ENTRY = 0x1010
_TEXT, _TEXT_SIZE, _DATA, _BSS = 0x1000, 0x4000, 0x5000, 0x800
_PHDR, _INTERP, _TABLES = 0x40, 0x200, 0x240
_EXIT = b"\xb8\x3c\0\0\0\xbf\x2a\0\0\0\x0f\x05"  # mov eax, 60; mov edi, 42; syscall


def minimal_elf() -> bytes:
    """The program; deterministic."""
    tables = _symbol_tables()
    dynamic = _dynamic()
    names = b"\0.interp\0.text\0.dynamic\0.bss\0.shstrtab\0"
    text = (b"\x90" * (ENTRY - _TEXT) + _EXIT).ljust(_TEXT_SIZE, b"\xcc")
    names_offset = _DATA + len(dynamic)
    table_offset = names_offset + len(names) + -(names_offset + len(names)) % 8
    head_end = _TABLES + len(tables)
    segments = [
        (6, 4, _PHDR, _PHDR, 7 * 56, 7 * 56, 8),
        (3, 4, _INTERP, _INTERP, len(INTERPRETER), len(INTERPRETER), 1),
        (1, 4, 0, 0, head_end, head_end, 0x1000),
        (1, 5, _TEXT, _TEXT, _TEXT_SIZE, _TEXT_SIZE, 0x1000),
        (1, 6, _DATA, _DATA, len(dynamic), len(dynamic) + _BSS, 0x1000),
        (2, 6, _DATA, _DATA, len(dynamic), len(dynamic), 8),
        (0x6474E551, 6, 0, 0, 0, 0, 16),
    ]
    sections = [
        (0, 0, 0, 0, 0, 0),
        (1, 1, 2, _INTERP, _INTERP, len(INTERPRETER)),
        (9, 1, 6, _TEXT, _TEXT, _TEXT_SIZE),
        (15, 6, 3, _DATA, _DATA, len(dynamic)),
        (24, 8, 3, _DATA + len(dynamic), _DATA + len(dynamic), _BSS),
        (29, 3, 0, 0, names_offset, len(names)),
    ]
    image = bytearray(table_offset)
    image[0:64] = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, ENTRY, _PHDR, table_offset, 0, 64, 56, len(segments), 64, 6, 5
    )
    image[_PHDR : _PHDR + 56 * len(segments)] = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, filesz, memsz, align)
        for kind, flags, offset, address, filesz, memsz, align in segments
    )
    for offset, content in ((_INTERP, INTERPRETER), (_TABLES, tables), (_TEXT, text), (_DATA, dynamic)):
        image[offset : offset + len(content)] = content
    image[names_offset : names_offset + len(names)] = names
    return bytes(image) + b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, flags, address, offset, size, 0, 0, 8, 0)
        for name, kind, flags, address, offset, size in sections
    )


def _symbol_tables() -> bytes:
    """Hash table of no symbols, one null symbol, one empty string: the least that ld.so reads."""
    return struct.pack("<IIII", 1, 1, 0, 0) + bytes(24) + b"\0" * 8


def _dynamic() -> bytes:
    tags = [(4, _TABLES), (5, _TABLES + 40), (6, _TABLES + 16), (10, 1), (11, 24), (0x6FFFFFFB, 0x08000000), (0, 0)]
    return b"".join(struct.pack("<QQ", tag, value) for tag, value in tags)


class Elf(View):
    """Offsets of an ELF64 file's fields."""

    def segments(self, kind: int) -> list[int]:
        """Offsets of the program headers of this type."""
        headers = [self.u64(32) + 56 * index for index in range(self.u16(56))]
        return [at for at in headers if self.u32(at) == kind]

    def code(self) -> int:
        """Offset of the executable PT_LOAD's program header."""
        return next(at for at in self.segments(1) if self.u32(at + 4) & 1)

    def sections(self) -> list[int]:
        """Offsets of the section headers."""
        return [self.u64(40) + 64 * index for index in range(self.u16(60))]

    def text(self) -> int:
        """Offset of the section header of the largest executable section."""
        return max((at for at in self.sections() if self.u64(at + 8) & 4), key=lambda at: self.u64(at + 32))

    def offset_of(self, address: int) -> int:
        """File offset of this address."""
        for at in self.segments(1):
            if self.u64(at + 16) <= address < self.u64(at + 16) + self.u64(at + 32):
                return self.u64(at + 8) + address - self.u64(at + 16)
        raise AssertionError(f"{address:#x} is not in the file")

    @property
    def entry(self) -> int:
        return self.u64(24)
