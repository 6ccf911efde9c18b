"""What a PE file offers to others: the export table."""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from buildproof.artifacts.pe.image import EXPORT, PeImage
from buildproof.artifacts.reader import U16, U32, MisplacedError, first_outside
from buildproof.artifacts.rule import REBUILD, Problem, Rule

_DIRECTORY = struct.Struct("<IIHHIIIIIII")
_MOST = 65536  # ordinals have 16 bits
_MOST_BYTES = 16 << 20  # of all names together


@dataclass(frozen=True, kw_only=True)
class Exports:
    """The export table: names in the file's order, the functions' addresses by ordinal, forwarders among them."""

    offset: int
    dll: str
    base: int
    names: tuple[str, ...]
    ordinals: tuple[int, ...]  # index into `functions` for each name
    functions: tuple[int, ...]
    forwarded: tuple[str, ...]  # `NTDLL.RtlAllocateHeap`: found in another DLL


def exports(image: PeImage) -> Exports | None:
    """None where there is no export table. Raises OutOfFileError and MisplacedError where it is damaged."""
    entry = image.directory(EXPORT)
    if entry is None:
        return None
    at = image.backed(entry.rva, _DIRECTORY.size, "the export directory table")
    fields = _DIRECTORY.unpack(image.reader.read(at, _DIRECTORY.size, "the export directory table"))
    name, base, count, named, functions_rva, names_rva, ordinals_rva = fields[4:]
    functions: list[int] = []
    names: list[str] = []
    ordinals: list[int] = []
    # More than there can be is the rule's to report; nothing of it is read.
    if count and count <= _MOST:
        start = image.backed(functions_rva, 4 * count, "the export address table")
        functions = image.reader.words(U32, start, count, "the export address table").tolist()
    if named and named <= _MOST:
        start = image.backed(names_rva, 4 * named, "the export name pointer table")
        pointers = image.reader.words(U32, start, named, "the export name pointer table")
        names = list(_names(image, pointers))
        start = image.backed(ordinals_rva, 2 * named, "the export ordinal table")
        ordinals = image.reader.words(U16, start, named, "the export ordinal table").tolist()
    inside = range(entry.rva, entry.rva + entry.size)
    return Exports(
        offset=at,
        dll=image.name_at(name, "the DLL's own name in the export directory table"),
        base=base,
        names=tuple(names),
        ordinals=tuple(ordinals),
        functions=tuple(functions),
        forwarded=tuple(_names(image, (rva for rva in functions if rva in inside))),
    )


def _names(image: PeImage, pointers: Iterable[int]) -> Iterator[str]:
    room = _MOST_BYTES
    for index, pointer in enumerate(pointers):
        name = image.name_at(pointer, f"the name of export {index}")
        room -= len(name)
        if room < 0:
            raise MisplacedError("the export name table", pointer, len(name), "with endless names")
        yield name


def _counts(image: PeImage, entry_rva: int) -> tuple[int, int]:
    at = image.backed(entry_rva, _DIRECTORY.size, "the export directory table")
    fields = _DIRECTORY.unpack(image.reader.read(at, _DIRECTORY.size, "the export directory table"))
    return fields[6], fields[7]


def _exports(image: PeImage) -> Iterator[Problem]:
    entry, table = image.directory(EXPORT), exports(image)
    if entry is None or table is None:
        return
    count, named = _counts(image, entry.rva)
    if count > _MOST or named > _MOST:
        yield Problem(
            message=f"the export table announces {count} functions and {named} names",
            offset=table.offset + 20,
            expected=f"up to {_MOST}",
            actual=f"{count} and {named}",
        )
        return
    if table.ordinals and max(table.ordinals) >= count:
        yield Problem(
            message=f"an exported name stands for function {max(table.ordinals)}, but there are only {count}",
            offset=table.offset + 36,
            expected=f"below {count}",
            actual=str(max(table.ordinals)),
        )
    raw = [name.encode() for name in table.names]
    if not all(map(operator.le, raw, raw[1:])):
        wrong = next(index for index in range(1, len(raw)) if raw[index - 1] > raw[index])
        yield Problem(
            message=f"the exported names are not sorted: {table.names[wrong]!r} comes after "
            f"{table.names[wrong - 1]!r}, so that Windows, which searches by halves, would not find them",
            offset=table.offset + 32,
            expected="names in ascending order",
            actual=table.names[wrong],
        )
    outside = first_outside((rva for rva in table.functions if rva), image.spans())
    if outside is not None:
        yield Problem(
            message=f"an export stands at {outside:#x}, where no section is",
            offset=table.offset + 28,
            expected="an address in a section",
            actual=f"{outside:#x}",
        )
    for name in table.forwarded:
        if "." not in name:
            yield Problem(
                message=f"the forwarded export {name!r} names no DLL",
                offset=table.offset,
                expected="DLL.name",
                actual=name,
            )


def _no_exports(image: PeImage) -> str | None:
    return None if image.directory(EXPORT) else "the image exports nothing"


RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-exports",
        title="the export table can be walked: names are sorted, and everything lies in a section",
        source='Microsoft PE format, "The .edata Section (Image Only)"',
        mend=REBUILD,
        judge=_exports,
        applies=_no_exports,
        needs=("pe-directory-data",),
    ),
)
