"""PE: the executables of Windows."""

from buildproof.artifacts.pe import (
    dependencies,
    directories,
    entry,
    exports,
    hardening,
    headers,
    imports,
    opinion,
    relocations,
    remainder,
    resources,
    sections,
    startup,
    symbols,
    unwind,
)
from buildproof.artifacts.pe.image import PeImage
from buildproof.artifacts.rule import Rule

_OWN: tuple[Rule[PeImage], ...] = (
    *headers.RULES,
    *sections.RULES,
    *entry.RULES,
    *directories.RULES,
    *imports.RULES,
    *exports.RULES,
    *relocations.RULES,
    *unwind.RULES,
    *startup.RULES,
    *resources.RULES,
    *symbols.RULES,
    *remainder.RULES,
)
_STRUCTURE = tuple(rule.id for rule in _OWN)
RULES: tuple[Rule[PeImage], ...] = (
    *_OWN,
    remainder.checksum_rule(needs=_STRUCTURE),
    *dependencies.RULES,
    *hardening.RULES,
    *opinion.rules(needs=(*_STRUCTURE, remainder.CHECKSUM_ID)),
)

__all__ = ["RULES", "PeImage"]
