"""Static libraries, `.a` and `.lib`: ar archives of objects. ar(5) of FreeBSD; Microsoft PE format, "Archive (Library)
File Format"."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from buildproof.bundles.ar import Entry, ar_members
from buildproof.bundles.member import BrokenError, Member, NotOpenedError, told
from buildproof.bundles.streams import Window

_THIN = b"!<thin>\n"
_INDEX, _WIDE_INDEX, _LONG_NAMES = "/", "/SYM64/", "//"
_OTHER_TABLES = ("/<ECSYMBOLS>/", "/<XFGHASHMAP>/", "/<HYBRIDMAP>/", "__.SYMDEF", "__.SYMDEF SORTED")
_MOST_NAMES = 64 << 20  # bytes
# Import Library Format: two signatures, version, machine, date, bytes of the names, ordinal, type.
_SHORT_IMPORT = struct.Struct("<HHHHIIHH")


def library_members(path: Path) -> Iterator[Member]:
    """The objects of a static library; what an import library has in place of objects is no regular member.

    Raises BrokenError where it is damaged, and where its index of symbols leads to no member.
    """
    with told(), path.open("rb") as file:
        if file.read(len(_THIN)) == _THIN:
            raise NotOpenedError("a thin archive, whose objects are files of their own")
        entries = list(ar_members(file, "a static library"))
        _check_index(file, entries)
        long_names = next((_content(file, entry) for entry in entries if entry.name == _LONG_NAMES), b"")
        seen: Counter[str] = Counter()
        for entry in entries:
            if entry.name in (_INDEX, _WIDE_INDEX, _LONG_NAMES, *_OTHER_TABLES):
                continue
            name = _name(entry, long_names)
            seen[name] += 1
            yield Member(
                name=name if seen[name] == 1 else f"{name}#{seen[name]}",
                size=entry.size,
                regular=not _is_import(file, entry),
                link=None,
                special=False,
                open=partial(Window, file, entry.start, entry.size),
            )


def _content(file: IO[bytes], entry: Entry) -> bytes:
    if entry.size > _MOST_NAMES:
        raise BrokenError(f"the table {entry.name} has {entry.size} bytes")
    return Window(file, entry.start, entry.size).read()


def _name(entry: Entry, long_names: bytes) -> str:
    """GNU's and Microsoft's way: `name/`, or `/12` for an offset into the table of long names."""
    if not entry.name.startswith("/"):
        return entry.name.removesuffix("/")
    digits = entry.name[1:]
    if not digits.isdigit() or int(digits) >= len(long_names):
        raise BrokenError(f"a member's name is {entry.name}, and the table of names has {len(long_names)} bytes")
    name = long_names[int(digits) :]
    return (
        name[: min(at for at in (name.find(b"\n"), name.find(b"\0"), len(name)) if at >= 0)]
        .decode("utf-8", "replace")
        .removesuffix("/")
    )


def _check_index(file: IO[bytes], entries: list[Entry]) -> None:
    """The first table of symbols, which ranlib and lib.exe write alike: a number, so many offsets, the names."""
    first = entries[0] if entries else None
    if first is None or first.name not in (_INDEX, _WIDE_INDEX):
        return
    width = 8 if first.name == _WIDE_INDEX else 4
    table = _content(file, first)
    count = int.from_bytes(table[:width], "big")
    if (count + 1) * width > len(table):
        raise BrokenError(f"the index of symbols announces {count} of them in {len(table)} bytes")
    members = {entry.header for entry in entries}
    for at in range(width, (count + 1) * width, width):
        offset = int.from_bytes(table[at : at + width], "big")
        if offset not in members:
            raise BrokenError(f"the index of symbols leads to {offset:#x}, where no member is: run ranlib")


def _is_import(file: IO[bytes], entry: Entry) -> bool:
    """Whether this says from which DLL a symbol comes, and has no code. Raises BrokenError where it is cut."""
    if entry.size < _SHORT_IMPORT.size:
        return False
    head = Window(file, entry.start, _SHORT_IMPORT.size).read()
    first, second, version, _, _, size, _, _ = _SHORT_IMPORT.unpack(head)
    if (first, second, version) != (0, 0xFFFF, 0):
        return False
    if size != entry.size - _SHORT_IMPORT.size:
        raise BrokenError(f"an import has names of {size} bytes, of which {entry.size - _SHORT_IMPORT.size} are there")
    return True
