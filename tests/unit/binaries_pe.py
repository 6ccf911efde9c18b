"""A minimal PE program, byte by byte, and a view to damage any PE file through.

The program is PE32+ for x86_64 and calls ExitProcess(42): it starts under Windows and Wine. It has what rules ask
about: code of several pages, imports, data with a zero-filled end, a section without bytes in the file, base
relocations, COFF symbols and strings.
"""

from __future__ import annotations

import struct

from tests.unit.binaries_damage import View

ENTRY, ENTRY_OFFSET = 0x1010, 0x410
_TEXT, _RDATA, _DATA, _BSS, _RELOC = 0x1000, 0x5000, 0x6000, 0x7000, 0x8000
_IMAGE_END = 0x9000
_IAT = _RDATA + 0x40


def minimal_pe() -> bytes:
    """The program; deterministic."""
    text, rdata, data, reloc = _text(), _import_table(), struct.pack("<Q", 0x140000000 + _BSS), _relocations()
    sections = [
        (b".text", 0x4000, _TEXT, text, 0x60000020),
        (b".rdata", 0x200, _RDATA, rdata, 0x40000040),
        (b".data", 0x800, _DATA, data, 0xC0000040),
        (b".bss", 0x1000, _BSS, b"", 0xC0000080),
        (b".reloc", len(reloc), _RELOC, reloc, 0x42000040),
    ]
    headers, body, offset = b"", b"", 0x400
    for name, size, address, content, flags in sections:
        raw = content + bytes(-len(content) % 0x200)
        pointer = offset + len(body) if raw else 0
        headers += struct.pack("<8sIIIIIIHHI", name, size, address, len(raw), pointer, 0, 0, 0, 0, flags)
        body += raw
    symbols = struct.pack("<8sIhHBB", b"start", ENTRY - _TEXT, 1, 0x20, 2, 0) * 3
    strings = struct.pack("<I", 4 + 17) + b"a_rather_long_one"
    head = _dos_header() + b"PE\0\0"
    head += struct.pack("<HHIIIHH", 0x8664, len(sections), 0, offset + len(body), 3, 240, 0x22)
    head += _optional_header(len(reloc)) + headers
    return head + bytes(offset - len(head)) + body + symbols + strings


def _dos_header() -> bytes:
    return b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80) + bytes(0x40)


def _optional_header(relocations: int) -> bytes:
    fixed = struct.pack(
        "<HBBIIIIIQIIHHHHHHIIIIHHQQQQII",
        0x20B, 14, 0, 0x4000, 0x600, 0x1000, ENTRY, _TEXT, 0x140000000, 0x1000, 0x200,
        6, 0, 0, 0, 6, 0, 0, _IMAGE_END, 0x400, 0, 3, 0x8160, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16,
    )  # fmt: skip
    directories = {1: (_RDATA, 40), 5: (_RELOC, relocations), 12: (_IAT, 16)}
    return fixed + b"".join(struct.pack("<II", *directories.get(index, (0, 0))) for index in range(16))


def _text() -> bytes:
    call = _IAT - (ENTRY + 15)  # relative to the instruction behind the call
    start = b"\x48\x83\xec\x28" + b"\xb9\x2a\0\0\0" + b"\xff\x15" + struct.pack("<i", call)
    return (b"\x90" * (ENTRY - _TEXT) + start).ljust(0x4000, b"\xcc")


def _import_table() -> bytes:
    names = _RDATA + 0x60
    descriptors = struct.pack("<IIIII", _RDATA + 0x50, 0, 0, _RDATA + 0x80, _IAT).ljust(0x40, b"\0")
    thunks = struct.pack("<QQ", names, 0)
    return descriptors + thunks * 2 + b"\0\0ExitProcess\0".ljust(0x20, b"\0") + b"KERNEL32.dll\0"


def _relocations() -> bytes:
    return struct.pack("<IIHH", _DATA, 12, 0xA000, 0)


class Pe(View):
    """Offsets of a PE file's fields."""

    def __init__(self, data: bytearray) -> None:
        super().__init__(data)
        self.coff = self.u32(0x3C) + 4
        self.optional = self.coff + 20
        self.plus = self.u16(self.optional) == 0x20B
        self.directories = self.optional + (112 if self.plus else 96)
        self.table = self.optional + self.u16(self.coff + 16)
        self.count = self.u16(self.coff + 2)

    def header(self, index: int) -> int:
        """Offset of a section header; -1 is the last."""
        return self.table + 40 * (index % self.count)

    def directory(self, index: int) -> tuple[int, int]:
        """RVA and size."""
        return self.u32(self.directories + 8 * index), self.u32(self.directories + 8 * index + 4)

    def section_of(self, rva: int) -> int:
        """Offset of the header of the section with this address."""
        headers = [self.header(index) for index in range(self.count)]
        return max((at for at in headers if self.u32(at + 12) <= rva), key=lambda at: self.u32(at + 12))

    def offset_of(self, rva: int) -> int:
        """File offset of this address."""
        at = self.section_of(rva)
        return self.u32(at + 20) + rva - self.u32(at + 12)

    @property
    def entry(self) -> int:
        return self.u32(self.optional + 16)

    @property
    def symbols(self) -> int:
        """File offset of the COFF symbols, 0 for none."""
        return self.u32(self.coff + 8)

    @property
    def strings(self) -> int:
        """File offset of the COFF strings."""
        return self.symbols + 18 * self.u32(self.coff + 12)
