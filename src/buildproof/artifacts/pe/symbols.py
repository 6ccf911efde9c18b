"""COFF symbols and strings: what a debugger reads. GNU ld writes them last, so that they tell of a cut."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from buildproof.artifacts.pe.image import PeImage
from buildproof.artifacts.rule import CUT, REBUILD, Problem, Rule

_SYMBOL = struct.Struct("<IIIhHBB")  # the name's halves, value, section, type, storage class, number of aux records
_U32 = struct.Struct("<I")
_FILE = 103  # IMAGE_SYM_CLASS_FILE
_LOWEST_SECTION = -2  # IMAGE_SYM_DEBUG


def symbols_end(image: PeImage) -> int:
    """File offset behind the string table; 0 where there are no symbols."""
    start = image.coff.pointer_to_symbol_table
    if not start:
        return 0
    strings = start + image.coff.number_of_symbols * _SYMBOL.size
    return strings + max(int(image.reader.unpack(_U32, strings, "the COFF string table")[0]), _U32.size)


def _no_symbols(image: PeImage) -> str | None:
    return None if image.coff.pointer_to_symbol_table else "the image has no COFF symbol table"


def _symbol_table(image: PeImage) -> Iterator[Problem]:
    start = image.coff.pointer_to_symbol_table
    strings = start + image.coff.number_of_symbols * _SYMBOL.size
    image.reader.require(start, strings - start, f"the COFF symbol table ({image.coff.number_of_symbols} symbols)")
    size = image.reader.unpack(_U32, strings, "the COFF string table")[0]
    if size < _U32.size:
        yield Problem(
            message=f"the COFF string table at {strings:#x} gives its own size as {size}",
            offset=strings,
            expected="at least 4",
            actual=str(size),
        )
    else:
        image.reader.require(strings, size, "the COFF string table")


def _symbols(image: PeImage) -> Iterator[Problem]:
    start, count = image.coff.pointer_to_symbol_table, image.coff.number_of_symbols
    table = image.reader.read(start, count * _SYMBOL.size, "the COFF symbol table")
    strings = image.reader.unpack(_U32, start + len(table), "the COFF string table")[0]
    sections = len(image.sections)
    auxiliary = 0
    for index, (first, second, _, section, _, _, following) in enumerate(_SYMBOL.iter_unpack(table)):
        if auxiliary:
            auxiliary -= 1
            continue
        auxiliary = following
        if not first and second >= strings and second:
            trouble, expected, actual = "has its name behind the end of the string table", f"below {strings}", second
        elif not _LOWEST_SECTION <= section <= sections:
            trouble, expected, actual = f"stands in section {section}", f"{_LOWEST_SECTION} to {sections}", section
        else:
            continue
        yield Problem(
            message=f"COFF symbol {index} of {count} {trouble}",
            offset=start + index * _SYMBOL.size,
            expected=expected,
            actual=str(actual),
        )
        return
    if auxiliary:
        yield Problem(
            message=f"the last of the {count} COFF symbols announces {auxiliary} more records than there are",
            offset=start + len(table),
            expected="records inside the symbol table",
            actual=f"{auxiliary} too many",
        )


_SPEC = 'Microsoft PE format, "COFF Symbol Table" and "COFF String Table"'
RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-symbol-table",
        title="the COFF symbol and string tables lie inside the file",
        source=_SPEC,
        mend=CUT,
        judge=_symbol_table,
        applies=_no_symbols,
        needs=("pe-section-data",),
    ),
    Rule(
        id="pe-symbols",
        title="every COFF symbol has a name in the string table and a section that exists",
        source=_SPEC,
        mend=REBUILD,
        judge=_symbols,
        applies=_no_symbols,
        needs=("pe-symbol-table",),
    ),
)
