"""Relocatable objects, `.o`: what a linker reads of them. There are no segments, so sections are all that there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from buildproof.artifacts.elf import entry, headers, places, sections, symbols
from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import ObjectType, Section, SectionType
from buildproof.artifacts.elf.symbols import symbol_size
from buildproof.artifacts.reader import U16, U32, U64
from buildproof.artifacts.rule import REBUILD, Problem, Rule

_RESERVED = 0xFF00  # SHN_LORESERVE: from here on section numbers mean something else
_RELOCATIONS = {SectionType.REL: False, SectionType.RELA: True}  # with addends?


def _type(image: ElfImage) -> Iterator[Problem]:
    if image.header.type != ObjectType.REL:
        yield Problem(
            message="the file is no relocatable object",
            offset=16,
            expected="1 (ET_REL)",
            actual=str(image.header.type),
            mend="Look at the artifact's path, and whether -c is among the options that made it.",
        )
    elif not image.header.shoff:
        yield Problem(
            message="the object has no section header table, which is all that a linker knows it by",
            offset=40 if image.word == 8 else 32,
            expected="the table's place in the file",
            actual="0",
        )


def _symbols(image: ElfImage) -> Iterator[Problem]:
    size, count = symbol_size(image), len(image.sections)
    for section in image.sections:
        if section.type != SectionType.SYMTAB:
            continue
        if section.info > section.size // size:
            yield Problem(
                message=f"{section} has {section.size // size} symbols, of which {section.info} are local",
                offset=section.position,
                expected=f"up to {section.size // size}",
                actual=str(section.info),
            )
        words = image.reader.words(U16, section.offset, section.size // 2, "the symbol table")
        # st_shndx stands at 6 in ELF64 and at 14 in ELF32.
        places_of = words[(3 if size == 24 else 7) :: size // 2]
        wrong = next((n for n, place in enumerate(places_of) if count <= place < _RESERVED), None)
        if wrong is not None:
            yield Problem(
                message=f"symbol {wrong} stands in section {places_of[wrong]}, and the file has {count}",
                offset=section.offset + wrong * size,
                expected=f"below {count}",
                actual=str(places_of[wrong]),
            )


def _relocations(image: ElfImage) -> Iterator[Problem]:
    for section in image.sections:
        if section.type not in _RELOCATIONS or not section.size:
            continue
        entry_size = image.word * (3 if _RELOCATIONS[SectionType(section.type)] else 2)
        table = image.sections[section.link] if section.link < len(image.sections) else None
        target = image.sections[section.info] if 0 < section.info < len(image.sections) else None
        if table is None or table.type != SectionType.SYMTAB or target is None or section.size % entry_size:
            yield Problem(
                message=f"the relocations in {section} are for section {section.info}, with the symbols of section "
                f"{section.link}, and have {section.size} bytes",
                offset=section.position,
                expected=f"sections that exist, the second a symbol table, and a multiple of {entry_size}",
                actual=f"{section.info}, {section.link} and {section.size}",
            )
        else:
            yield from _table(image, section, entry_size, table, target)


def _table(image: ElfImage, section: Section, entry_size: int, table: Section, target: Section) -> Iterator[Problem]:
    what = f"the relocations in {section}"
    code = U64 if image.word == 8 else U32
    words = image.reader.words(code, section.offset, section.size // image.word, what)
    step = entry_size // image.word
    offsets, infos = words[0::step], words[1::step]
    shift = 32 if image.word == 8 else 8
    symbols_there = table.size // symbol_size(image)
    for values, limit, unit, words_for in (
        (offsets, target.size, 1, f"byte {{:#x}} of {target}, which has {target.size:#x}"),
        (infos, symbols_there, 1 << shift, f"symbol {{}} of {symbols_there}"),
    ):
        if max(values) // unit >= limit:
            number = next(n for n, value in enumerate(values) if value // unit >= limit)
            yield Problem(
                message=f"relocation {number} in {section} is for " + words_for.format(values[number] // unit),
                offset=section.offset + number * entry_size,
                expected=f"below {limit:#x}",
                actual=f"{values[number] // unit:#x}",
            )


def _of(rules: tuple[Rule[ElfImage], ...], *ids: str) -> tuple[Rule[ElfImage], ...]:
    return tuple(rule for rule in rules if rule.id in ids)


def _on(need: str, rules: tuple[Rule[ElfImage], ...]) -> Iterator[Rule[ElfImage]]:
    return (replace(rule, needs=(need,)) for rule in rules)


OWN: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-object-type",
        title="the file is a relocatable object",
        source='System V gABI, ch. 4 "ELF Header": ET_REL',
        mend=REBUILD,
        judge=_type,
        needs=("elf-class",),
    ),
    Rule(
        id="elf-object-symbols",
        title="every symbol of an object stands in a section that exists",
        source='System V gABI, ch. 4 "Symbol Table": st_shndx, sh_info',
        mend=REBUILD,
        judge=_symbols,
        needs=("elf-section-symbols", "elf-section-overlap"),
    ),
    Rule(
        id="elf-object-relocations",
        title="every relocation of an object is for a byte and a symbol that exist",
        source='System V gABI, ch. 4 "Relocation"',
        mend=REBUILD,
        judge=_relocations,
        needs=("elf-section-symbols", "elf-section-overlap"),
    ),
)
RULES: tuple[Rule[ElfImage], ...] = (
    *_of(headers.RULES, "elf-header", "elf-data", "elf-machine", "elf-class", "elf-version"),
    *OWN[:1],
    # There are no segments that these could rest on.
    *_on("elf-object-type", _of(sections.RULES, "elf-section-table")),
    *_of(sections.RULES, "elf-section-data", "elf-holes"),
    *_on("elf-section-data", _of(places.RULES, "elf-section-overlap")),
    *_of(symbols.RULES, "elf-section-symbols"),
    *OWN[1:],
    *_of(entry.RULES, "elf-code"),
)
