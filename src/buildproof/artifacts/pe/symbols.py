"""COFF symbols and strings: what a debugger reads. GNU ld writes them last, so that they tell of a cut."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.coff.symbols import SymbolTable, symbol_problems, table_problems
from buildproof.artifacts.pe.image import PeImage
from buildproof.artifacts.rule import CUT, REBUILD, Problem, Rule


def _table(image: PeImage) -> SymbolTable:
    return SymbolTable(
        reader=image.reader,
        start=image.coff.pointer_to_symbol_table,
        count=image.coff.number_of_symbols,
        sections=len(image.sections),
    )


def symbols_end(image: PeImage) -> int:
    """File offset behind the string table; 0 where there are no symbols."""
    return _table(image).end if image.coff.pointer_to_symbol_table else 0


def _no_symbols(image: PeImage) -> str | None:
    return None if image.coff.pointer_to_symbol_table else "the image has no COFF symbol table"


def _symbol_table(image: PeImage) -> Iterator[Problem]:
    return table_problems(_table(image))


def _symbols(image: PeImage) -> Iterator[Problem]:
    return symbol_problems(_table(image))


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
