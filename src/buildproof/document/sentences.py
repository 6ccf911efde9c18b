"""What pydantic finds, said to the person who wrote the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildproof.document.suggest import did_you_mean
from buildproof.document.table import Table, keys_of
from buildproof.units import show

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table of keys and values",
    "model_type": "a table of keys and values",
}
_FALLBACK = "cannot be used as written"


def sentence(kind: str, found: object, context: Mapping[str, Any]) -> str:
    """The sentence for pydantic's error `kind` about the value `found`."""
    if wanted := _WANTED.get(kind):
        hint = ": put it in quotes" if wanted == "text" and isinstance(found, bool | int | float) else ""
        return f"must be {wanted}, not {describe(found)}{hint}"
    if kind == "greater_than":
        return f"must be above {context['gt']}, not {show(found)}"
    if kind == "greater_than_equal":
        return f"must be {context['ge']} or more, not {show(found)}"
    if kind == "less_than_equal":
        return f"must be {context['le']} or less, not {show(found)}"
    if kind == "too_short":
        return "must have at least one entry"
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries"
    return _FALLBACK


def unknown_key(model: type[Table] | None, key: str) -> str:
    """The sentence about a `key` that a table of this `model` does not have."""
    if model is None:
        return f"unknown key {show(key)}"
    if why := model.unsupported.get(key):
        return f"{key!r} is not supported by a builder, because {why}"
    return f"unknown key {show(key)}{did_you_mean(key, keys_of(model))}"


def describe(value: object) -> str:
    """A value by its kind and, where it is short, by itself."""
    if isinstance(value, str):
        return f"the text {show(value)}"
    if isinstance(value, bool) or value is None:
        return "nothing" if value is None else show(value)
    if isinstance(value, int | float):
        return f"the number {show(value)}"
    if isinstance(value, Mapping):
        return "a table of keys and values"
    return "a list" if isinstance(value, list) else "a date or time"
