"""A minimal ELF program, byte by byte, and a view to damage any ELF file through.

The program is a position-independent one for x86_64 that exits with 42; it starts on any Linux with glibc. It has what
rules ask about: an interpreter, code of several pages, a dynamic section with relocations, a zero-filled end of its
data, sections and symbols. (glibc from 2.36 on knows packed relocations.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.unit.binaries_damage import View

INTERPRETER = b"/lib64/ld-linux-x86-64.so.2\0"
ENTRY = 0x1010
_TEXT, _TEXT_SIZE, _DATA, _BSS = 0x1000, 0x4000, 0x5000, 0x800
_PHDR, _INTERP, _TABLES = 0x40, 0x200, 0x240
_LINKED = 0x60  # from _TABLES, of what a program that needs a library has besides
_TAGS = {
    4: _TABLES, 5: _TABLES + 40, 6: _TABLES + 16, 10: 1, 11: 24, 0x6FFFFFFB: 0x08000000, 7: _TABLES + 48, 8: 24, 9: 24,
    0x6FFFFFF9: 1, 36: _TABLES + 72, 35: 8, 37: 8,
}  # fmt: skip
_EXIT = b"\xb8\x3c\0\0\0\xbf\x2a\0\0\0\x0f\x05"  # mov eax, 60; mov edi, 42; syscall


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a program asks of one library: a symbol for each version; and where it looks for it."""

    library: str
    versions: tuple[tuple[str, str], ...] = ()
    runpath: str | None = None


def minimal_elf(needs: Needs | None = None) -> bytes:
    """The program; deterministic. With `needs` it is there to be judged, not to be started."""
    linked, tags = _linked(needs, _TABLES + _LINKED) if needs else (b"", {})
    tables = _symbol_tables(len(_TAGS | tags)).ljust(_LINKED, b"\0") + linked
    dynamic = b"".join(struct.pack("<QQ", tag, value) for tag, value in (_TAGS | tags).items()) + bytes(16)
    data = dynamic + struct.pack("<QQ", 0, _TEXT)  # what the two relocations are for
    names = b"\0.interp\0.text\0.dynamic\0.bss\0.shstrtab\0.symtab\0.strtab\0"
    symbols, strings = struct.pack("<24xIBBHQQ", 1, 0x12, 0, 2, ENTRY, 13), b"\0_start\0"
    text = (b"\x90" * (ENTRY - _TEXT) + _EXIT).ljust(_TEXT_SIZE, b"\xcc")
    symbols_offset = _DATA + len(data)
    strings_offset = symbols_offset + len(symbols)
    names_offset = strings_offset + len(strings)
    table_offset = names_offset + len(names) + -(names_offset + len(names)) % 8
    head_end = _TABLES + len(tables)
    segments = [
        (6, 4, _PHDR, _PHDR, 7 * 56, 7 * 56, 8),
        (3, 4, _INTERP, _INTERP, len(INTERPRETER), len(INTERPRETER), 1),
        (1, 4, 0, 0, head_end, head_end, 0x1000),
        (1, 5, _TEXT, _TEXT, _TEXT_SIZE, _TEXT_SIZE, 0x1000),
        (1, 6, _DATA, _DATA, len(data), len(data) + _BSS, 0x1000),
        (2, 6, _DATA, _DATA, len(dynamic), len(dynamic), 8),
        (0x6474E551, 6, 0, 0, 0, 0, 16),
    ]
    sections = [
        (0, 0, 0, 0, 0, 0),
        (1, 1, 2, _INTERP, _INTERP, len(INTERPRETER)),
        (9, 1, 6, _TEXT, _TEXT, _TEXT_SIZE),
        (15, 6, 3, _DATA, _DATA, len(dynamic)),
        (24, 8, 3, _DATA + len(data), _DATA + len(data), _BSS),
        (29, 3, 0, 0, names_offset, len(names)),
        (39, 2, 0, 0, symbols_offset, len(symbols)),
        (47, 3, 0, 0, strings_offset, len(strings)),
    ]
    image = bytearray(table_offset)
    image[0:64] = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, ENTRY, _PHDR, table_offset, 0, 64, 56, len(segments), 64, 8, 5
    )
    image[_PHDR : _PHDR + 56 * len(segments)] = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, filesz, memsz, align)
        for kind, flags, offset, address, filesz, memsz, align in segments
    )
    for offset, content in (
        (_INTERP, INTERPRETER),
        (_TABLES, tables),
        (_TEXT, text),
        (_DATA, data + symbols + strings + names),
    ):
        image[offset : offset + len(content)] = content
    return bytes(image) + b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, flags, address, offset, size, 7 if kind == 2 else 0, 0, 8, 0)
        for name, kind, flags, address, offset, size in sections
    )


def _symbol_tables(tags: int) -> bytes:
    """Hash table of no symbols, one null symbol, one empty string, a relocation of each kind."""
    data = _DATA + 16 * (tags + 1)
    relocation = struct.pack("<QQQ", data, 8, _TEXT)  # R_X86_64_RELATIVE
    return struct.pack("<IIII", 1, 1, 0, 0) + bytes(24) + b"\0" * 8 + relocation + struct.pack("<Q", data + 8)


def _linked(needs: Needs, at: int) -> tuple[bytes, dict[int, int]]:
    """Symbols, versions and strings of a program that needs a library, at the address `at`; and their dynamic tags."""
    texts = [needs.library, needs.runpath or "", *(text for pair in needs.versions for text in pair)]
    strings = b"\0" + b"".join(text.encode() + b"\0" for text in texts)
    place = {text: strings.index(text.encode() + b"\0") for text in texts}
    count = len(needs.versions) + 1
    symbols = bytes(24) + b"".join(struct.pack("<IBBHQQ", place[name], 0x12, 0, 0, 0, 0) for _, name in needs.versions)
    hashes = struct.pack("<III", 1, count, count - 1) + struct.pack(f"<{count}I", 0, *range(count - 1))
    versym = struct.pack(f"<{count}H", 0, *range(2, count + 1))
    verneed = struct.pack("<HHIII", 1, count - 1, place[needs.library], 16, 0) if needs.versions else b""
    for index, (version, _) in enumerate(needs.versions):
        step = 16 if index + 2 < count else 0
        verneed += struct.pack("<IHHII", _hash(version), 0, index + 2, place[version], step)
    parts = [strings, symbols, hashes, versym, verneed]
    starts = [at]
    for part in parts:
        starts.append(starts[-1] + len(part) + -len(part) % 8)
    tags = {1: place[needs.library], 4: starts[2], 5: starts[0], 6: starts[1], 10: len(strings)}
    if needs.versions:
        tags |= {0x6FFFFFF0: starts[3], 0x6FFFFFFE: starts[4], 0x6FFFFFFF: 1}
    if needs.runpath is not None:
        tags[29] = place[needs.runpath]
    return b"".join(part + bytes(-len(part) % 8) for part in parts), tags


def _hash(name: str) -> int:
    """PJW, as the gABI has it in C; written apart from the code under test."""
    value = 0
    for byte in name.encode():
        value = ((value << 4) + byte) & 0xFFFFFFFF
        if top := value & 0xF0000000:
            value ^= top >> 24
        value &= ~top
    return value


class Elf(View):
    """Offsets of an ELF64 file's fields."""

    def segments(self, kind: int) -> list[int]:
        """Offsets of the program headers of this type."""
        headers = [self.u64(32) + 56 * index for index in range(self.u16(56))]
        return [at for at in headers if self.u32(at) == kind]

    def tag(self, tag: int) -> int:
        """Offset of the first dynamic entry's value with this tag; 0 for none."""
        for dynamic in self.segments(2):
            for at in range(self.u64(dynamic + 8), self.u64(dynamic + 8) + self.u64(dynamic + 32), 16):
                if self.u64(at) == tag:
                    return at + 8
        return 0

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
