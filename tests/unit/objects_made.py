"""Objects to be judged in tests, byte by byte: one for a linker of ELF, one for a linker of COFF, small or big."""

from __future__ import annotations

import struct

CODE = b"\xe8\0\0\0\0\xc3".ljust(16, b"\x90")  # call something; return
BIG_CLASS = bytes.fromhex("c7a1bad1eebaa94baf20faf66aa4dcb8")


def elf_object() -> bytes:
    """Code with one relocation, for a symbol that is defined elsewhere."""
    names = b"\0.text\0.rela.text\0.symtab\0.strtab\0.shstrtab\0"
    strings = b"\0here\0there\0"
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0, 6) + struct.pack("<IBBHQQ", 6, 0x10, 0, 0, 0, 0)
    relocation = struct.pack("<QQq", 1, 2 << 32 | 4, -4)
    parts = [CODE, relocation, symbols, strings, names]
    starts, at = [], 64
    for part in parts:
        starts.append(at)
        at += len(part) + -len(part) % 8
    kinds = ((1, 6, 0, 0, 0), (4, 64, 3, 1, 24), (2, 0, 4, 1, 24), (3, 0, 0, 0, 0), (3, 0, 0, 0, 0))
    headers = bytes(64)
    for name, (kind, flags, link, info, size), start, part in zip(
        (b".text", b".rela.text", b".symtab", b".strtab", b".shstrtab"), kinds, starts, parts, strict=True
    ):
        place = names.index(name + b"\0") if name != b".text" else 1
        headers += struct.pack("<IIQQQQIIQQ", place, kind, flags, 0, start, len(part), link, info, 8, size)
    ident = b"\x7fELF\2\1\1".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 1, 62, 1, 0, 0, at, 0, 64, 0, 0, 64, len(kinds) + 1, 5)
    return header + b"".join(part + bytes(-len(part) % 8) for part in parts) + headers


def coff_object(*, big: bool = False, machine: int = 0x8664) -> bytes:
    """The same for Windows."""
    head = 56 if big else 20
    data = head + 40
    relocations = data + len(CODE)
    symbols_at = relocations + 10
    layout = "<8sIiHBB" if big else "<8sIhHBB"
    strings = struct.pack("<I", 4 + 17) + b"a_name_of_sixteen"
    symbols = struct.pack(layout, b"here", 0, 1, 0x20, 2, 0) + struct.pack(layout, b"\0\0\0\0\4", 0, 0, 0x20, 2, 0)
    if big:
        header = struct.pack("<HHHHI16s4I3I", 0, 0xFFFF, 2, machine, 0, BIG_CLASS, 0, 0, 0, 0, 1, symbols_at, 2)
    else:
        header = struct.pack("<HHIIIHH", machine, 1, 0, symbols_at, 2, 0, 0)
    section = struct.pack("<8sIIIIIIHHI", b".text", 0, 0, len(CODE), data, relocations, 0, 1, 0, 0x60500020)
    return header + section + CODE + struct.pack("<IIH", 1, 1, 4) + symbols + strings
