"""`buildproof check`: options and printing."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from buildproof import terminal
from buildproof.artifacts import Kind
from buildproof.check.files import Wish, check
from buildproof.check.sarif import sarif
from buildproof.check.text import as_json, failed, text
from buildproof.errors import ExitCode, InputError
from buildproof.hardening import Hardening, Symbols
from buildproof.hostile import json_text
from buildproof.targets import WINDOWS, Target
from buildproof.units import parse_size, show


class _Form(StrEnum):
    """How `check` says what it found."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def check_files(
    files: Annotated[list[Path], typer.Argument(help="The executables and packages to judge.", show_default=False)],
    expect: Annotated[Target, typer.Option(help="What they were built for.", show_default=False)],
    kind: Annotated[Kind | None, typer.Option(help="By default the name tells: `.dll`, `.so`, `.o`, `.obj`.")] = None,
    windows: Annotated[str | None, typer.Option(help="The oldest Windows to start on.", show_default="10")] = None,
    glibc: Annotated[str | None, typer.Option(help="The newest glibc that may be needed, such as 2.36.")] = None,
    library: Annotated[list[str] | None, typer.Option(help="A library that may be needed; again for more.")] = None,
    hardening: Annotated[Hardening, typer.Option(help="The level that is asked for.")] = Hardening.NONE,
    symbols: Annotated[Symbols, typer.Option(help="Whether symbols for debuggers may be left.")] = Symbols.ANY,
    size_limit: Annotated[str | None, typer.Option(help="The most bytes of each file, such as 20m.")] = None,
    contains: Annotated[list[str] | None, typer.Option(help="A glob of what has to be in a package; again.")] = None,
    form: Annotated[_Form, typer.Option("--format", help="For people, for programs, for code hosts.")] = _Form.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every rule, what holds too.")] = False,
) -> None:
    """Judge executables from anywhere by the same rules as a build's: docs/rules.md has them all.

    Exit code 0 when no rule fails, 10 when one does.
    """
    wish = Wish(
        target=expect,
        kind=kind,
        windows=_choice("--windows", windows, WINDOWS),
        glibc=_glibc(glibc),
        libraries=tuple(library or ()),
        hardening=hardening,
        symbols=symbols,
        size=_size("--size-limit", size_limit),
        contains=tuple(contains or ()),
    )
    artifacts = check(files, wish)
    if form is _Form.TEXT:
        terminal.show(text(artifacts, everything=verbose), soft_wrap=True)
    else:
        print(as_json(artifacts) if form is _Form.JSON else json_text(json.dumps(sarif(artifacts), indent=2)))  # noqa: T201
    if failed(artifacts):
        raise typer.Exit(ExitCode.PROJECT)


def _choice(option: str, value: str | None, known: tuple[str, ...]) -> str | None:
    if value is not None and value not in known:
        raise InputError(f"{option}: {show(value)} is none of {', '.join(known)}")
    return value


def _glibc(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"2(\.[0-9]{1,3}){1,2}", value):
        raise InputError(f"--glibc: {show(value)} is no version of glibc, such as 2.36")
    return value


def _size(option: str, value: str | None) -> int | None:
    try:
        return None if value is None else parse_size(value)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from error
