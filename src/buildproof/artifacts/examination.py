"""One file against the target that it was built for."""

from __future__ import annotations

import mmap
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from buildproof.artifacts import coff, elf, file, pe
from buildproof.artifacts.content import Content, holes_of, read_through
from buildproof.artifacts.elf import objects
from buildproof.artifacts.expectation import Expectation
from buildproof.artifacts.file import Candidate
from buildproof.artifacts.reader import Reader
from buildproof.artifacts.rule import Aspect, Rule, judge
from buildproof.evidence import Artifact, Check, CheckStatus
from buildproof.targets import Format, Kind

RULES: dict[Format | None, tuple[Rule[Any], ...]] = {None: file.RULES, Format.PE: pe.RULES, Format.ELF: elf.RULES}
"""Every rule: those for any file under None, then each format's own, in the order in which they are asked."""

OBJECT_RULES: dict[Format, tuple[Rule[Any], ...]] = {Format.PE: coff.RULES, Format.ELF: objects.RULES}
"""The rules for objects, which are asked in place of their format's."""

_HEAD = 512


def examine(path: Path, expected: Expectation, name: str) -> Artifact:
    """Judge the file at `path`, which the build calls `name`, against what is `expected` of it.

    A file that is missing, unreadable or of another format has a failing check; nothing is raised for it, and the
    rules of the format are then not asked. The file is read once, whatever its size, and must not be cut by others
    meanwhile: it is looked at through a mapping.
    """
    size: int | None = None
    content: Content | None = None
    try:
        with regular_file(path) as opened:
            size = os.fstat(opened.fileno()).st_size
            holes = holes_of(opened.fileno(), size)
            content = replace(read_through(opened, words=expected.target.binary_format is Format.PE), holes=holes)
            checks = _checks(opened, content, expected)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        checks = judge(file.RULES, Candidate(expected=expected, unreadable=reason_of(error)))[:1]
    return Artifact(
        path=name,
        size=size,
        sha256=content.sha256 if content else None,
        format=expected.target.binary_format,
        machine=expected.target.machine,
        checks=checks,
    )


def regular_file(path: Path) -> BinaryIO:
    """The file, opened for reading. Raises OSError for what is no regular file, and never waits."""
    # O_NONBLOCK: opening a FIFO must not wait for somebody who writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "device, pipe or socket"
    os.close(descriptor)
    raise OSError(f"it is a {kind}, not a file")


def _checks(opened: BinaryIO, content: Content, expected: Expectation) -> tuple[Check, ...]:
    opened.seek(0)
    checks = judge(file.RULES, Candidate(expected=expected, content=content, head=opened.read(_HEAD)))
    unreadable = {rule.id for rule in file.RULES if rule.aspect is Aspect.STRUCTURE}
    if any(check.status is CheckStatus.FAIL and check.id in unreadable for check in checks):
        return checks
    with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        if len(mapped) != content.size:
            raise OSError(f"it changed while it was read, from {content.size} to {len(mapped)} bytes")
        reader = Reader(mapped)
        if expected.kind is Kind.OBJECT:
            subject: Any = coff.CoffObject if expected.target.binary_format is Format.PE else elf.ElfImage
            return checks + judge(OBJECT_RULES[expected.target.binary_format], subject(reader, content, expected))
        if expected.target.binary_format is Format.PE:
            return checks + judge(pe.RULES, pe.PeImage(reader, content, expected))
        return checks + judge(elf.RULES, elf.ElfImage(reader, content, expected))


def reason_of(error: Exception) -> str:
    """Why an artifact could not be read, for a person."""
    if isinstance(error, FileNotFoundError):
        return "the artifact does not exist"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"the artifact cannot be read: {reason}"
