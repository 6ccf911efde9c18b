"""ELF: the executables of Linux."""

from buildproof.artifacts.elf import entry, headers, opinion, program, sections, segments
from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.rule import Rule

_OWN: tuple[Rule[ElfImage], ...] = headers.RULES + segments.RULES + sections.RULES + program.RULES + entry.RULES
RULES: tuple[Rule[ElfImage], ...] = (*_OWN, *opinion.rules(needs=tuple(rule.id for rule in _OWN)))

__all__ = ["RULES", "ElfImage"]
