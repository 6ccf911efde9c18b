"""A file that a person wrote: its data, and where each key stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildproof.errors import InputError, InputErrors, Place

KeyPath = tuple[str | int, ...]
Marks = dict[KeyPath, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain data of a YAML or TOML file with the line and column of every key and list item.

    `problems` are errors that left the rest readable, such as a duplicate key; `validate` reports them with its own.
    """

    path: Path
    data: dict[str, Any]
    marks: Mapping[KeyPath, tuple[int, int]]
    problems: tuple[InputError, ...] = ()

    def place(self, *key: str | int) -> Place:
        """Where `key` stands, or the innermost of its parents that the file has."""
        for length in range(len(key), 0, -1):
            if mark := self.marks.get(key[:length]):
                return Place(self.path, *mark)
        return Place(self.path)

    def error(self, what: str, *key: str | int) -> InputError:
        """An error about `key`, which is named in front of the sentence."""
        name = ".".join(part for part in key if isinstance(part, str))
        return InputError(f"{name}: {what}" if name else what, where=self.place(*key))


def raise_together(errors: Iterable[InputError]) -> None:
    """Raise nothing, the only error, or all of them as one, each once and in the order of places."""
    single = (one for error in errors for one in (error.errors if isinstance(error, InputErrors) else [error]))
    unique = {str(error): error for error in single}
    ordered = sorted(unique.values(), key=_order)
    if len(ordered) == 1:
        raise ordered[0]
    if ordered:
        raise InputErrors(ordered)


def _order(error: InputError) -> tuple[str, int, int]:
    where = error.where
    return (str(where.file), where.line or 0, where.column or 0) if where else ("", 0, 0)
