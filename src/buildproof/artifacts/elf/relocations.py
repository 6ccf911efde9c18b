"""Dynamic relocations: what ld.so writes into the program before it starts."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from buildproof.artifacts.elf.dynamic import no_dynamic
from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import CLASS_32, DynamicTag
from buildproof.artifacts.elf.symbols import symbol_count
from buildproof.artifacts.reader import U32, U64, first_outside
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.targets import Machine

_NONE = 0
_RELATIVE = {Machine.X86_64: 8, Machine.I686: 8, Machine.AARCH64: 1027}
# Types that glibc's elf_machine_rela() knows; with any other it ends the program ("unexpected reloc type").
_TYPES = {
    Machine.X86_64: frozenset({0, 1, 2, 5, 6, 7, 8, 10, 16, 17, 18, 32, 33, 36, 37, 38}),
    Machine.I686: frozenset({0, 1, 2, 5, 6, 7, 8, 14, 35, 36, 37, 38, 41, 42}),
    Machine.AARCH64: frozenset({0, 257, 258, *range(1024, 1033)}),
}
_DF_TEXTREL = 4
_MOST = 1 << 21  # the first relocations of a table that are looked at: the largest browsers have a million


class _Table(NamedTuple):
    """One table, column by column: no object is made for each relocation."""

    tag: DynamicTag
    offset: int
    entry: int  # bytes
    targets: array[int]
    types: array[int]
    symbols: array[int]


def _tables(image: ElfImage) -> Iterator[_Table]:
    plt_has_addends = image.tags.get(DynamicTag.PLTREL) == DynamicTag.RELA
    for tag, length, addends in (
        (DynamicTag.RELA, DynamicTag.RELASZ, True),
        (DynamicTag.REL, DynamicTag.RELSZ, False),
        (DynamicTag.JMPREL, DynamicTag.PLTRELSZ, plt_has_addends),
    ):
        size = image.tags.get(length, 0)
        if tag in image.tags and size:
            yield _columns(image, tag, size, addends=addends)


def _columns(image: ElfImage, tag: DynamicTag, size: int, *, addends: bool) -> _Table:
    entry = image.word * (3 if addends else 2)
    count, what = size // entry, f"the relocation table (DT_{tag.name})"
    at = image.backed(image.tags[tag], count * entry, what)
    count = min(count, _MOST)
    if image.ident[4] == CLASS_32:
        words = image.reader.words(U32, at, count * entry // 4, what)
        infos = words[1 :: entry // 4]
        types = array(U32, [info & 0xFF for info in infos])
        return _Table(tag, at, entry, words[0 :: entry // 4], types, array(U32, [info >> 8 for info in infos]))
    halves = image.reader.words(U32, at, count * entry // 4, what)
    wide = image.reader.words(U64, at, count * entry // 8, what)
    return _Table(tag, at, entry, wide[0 :: entry // 8], halves[2 :: entry // 4], halves[3 :: entry // 4])


def _relocations(image: ElfImage) -> Iterator[Problem]:
    symbols = symbol_count(image)
    text = DynamicTag.TEXTREL in image.tags or image.tags.get(DynamicTag.FLAGS, 0) & _DF_TEXTREL
    spans = image.spans(writable=not text)
    for table in _tables(image):
        kinds = set(table.types)
        if unknown := kinds - _TYPES[image.target.machine]:
            index = table.types.index(min(unknown))
            yield _problem(table, index, f"has the type {min(unknown)}, which ld.so does not know", "a dynamic type")
            continue
        highest = max(table.symbols)
        if highest >= max(symbols, 1):
            index = table.symbols.index(highest)
            yield _problem(table, index, f"asks for symbol {highest} of {symbols}", f"below {symbols}")
        # A linker leaves empty relocations where it had reckoned with more; ld.so passes over them.
        targets = table.targets
        if _NONE in kinds:
            targets = array(targets.typecode, [at for at, kind in zip(targets, table.types, strict=True) if kind])
        outside = first_outside(targets, spans)
        if outside is not None:
            index = table.targets.index(outside)
            where = "where nothing is mapped" if text else "where no writable segment is"
            yield _problem(table, index, f"writes to {outside:#x}, {where}", "an address in a writable segment")
    yield from _relative_first(image)
    yield from _packed(image)


def _relative_first(image: ElfImage) -> Iterator[Problem]:
    """ld.so applies the first DT_RELACOUNT relocations as relative ones, whatever type they have."""
    for tag, counter in ((DynamicTag.RELA, DynamicTag.RELACOUNT), (DynamicTag.REL, DynamicTag.RELCOUNT)):
        count = image.tags.get(counter, 0)
        table = next((table for table in _tables(image) if table.tag == tag), None)
        if not count or table is None:
            continue
        types = table.types[:count]
        relative = _RELATIVE[image.target.machine]
        if len(types) < min(count, _MOST) or set(types) != {relative}:
            index = next((index for index, kind in enumerate(types) if kind != relative), len(types))
            yield _problem(
                table, index, f"ought to be relative, because DT_{counter.name} is {count}", f"type {relative}"
            )


def _problem(table: _Table, index: int, trouble: str, expected: str) -> Problem:
    kind = table.types[index] if index < len(table.types) else None
    return Problem(
        message=f"relocation {index} of DT_{table.tag.name} {trouble}",
        offset=table.offset + index * table.entry,
        expected=expected,
        actual="no such relocation" if kind is None else f"type {kind} at {table.targets[index]:#x}",
    )


def _packed(image: ElfImage) -> Iterator[Problem]:
    size = image.tags.get(DynamicTag.RELRSZ, 0)
    if DynamicTag.RELR not in image.tags or not size:
        return
    what = "the table of packed relocations (DT_RELR)"
    at = image.backed(image.tags[DynamicTag.RELR], size, what)
    entries = image.reader.words(U64 if image.word == 8 else U32, at, size // image.word, what)
    # Odd entries are bitmaps for the words behind the last address.
    if entries[0] & 1:
        yield Problem(
            message="the table of packed relocations begins with a bitmap, and no address",
            offset=at,
            expected="an even number",
            actual=f"{entries[0]:#x}",
        )
    outside = first_outside((entry for entry in entries if not entry & 1), image.spans(writable=True))
    if outside is not None:
        yield Problem(
            message=f"a packed relocation writes to {outside:#x}, where no writable segment is",
            offset=at + entries.index(outside) * image.word,
            expected="an address in a writable segment",
            actual=f"{outside:#x}",
        )


def _no_relocations(image: ElfImage) -> str | None:
    if no_dynamic(image):
        return no_dynamic(image)
    known = {DynamicTag.RELA, DynamicTag.REL, DynamicTag.JMPREL, DynamicTag.RELR} & image.tags.keys()
    return None if known else "the file has no dynamic relocations"


RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-relocations",
        title="every dynamic relocation has a type that ld.so knows, a symbol that exists and a place that is writable",
        source='System V gABI, ch. 4 "Relocation", and the psABI of the processor; glibc, sysdeps/*/dl-machine.h',
        mend=REBUILD,
        judge=_relocations,
        applies=_no_relocations,
        needs=("elf-dynamic-tables", "elf-symbols"),
    ),
)
