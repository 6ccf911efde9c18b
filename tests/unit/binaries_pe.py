"""A minimal PE program, byte by byte, and a view to damage any PE file through.

The program is PE32+ for x86_64 and calls ExitProcess(42): it starts under Windows and Wine. It has what rules ask
about: code of several pages, data with a zero-filled end, a section without bytes in the file, COFF symbols and
strings, and one of everything that a data directory can lead to but a signature.
"""

from __future__ import annotations

import struct

from tests.unit.binaries_damage import View

ENTRY, ENTRY_OFFSET = 0x1010, 0x410
_TEXT, _RDATA, _DATA, _BSS, _RELOC = 0x1000, 0x5000, 0x6000, 0x7000, 0x8000
_IMAGE_END = 0x9000
_IAT = _RDATA + 0x40
_BASE = 0x140000000
_RDATA_OFFSET = 0x4400
# Where things stand in .rdata.
EXPORTS, DELAY_IMPORTS, TLS, CALLBACKS, LOAD_CONFIG, GUARD = 0x100, 0x200, 0x2C0, 0x2F0, 0x300, 0x3A0
FUNCTIONS, UNWIND, RESOURCES, DEBUG, _RDATA_SIZE = 0x400, 0x420, 0x440, 0x500, 0x600


def minimal_pe() -> bytes:
    """The program; deterministic."""
    text, rdata, data, reloc = _text(), _rdata(), _data(), _relocations()
    sections = [
        (b".text", 0x4000, _TEXT, text, 0x60000020),
        (b".rdata", _RDATA_SIZE, _RDATA, rdata, 0x40000040),
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
        0x20B, 14, 0, 0x4000, 0xA00, 0x1000, ENTRY, _TEXT, _BASE, 0x1000, 0x200,
        6, 0, 0, 0, 6, 0, 0, _IMAGE_END, 0x400, 0, 3, 0x8160, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16,
    )  # fmt: skip
    directories = {
        0: (_RDATA + EXPORTS, 0xC0), 1: (_RDATA, 40), 2: (_RDATA + RESOURCES, 0x80), 3: (_RDATA + FUNCTIONS, 24),
        5: (_RELOC, relocations), 6: (_RDATA + DEBUG, 28), 9: (_RDATA + TLS, 40), 10: (_RDATA + LOAD_CONFIG, 148),
        12: (_IAT, 16), 13: (_RDATA + DELAY_IMPORTS, 64),
    }  # fmt: skip
    return fixed + b"".join(struct.pack("<II", *directories.get(index, (0, 0))) for index in range(16))


def _text() -> bytes:
    call = _IAT - (ENTRY + 15)  # relative to the instruction behind the call
    start = b"\x48\x83\xec\x28" + b"\xb9\x2a\0\0\0" + b"\xff\x15" + struct.pack("<i", call)
    return (b"\xc3" + b"\x90" * (ENTRY - _TEXT - 1) + start).ljust(0x4000, b"\xcc")


def _import_table() -> bytes:
    names = _RDATA + 0x60
    descriptors = struct.pack("<IIIII", _RDATA + 0x50, 0, 0, _RDATA + 0x80, _IAT).ljust(0x40, b"\0")
    thunks = struct.pack("<QQ", names, 0)
    return descriptors + thunks * 2 + b"\0\0ExitProcess\0".ljust(0x20, b"\0") + b"KERNEL32.dll\0"


def _rdata() -> bytes:
    rdata = bytearray(_RDATA_SIZE)
    for at, content in (
        (0, _import_table()),
        (EXPORTS, _exports()),
        (DELAY_IMPORTS, _delay_imports()),
        (TLS, struct.pack("<QQQQII", *(_BASE + _DATA + at for at in (0x40, 0x48, 0x50)), _va(CALLBACKS), 0, 0)),
        (CALLBACKS, struct.pack("<QQ", _BASE + _TEXT, 0)),
        (LOAD_CONFIG, struct.pack("<I84xQ32xQQI", 148, _BASE + _DATA + 0x58, _va(GUARD), 1, 0)),
        (GUARD, struct.pack("<I", ENTRY)),
        (FUNCTIONS, struct.pack("<6I", _TEXT, _TEXT + 16, _RDATA + UNWIND, ENTRY, ENTRY + 32, _RDATA + UNWIND)),
        (UNWIND, b"\1\0\0\0"),
        (RESOURCES, _resources()),
        (DEBUG, struct.pack("<IIHHIIII", 0, 0, 0, 0, 16, 4, _RDATA + 0x520, _RDATA_OFFSET + 0x520)),
        (0x520, b"once"),
    ):
        rdata[at : at + len(content)] = content
    return bytes(rdata)


def _va(at: int) -> int:
    return _BASE + _RDATA + at


def _exports() -> bytes:
    """`first` and `second` are code, `third` is another DLL's."""
    base = _RDATA + EXPORTS
    names = b"minimal.exe\0first\0second\0third\0NTDLL.RtlExitUserProcess\0"
    at = [base + 0x60 + names.index(name) for name in (b"minimal", b"first", b"second", b"third", b"NTDLL")]
    directory = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, at[0], 1, 3, 3, base + 0x30, base + 0x40, base + 0x50)
    functions, pointers = struct.pack("<III", _TEXT, ENTRY, at[4]), struct.pack("<III", *at[1:4])
    return (
        b"".join(
            part.ljust(size, b"\0")
            for part, size in ((directory, 0x30), (functions, 16), (pointers, 16), (struct.pack("<HHH", 0, 1, 2), 16))
        )
        + names
    )


def _delay_imports() -> bytes:
    base = _RDATA + DELAY_IMPORTS
    descriptor = struct.pack("<IIIIIIII", 1, base + 0xA0, _DATA + 0x10, _DATA + 0x20, base + 0x60, 0, 0, 0)
    names = struct.pack("<QQ", base + 0x80, 0).ljust(0x20, b"\0") + b"\0\0RegCloseKey\0".ljust(0x20, b"\0")
    return descriptor.ljust(0x60, b"\0") + names + b"ADVAPI32.dll\0"


def _resources() -> bytes:
    """A manifest (type 24), by the name `N`, in English."""
    levels = struct.pack("<12xHHII", 0, 1, 24, 0x80000018)
    levels += struct.pack("<12xHHII", 1, 0, 0x80000058, 0x80000030) + struct.pack("<12xHHII", 0, 1, 1033, 0x48)
    return (
        levels
        + struct.pack("<IIII", _RDATA + RESOURCES + 0x60, 0x20, 0, 0)
        + b"\1\0N\0".ljust(8)
        + b"<assembly/>".ljust(32)
    )


def _data() -> bytes:
    """A pointer to .bss, the delay import's handle and addresses, thread-local data, their index, a cookie."""
    data = struct.pack("<Q24xQ24xQQ", _BASE + _BSS, _BASE + _TEXT, 1, 0)
    return data.ljust(0x58, b"\0") + struct.pack("<Q", 0x2B992DDFA232)


def _relocations() -> bytes:
    rdata = [TLS, TLS + 8, TLS + 16, TLS + 24, CALLBACKS, LOAD_CONFIG + 88, LOAD_CONFIG + 128]
    blocks = (_RDATA, [*rdata]), (_DATA, [0, 0x20])
    entries = [(page, [*(0xA000 | at for at in places), *[0] * (len(places) % 2)]) for page, places in blocks]
    return b"".join(struct.pack(f"<II{len(e)}H", page, 8 + 2 * len(e), *e) for page, e in entries)


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
