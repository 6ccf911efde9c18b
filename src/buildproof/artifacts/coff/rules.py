"""Rules for COFF objects: every table that a linker reads lies inside the file and leads to what exists."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from buildproof.artifacts.coff.image import BIG_CLASS, CoffObject
from buildproof.artifacts.coff.symbols import symbol_problems, table_problems
from buildproof.artifacts.reader import span
from buildproof.artifacts.rule import CUT, REBUILD, Problem, Rule
from buildproof.targets import Format, Machine

_RELOCATION = struct.Struct("<IIH")
_MOST_SECTIONS = 1 << 20


def _header(image: CoffObject) -> Iterator[Problem]:
    header = image.header
    if header.big and image.class_id != BIG_CLASS:
        yield Problem(
            message="the object is an anonymous one of a kind that is not read here, such as that of MSVC's /GL",
            offset=12,
            expected=BIG_CLASS.hex(),
            actual=image.class_id.hex(),
            mend="Compile without /GL (link-time code generation): its objects are no machine code yet.",
        )
    if header.optional:
        yield Problem(
            message=f"the object has an optional header of {header.optional} bytes, which only images have",
            offset=16,
            expected="0",
            actual=str(header.optional),
        )


def _machine(image: CoffObject) -> Iterator[Problem]:
    expected, found = image.expected.target.machine, image.header.machine
    if found != expected.coff:
        actual = Machine.numbered(Format.PE, found) or "another machine"
        yield Problem(
            message=f"the object is for {actual}, not for {expected}",
            offset=6 if image.header.big else 0,
            expected=f"{expected.coff:#x} ({expected})",
            actual=f"{found:#x} ({actual})",
        )


def _sections(image: CoffObject) -> Iterator[Problem]:
    if image.header.sections > _MOST_SECTIONS:
        yield Problem(
            message=f"the object announces {image.header.sections} sections",
            expected=f"up to {_MOST_SECTIONS}",
            actual=str(image.header.sections),
        )
        return
    for section in image.sections:
        end = section.data + section.file_size
        if section.file_size and end > image.reader.size:
            yield Problem(
                message=f"{section} ends at {end:#x}, but the file has only {image.reader.size} bytes",
                offset=section.offset,
                expected=f"{span(section.data, end)} inside the file",
                actual=f"{image.reader.size} bytes",
            )


def _no_symbols(image: CoffObject) -> str | None:
    return None if image.header.symbols_at else "the object has no symbol table"


def _symbol_table(image: CoffObject) -> Iterator[Problem]:
    return table_problems(image.symbols)


def _symbols(image: CoffObject) -> Iterator[Problem]:
    return symbol_problems(image.symbols)


def _relocations(image: CoffObject) -> Iterator[Problem]:
    total = 0
    for section in image.sections:
        found = image.relocations(section)
        total += len(found)
        if total > image.reader.size:
            yield Problem(
                message=f"the relocations have {total} bytes, more than the file: they overlap",
                offset=section.offset,
                expected=f"up to {image.reader.size}",
                actual=str(total),
            )
            return
        for number, (address, symbol, _) in enumerate(_RELOCATION.iter_unpack(found)):
            if symbol >= image.header.symbols or address >= max(section.size, 1):
                yield Problem(
                    message=f"relocation {number} of {section} is for byte {address:#x} of {section.size:#x} and "
                    f"symbol {symbol} of {image.header.symbols}",
                    offset=section.relocations_at + number * _RELOCATION.size,
                    expected=f"below {section.size:#x} and {image.header.symbols}",
                    actual=f"{address:#x} and {symbol}",
                )
                break


def _code(image: CoffObject) -> Iterator[Problem]:
    for section in image.sections:
        end = section.data + section.file_size
        if section.executable and section.file_size and image.content.zero_pages(section.data, end):
            yield Problem(
                message=f"{section} holds code, and has a page of zeros between {span(section.data, end)}",
                offset=section.data,
                expected="no whole page of zeros in code",
                actual="zeros",
            )


_SPEC = "Microsoft PE format, "
RULES: tuple[Rule[CoffObject], ...] = (
    Rule(
        id="coff-header",
        title="the COFF header is that of an object",
        source=_SPEC + '"COFF File Header (Object and Image)"; winnt.h, ANON_OBJECT_HEADER_BIGOBJ',
        mend=REBUILD,
        judge=_header,
    ),
    Rule(
        id="coff-machine",
        title="the object is for the target's machine",
        source=_SPEC + '"Machine Types"',
        mend="Look at the target triple that the build was given, and whether the artifact's path is another build's.",
        judge=_machine,
        needs=("coff-header",),
    ),
    Rule(
        id="coff-section-data",
        title="the section table and the bytes of every section lie inside the file",
        source=_SPEC + '"Section Table (Section Headers)"',
        mend=CUT,
        judge=_sections,
        needs=("coff-machine",),
    ),
    Rule(
        id="coff-symbol-table",
        title="the symbol and string tables lie inside the file",
        source=_SPEC + '"COFF Symbol Table" and "COFF String Table"',
        mend=CUT,
        judge=_symbol_table,
        applies=_no_symbols,
        needs=("coff-section-data",),
    ),
    Rule(
        id="coff-symbols",
        title="every symbol has a name in the string table and a section that exists",
        source=_SPEC + '"COFF Symbol Table"',
        mend=REBUILD,
        judge=_symbols,
        applies=_no_symbols,
        needs=("coff-symbol-table",),
    ),
    Rule(
        id="coff-relocations",
        title="every relocation is for a byte and a symbol that exist",
        source=_SPEC + '"COFF Relocations (Object Only)"',
        mend=REBUILD,
        judge=_relocations,
        needs=("coff-symbol-table",),
    ),
    Rule(
        id="coff-code",
        title="no section of code has a page of zeros",
        source="buildproof, measured on the objects of mingw-w64",
        mend=REBUILD,
        judge=_code,
        needs=("coff-section-data",),
    ),
)
