"""ELF: the executables of Linux."""

from buildproof.artifacts.elf import (
    dependencies,
    dynamic,
    entry,
    hardening,
    headers,
    opinion,
    places,
    program,
    relocations,
    sections,
    segments,
    symbols,
    versions,
)
from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.rule import Rule

_OWN: tuple[Rule[ElfImage], ...] = (
    *headers.RULES,
    *segments.RULES,
    *sections.RULES,
    *program.RULES,
    *entry.RULES,
    *dynamic.RULES,
    *symbols.RULES,
    *versions.RULES,
    *relocations.RULES,
    *places.RULES,
)
RULES: tuple[Rule[ElfImage], ...] = (
    *_OWN,
    *dependencies.RULES,
    *hardening.RULES,
    *opinion.rules(needs=tuple(rule.id for rule in _OWN)),
)

__all__ = ["RULES", "ElfImage"]
