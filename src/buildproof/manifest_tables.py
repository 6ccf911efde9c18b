"""The keys of a `buildproof.toml`: docs/manifest.md says what they mean."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, model_validator

from buildproof.document import ComplaintError, ComplaintsError, Document, Table
from buildproof.document.environment import Environment
from buildproof.document.fields import (
    Argument,
    Duration,
    Glob,
    Globs,
    Regex,
    Sha256,
    Size,
    Slug,
    Text,
    Unique,
    choice,
    is_dir,
    is_file,
)
from buildproof.document.table import dashed
from buildproof.hardening import Hardening, Symbols
from buildproof.targets import Kind
from buildproof.units import show

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")
_CRATE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")


class Tier(StrEnum):
    """When a build runs: with every pull request, or in the nightly full matrix only."""

    GATE = "gate"
    NIGHTLY = "nightly"


def beside(info: ValidationInfo, value: str) -> Path:
    """`value` as a path relative to the file that it stands in."""
    document = info.context["document"] if info.context else None
    assert isinstance(document, Document)  # noqa: S101
    return document.path.parent / value


def _relative(value: str) -> str:
    if Path(value).is_absolute():
        raise ValueError(f"{show(value)} must be relative to this file, not absolute")
    return value


def _source_folder(value: str, info: ValidationInfo) -> str:
    folder = beside(info, _relative(value))
    if not is_dir(folder):
        raise ValueError(f"there is no folder {folder}")
    if folder.resolve().parent == folder.resolve():
        raise ValueError(f"{show(value)} is the whole file system")
    return value


def _file(value: str, info: ValidationInfo) -> str:
    file = beside(info, _relative(value))
    if not is_file(file):
        raise ValueError(f"there is no file {file}")
    return value


def _archive(value: str, info: ValidationInfo) -> str:
    if not value.endswith(ARCHIVE_SUFFIXES):
        raise ValueError(f"{show(value)} must end in one of {', '.join(ARCHIVE_SUFFIXES)}")
    if value.startswith("https://"):
        return value
    if "://" in value:
        raise ValueError(f"{show(value)} must be an https:// address or a relative path")
    return _file(value, info)


def _crate(value: str) -> str:
    if not _CRATE.fullmatch(value):
        raise ValueError(f"{show(value)} cannot be the name of a crate")
    return value


def _version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        raise ValueError(f"{show(value)} must be one exact version, such as 1.2.3")
    return value


class _Table(Table):
    model_config = ConfigDict(alias_generator=dashed)


class SourceTable(_Table):
    """Where the source tree comes from: exactly one of `path`, `crate` and `archive`."""

    path: Annotated[Text, AfterValidator(_source_folder)] | None = None
    crate: Annotated[str, AfterValidator(_crate)] | None = None
    version: Annotated[str, AfterValidator(_version)] | None = None
    archive: Annotated[Text, AfterValidator(_archive)] | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> SourceTable:
        given = [key for key in ("path", "crate", "archive") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("needs one of 'path', 'crate' and 'archive'" + (", not several" if given else ""))
        needed = {"path": (), "crate": ("version", "sha256"), "archive": ("sha256",)}[given[0]]
        wrong = [ComplaintError(f"{key!r} is missing beside {given[0]!r}") for key in needed if not getattr(self, key)]
        wrong += [
            ComplaintError(f"has no meaning beside {given[0]!r}", key)
            for key in ("version", "sha256")
            if key not in needed and getattr(self, key)
        ]
        if wrong:
            raise ComplaintsError(wrong)
        return self


class ProjectTable(_Table):
    """`[project]`: what is built."""

    name: Slug
    source: SourceTable | None = None
    compose: Annotated[Text, AfterValidator(_file)] | None = None


class FetchTable(_Table):
    """`[fetch]`: what is loaded before the measured build, with network."""

    command: Text
    inputs: Globs | None = None
    time_limit: Duration = 900.0


class StartsTable(_Table):
    """`starts`: how an artifact is started to prove that it runs."""

    args: list[Argument] = Field(default_factory=list)
    stdout: Regex | None = None
    exit_code: Annotated[int, Field(ge=0, le=255)] = 0
    artifact: Glob | None = None


class BuildTable(_Table):
    """`[[build]]`: one build in one builder."""

    builder: Text
    command: Text
    artifacts: Globs
    peak_memory: Size | None = None
    time_limit: Duration | None = None
    silent_limit: Duration | None = None
    starts: StartsTable | None = None
    tier: Annotated[Tier, choice(Tier)] = Tier.GATE
    profiles: Annotated[list[Text], Unique] = Field(default_factory=list)
    environment: Environment = Field(default_factory=dict)
    libraries: Annotated[list[Text], Unique] = Field(default_factory=list)
    hardening: Annotated[Hardening, choice(Hardening)] = Hardening.NONE
    symbols: Annotated[Symbols, choice(Symbols)] = Symbols.ANY
    size_limit: Size | None = None
    contains: Annotated[list[Text], Unique] = Field(default_factory=list)
    kinds: dict[Glob, Annotated[Kind, choice(Kind)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _started_is_built(self) -> BuildTable:
        started = self.starts.artifact if self.starts else None
        if started and not any(_may_match(started, glob) for glob in self.artifacts):
            raise ComplaintError(f"{show(started)} is none of 'artifacts'", "starts", "artifact")
        return self

    @model_validator(mode="after")
    def _kinds_are_of_artifacts(self) -> BuildTable:
        for named in self.kinds:
            if not set(named) & set("*?[") and not any(_may_match(named, glob) for glob in self.artifacts):
                raise ComplaintError(f"{show(named)} is none of 'artifacts'", "kinds", named)
        return self


class ManifestTable(_Table):
    """The whole file."""

    project: ProjectTable
    fetch: FetchTable | None = None
    build: Annotated[list[BuildTable], Field(min_length=1)]


def _may_match(path: str, glob: str) -> bool:
    """False only where no file of that `path` (which may be a pattern itself) can be among those of `glob`."""
    pattern = re.escape(glob.replace("**/", "*")).replace(r"\*", ".*").replace(r"\?", ".")
    return path == glob or "[" in glob or re.fullmatch(pattern, path, re.DOTALL) is not None
