"""What can go wrong outside a build, one class per kind, each with its own exit code.

A failed *build* is no error: it is a verdict. These are for the person at the keyboard: what happened,
where, and the next step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
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


class Trouble(StrEnum):
    """What of a build's surroundings failed: whether it is worth another try depends on it. docs/surroundings.md."""

    UNREACHABLE = "engine-unreachable"  # no connection, or one that broke: stopped, restarted, not there
    HANGS = "engine-hangs"  # it takes connections, and does not answer
    IMAGE_GONE = "image-gone"
    CONTAINER_GONE = "container-gone"
    ENGINE_DISK = "engine-disk-full"
    OWN_DISK = "own-disk-full"  # of the machine that keeps the record
    REFUSED = "engine-refused"  # an answer, and it is no
    IMAGE = "image"
    NETWORK = "network"
    FETCH = "fetch-command"


class SurroundingsError(BuildproofError):
    """Something around a build failed, not the build. `trouble` says what."""

    exit_code = ExitCode.INFRASTRUCTURE
    usual_trouble = Trouble.REFUSED

    def __init__(
        self, what: str, *, where: Place | None = None, next_step: str | None = None, trouble: Trouble | None = None
    ) -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.trouble = trouble or self.usual_trouble


class RecordError(BuildproofError):
    """The record cannot be written: what is known is held in memory and shown."""

    exit_code = ExitCode.INFRASTRUCTURE


class EngineError(SurroundingsError):
    """The container engine is missing, unreachable, or refused what was asked of it."""


class ImageError(SurroundingsError):
    """An image could not be made: carries the failing Dockerfile line and its last output."""

    usual_trouble = Trouble.IMAGE


class FetchError(SurroundingsError):
    """The fetch step of a project failed, with network and before anything was measured."""

    usual_trouble = Trouble.FETCH
