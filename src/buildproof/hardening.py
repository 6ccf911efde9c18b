"""What a project may ask of its artifacts beyond being whole: how hard to attack, and how bare."""

from __future__ import annotations

from enum import StrEnum


class Hardening(StrEnum):
    """How much a project asks for; each level has all of those before it. docs/rules.md says which rule is in which."""

    NONE = "none"
    BASIC = "basic"
    FULL = "full"
    STRICT = "strict"

    def includes(self, level: Hardening) -> bool:
        """Whether what `level` asks for is asked for by this one too."""
        order = list(Hardening)
        return order.index(self) >= order.index(level)


class Symbols(StrEnum):
    """What may be left of the names that debuggers read."""

    ANY = "any"
    STRIPPED = "stripped"
