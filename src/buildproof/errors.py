"""What can go wrong outside a build, one class per kind, each with its own exit code.

A failed *build* is no error: it is a verdict. These are for the person at the keyboard: what happened,
where, and the next step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from buildproof.hostile import harmless


class ExitCode(IntEnum):
    """Exit codes of `pytest` and `buildproof` beside pytest's own 0 to 5."""

    PASSED = 0
    TESTS_FAILED = 1
    INTERRUPTED = 2
    USAGE = 4
    PROJECT = 10
    RESOURCE = 11
    INFRASTRUCTURE = 12
    UNMEASURED = 13
    SETUP = 14


@dataclass(frozen=True)
class Place:
    """A spot in a file; `line` and `column` count from 1."""

    file: Path
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [str(self.file), *(str(n) for n in (self.line, self.column) if n is not None)]
        return ":".join(parts)


class BuildproofError(Exception):
    """Base of all errors that end a command: `str()` is ready to be shown."""

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, *, where: Place | None = None, next_step: str | None = None) -> None:
        self.what = what
        self.where = where
        self.next_step = next_step
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return harmless(f"{text}\n  next: {self.next_step}" if self.next_step else text)


class InputError(BuildproofError):
    """A manifest, Compose file, option or source that cannot be used as written."""


class InputErrors(InputError):
    """Several input errors of one document, reported together."""

    def __init__(self, errors: list[InputError]) -> None:
        self.errors = errors
        super().__init__("\n".join(str(error) for error in errors))


class EngineError(BuildproofError):
    """The container engine is missing, unreachable, or refused what was asked of it."""

    exit_code = ExitCode.INFRASTRUCTURE


class ImageError(BuildproofError):
    """An image could not be made: carries the failing Dockerfile line and its last output."""

    exit_code = ExitCode.INFRASTRUCTURE


class FetchError(BuildproofError):
    """The fetch step of a project failed, with network and before anything was measured."""

    exit_code = ExitCode.INFRASTRUCTURE
