"""Rules about hardening, of any format: asked where the project's level has them in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, TypeVar

from buildproof.artifacts.expectation import Expectation
from buildproof.artifacts.rule import Aspect, Rule
from buildproof.hardening import Hardening, Symbols


class Judged(Protocol):
    """An executable that is judged against what is expected of it."""

    @property
    def expected(self) -> Expectation:
        """What the build promises."""


Subject = TypeVar("Subject", bound=Judged)


def at_level(level: Hardening, *rules: Rule[Subject]) -> Iterator[Rule[Subject]]:
    """These rules, asked from this level on, and where they apply by themselves."""
    return (_asked_at(level, rule) for rule in rules)


def _asked_at(level: Hardening, rule: Rule[Subject]) -> Rule[Subject]:
    def applies(subject: Subject) -> str | None:
        return subject.expected.asks_for(level) or rule.applies(subject)

    return replace(rule, aspect=Aspect.HARDENING, level=level, applies=applies)


def keeps_symbols(subject: Judged) -> str | None:
    """Why symbols for debuggers may be left in a file, or None."""
    chosen = subject.expected.symbols is Symbols.STRIPPED
    return None if chosen else "the project does not ask for stripped files"
