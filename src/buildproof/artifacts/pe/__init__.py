"""PE: the executables of Windows."""

from buildproof.artifacts.pe import directories, entry, headers, opinion, sections
from buildproof.artifacts.pe.image import PeImage
from buildproof.artifacts.rule import Rule

_OWN: tuple[Rule[PeImage], ...] = headers.RULES + sections.RULES + entry.RULES + directories.RULES
RULES: tuple[Rule[PeImage], ...] = (*_OWN, *opinion.rules(needs=tuple(rule.id for rule in _OWN)))

__all__ = ["RULES", "PeImage"]
