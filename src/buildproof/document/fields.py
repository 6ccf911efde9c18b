"""Kinds of values that manifests and Compose files share; each complains in a sentence about itself."""

from __future__ import annotations

import re
import warnings
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from buildproof.document.sentences import describe
from buildproof.document.suggest import did_you_mean
from buildproof.document.table import ComplaintError, ComplaintsError
from buildproof.units import parse_duration, parse_size, show

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_DRIVE = re.compile(r"[A-Za-z]:")


def choice(kind: type[StrEnum]) -> BeforeValidator:
    """A field that takes the values of an enum."""

    def chosen(value: object) -> StrEnum:
        known = [member.value for member in kind]
        if not isinstance(value, str):
            raise ValueError(f"must be one of {', '.join(known)}, not {describe(value)}")  # noqa: TRY004
        if value not in known:
            raise ValueError(f"{show(value)} is unknown{did_you_mean(value, known)}")
        return kind(value)

    return BeforeValidator(chosen)


def _size(value: object) -> int:
    if isinstance(value, str | int):
        return parse_size(value)
    raise ValueError(f"must be a size such as 512m, not {describe(value)}")


def _duration(value: object) -> float:
    if isinstance(value, str | int | float):
        return parse_duration(value)
    raise ValueError(f"must be a duration such as 15m, not {describe(value)}")


def _number(value: object) -> object:
    """Compose takes numbers in quotes, too."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or not isfinite(number):
        raise ValueError(f"must be a number such as 1.5, not {describe(value)}")
    return number


def _argument(value: str) -> str:
    if match := _CONTROL.search(value):
        raise ValueError(f"contains the control character U+{ord(match[0]):04X}")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return _argument(value)


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        raise ValueError(
            f"{show(value)} must be lower-case letters, digits and dashes, 63 at most, not starting with a dash"
        )
    return value


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value):
        raise ValueError(f"must be the 64 hexadecimal digits of a SHA-256, not {show(value)}")
    return value.lower()


def _glob(value: str) -> str:
    _text(value)
    if "\\" in value:
        raise ValueError(f"{show(value)} must use / between folders")
    if value.startswith("/") or _DRIVE.match(value):
        raise ValueError(f"{show(value)} must be relative to the project, not absolute")
    if ".." in value.split("/"):
        raise ValueError(f"{show(value)} must stay inside of the project: '..' leads out")
    if value.endswith("/"):
        raise ValueError(f"{show(value)} names a folder: name files, such as {value}*")
    return value


def _regex(value: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(value)
    except re.error as error:
        raise ValueError(f"{show(value)} is not a regular expression: {error.msg}") from None
    except (RecursionError, OverflowError):
        raise ValueError(f"{show(value)} is not a regular expression: it is too large") from None
    return value


def _unique(values: list[str]) -> list[str]:
    twice = (
        ComplaintError(f"{show(value)} stands here twice", index)
        for index, value in enumerate(values)
        if value in values[:index]
    )
    if complaints := tuple(twice):
        raise ComplaintsError(complaints)
    return values


Text = Annotated[str, AfterValidator(_text)]
Argument = Annotated[str, AfterValidator(_argument)]
Slug = Annotated[str, AfterValidator(_slug)]
Sha256 = Annotated[str, AfterValidator(_sha256)]
Unique = AfterValidator(_unique)
Glob = Annotated[str, AfterValidator(_glob)]
Globs = Annotated[list[Glob], Field(min_length=1), Unique]
Regex = Annotated[str, AfterValidator(_regex)]
Size = Annotated[int, BeforeValidator(_size)]
Duration = Annotated[float, BeforeValidator(_duration)]
Number = Annotated[float, BeforeValidator(_number)]


def is_dir(path: Path) -> bool:
    """Whether `path` is a directory; False as well for a path that cannot be one."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether `path` is a file; False as well for a path that cannot be one."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
