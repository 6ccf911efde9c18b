"""The base of all models of what people write, and how their validators complain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, field_validator

from buildproof.document.document import KeyPath


class ComplaintError(ValueError):
    """What a validator says about a key inside of the value that it was given."""

    def __init__(self, what: str, *at: str | int) -> None:
        self.at: KeyPath = at
        super().__init__(what)


class ComplaintsError(ValueError):
    """Several complaints of one validator."""

    def __init__(self, complaints: Iterable[ComplaintError]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("; ".join(str(complaint) for complaint in self.complaints))


class Table(BaseModel):
    """A table of keys and values: types as written, no key but those known, null for none of them."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    unsupported: ClassVar[Mapping[str, str]] = {}
    """Keys that a reader may know from elsewhere, each with why it is refused: what follows "because"."""

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: object) -> object:
        if value is None:
            raise ValueError("has no value: write one, or leave the key out")
        return value


def dashed(name: str) -> str:
    """A field's name as the key that a person writes: words joined by dashes."""
    return name.replace("_", "-")


def keys_of(model: type[Table]) -> Iterator[str]:
    """The keys of a table, in their order."""
    return (field.alias or name for name, field in model.model_fields.items())


def table_at(model: type[Table], path: KeyPath) -> type[Table] | None:
    """The model of the table that stands at `path` below a `model`; None when there is none."""
    found: Any = model
    for part in path:
        if isinstance(found, type) and issubclass(found, Table):
            fields = {field.alias or name: field.annotation for name, field in found.model_fields.items()}
            found = _bare(fields.get(str(part)))
        elif get_origin(found) in (list, dict):
            found = _bare(get_args(found)[-1])
        else:
            return None
    return found if isinstance(found, type) and issubclass(found, Table) else None


def _bare(annotation: Any) -> Any:
    """The type without the metadata of `Annotated` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _bare(next(part for part in get_args(annotation) if part is not NoneType))
    return annotation
