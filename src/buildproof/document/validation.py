"""A document against the model of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from buildproof.document.document import Document, KeyPath, raise_together
from buildproof.document.sentences import sentence, unknown_key
from buildproof.document.table import ComplaintError, ComplaintsError, Table, table_at
from buildproof.errors import InputError

AnyTable = TypeVar("AnyTable", bound=Table)


def validate(document: Document, model: type[AnyTable], **context: Any) -> AnyTable:
    """The document's data as a `model`, whose validators see `document` and `context` in their `info.context`.

    Raises InputError, or InputErrors with all that is wrong, in the order of lines.
    """
    try:
        table = model.model_validate(document.data, context={"document": document, **context})
    except ValidationError as error:
        found = error.errors()
    else:
        raise_together(document.problems)
        return table
    told = [(one, details) for details in found for one in _told(document, model, details)]
    raise_together([*document.problems, *(one for one, details in told if not _derived(one, details, document))])
    raise AssertionError("a derived complaint has the problem that it is derived from")


def _told(document: Document, model: type[Table], details: ErrorDetails) -> Iterator[InputError]:
    path: KeyPath = details["loc"]
    kind = details["type"]
    if path[-1:] == ("[key]",) and kind == "value_error":  # pydantic's way to say that the key itself is meant
        path = path[:-1]
    context = details.get("ctx", {})
    raised = context.get("error")
    if kind == "extra_forbidden":
        yield _about(document, unknown_key(table_at(model, path[:-1]), str(path[-1])), path[:-1], path)
    elif kind == "missing":
        yield _about(document, f"{path[-1]!r} is missing", path[:-1], path)
    elif isinstance(raised, ComplaintsError):
        for complaint in raised.complaints:
            yield document.error(str(complaint), *path, *complaint.at)
    elif isinstance(raised, ComplaintError):
        yield document.error(str(raised), *path, *raised.at)
    elif isinstance(raised, ValueError):
        yield document.error(str(raised), *path)
    else:
        yield document.error(sentence(kind, details["input"], context), *path)


def _derived(error: InputError, details: ErrorDetails, document: Document) -> bool:
    """Whether the reader has complained about the same spot already, and left no value there."""
    places = [problem.where for problem in document.problems if problem.where]
    same_line = any(error.where and error.where.line == place.line for place in places)
    return error.where in places or (same_line and details["input"] is None)


def _about(document: Document, what: str, table: KeyPath, key: KeyPath) -> InputError:
    """An error that names the table and stands at the key."""
    named = document.error(what, *table)
    return InputError(named.what, where=document.place(*key))
