"""Environment variables as manifests and Compose files declare them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator

from buildproof.document.sentences import describe
from buildproof.document.table import ComplaintError, ComplaintsError
from buildproof.units import show

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variables(null: str | None) -> Callable[[object], object]:
    """Reads an environment: a table, or Compose's list of `K=V`; `null` is the complaint about a missing value."""

    def read(value: object) -> object:
        pairs: list[tuple[str | int, str, Any]] = []
        if isinstance(value, dict):
            pairs = [(key, str(key), text) for key, text in value.items()]
        elif isinstance(value, list):
            for index, item in enumerate(value):
                name, equals, text = item.partition("=") if isinstance(item, str) else ("", "", None)
                pairs.append((index, name, text if equals else None))
        else:
            raise ValueError(f"must be a table of names and values, not {describe(value)}")  # noqa: TRY004
        wrong = [ComplaintError(what, at) for at, name, text in pairs if (what := _wrong(name, text, null))]
        names = [name for _, name, _ in pairs]
        wrong += [
            ComplaintError(f"{name} is set twice", at) for i, (at, name, _) in enumerate(pairs) if name in names[:i]
        ]
        if wrong:
            raise ComplaintsError(wrong)
        return {name: str(text) if isinstance(text, int) else text for _, name, text in pairs}

    return read


def _wrong(name: str, text: object, null: str | None) -> str | None:
    if not _VARIABLE.fullmatch(name):
        return f"{show(name)} cannot be the name of a variable"
    if text is None:
        return f"{name} {null}" if null else None
    if isinstance(text, bool | float):
        return f"must be text, not {describe(text)}: put it in quotes"
    if not isinstance(text, str | int):
        return f"must be text, not {describe(text)}"
    if isinstance(text, str) and "\0" in text:
        return "contains a NUL character"
    if isinstance(text, int) and text.bit_length() > 64:
        return "must be text: put it in quotes"
    return None


Environment = Annotated[dict[str, str], BeforeValidator(variables("has no value, and none is taken from the host"))]
"""Every variable has a value."""
