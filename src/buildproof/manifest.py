"""`buildproof.toml`: what is built, with which builders, and what each build promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildproof.document import Document, read, validate
from buildproof.errors import Place
from buildproof.hardening import Hardening, Symbols
from buildproof.manifest_tables import BuildTable, FetchTable, ManifestTable, SourceTable, StartsTable, Tier
from buildproof.targets import Kind

FILE_NAME = "buildproof.toml"

__all__ = [
    "FILE_NAME",
    "Archive",
    "BuildSpec",
    "Crate",
    "Fetch",
    "Folder",
    "Manifest",
    "Project",
    "Source",
    "Starts",
    "Tier",
    "read_manifest",
]


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A source tree on this machine: absolute, existing."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class Crate:
    """A published crate in one exact version."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A tar archive, plain or compressed with gzip or xz: an https address or a file on this machine."""

    location: str | Path
    sha256: str


Source = Folder | Crate | Archive


@dataclass(frozen=True, kw_only=True)
class Project:
    """What is built. `compose` is None where the shipped builders serve; `place` is that of the name."""

    name: str
    source: Source
    compose: Path | None
    place: Place
    source_place: Place
    compose_place: Place | None = None


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """What is loaded before the measured build. Without `inputs` every file of the source counts as one."""

    command: str
    inputs: tuple[str, ...]
    time_limit_s: float
    place: Place


@dataclass(frozen=True, kw_only=True)
class Starts:
    """How an artifact is started; `stdout` is a regular expression to be searched for, `artifact` one of the globs."""

    args: tuple[str, ...]
    stdout: str | None
    exit_code: int
    artifact: str


@dataclass(frozen=True, kw_only=True)
class BuildSpec:
    """One `[[build]]`. Sizes are bytes; None means that the builder decides (time limit) or that there is none."""

    builder: str
    command: str
    artifacts: tuple[str, ...]
    peak_memory: int | None
    time_limit_s: float | None
    silent_limit_s: float | None
    starts: Starts | None
    tier: Tier
    profiles: tuple[str, ...]
    environment: Mapping[str, str]
    libraries: tuple[str, ...] = ()
    hardening: Hardening = Hardening.NONE
    symbols: Symbols = Symbols.ANY
    size_limit: int | None = None
    contains: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    place: Place
    places: Mapping[str, Place] = field(repr=False)

    def where(self, key: str) -> Place:
        """Where the table has `key`, or where the table begins."""
        return self.places.get(key, self.place)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One `buildproof.toml`."""

    path: Path
    project: Project
    fetch: Fetch | None
    builds: tuple[BuildSpec, ...]


def read_manifest(path: Path) -> Manifest:
    """The manifest in the file at `path`; raises InputError with all that is wrong in it, each with its line."""
    document = read(path)
    table = validate(document, ManifestTable)
    folder = path.parent
    return Manifest(
        path=path,
        project=Project(
            name=table.project.name,
            source=_source(folder, table.project.source),
            compose=folder / table.project.compose if table.project.compose else None,
            place=document.place("project", "name"),
            source_place=document.place("project", "source"),
            compose_place=document.place("project", "compose"),
        ),
        fetch=_fetch(document, table.fetch),
        builds=tuple(_build(document, index, build) for index, build in enumerate(table.build)),
    )


def _source(folder: Path, table: SourceTable | None) -> Source:
    if table and table.crate and table.version and table.sha256:
        return Crate(name=table.crate, version=table.version, sha256=table.sha256)
    if table and table.archive and table.sha256:
        remote = table.archive.startswith("https://")
        return Archive(location=table.archive if remote else (folder / table.archive).resolve(), sha256=table.sha256)
    return Folder(path=(folder / (table.path if table and table.path else ".")).resolve())


def _fetch(document: Document, table: FetchTable | None) -> Fetch | None:
    if table is None:
        return None
    return Fetch(
        command=table.command,
        inputs=tuple(table.inputs or ()),
        time_limit_s=table.time_limit,
        place=document.place("fetch"),
    )


def _starts(table: StartsTable, first_artifact: str) -> Starts:
    return Starts(
        args=tuple(table.args),
        stdout=table.stdout,
        exit_code=table.exit_code,
        artifact=table.artifact or first_artifact,
    )


def _build(document: Document, index: int, table: BuildTable) -> BuildSpec:
    below = ("build", index)
    return BuildSpec(
        builder=table.builder,
        command=table.command,
        artifacts=tuple(table.artifacts),
        peak_memory=table.peak_memory,
        time_limit_s=table.time_limit,
        silent_limit_s=table.silent_limit,
        starts=_starts(table.starts, table.artifacts[0]) if table.starts else None,
        tier=table.tier,
        profiles=tuple(table.profiles),
        environment=table.environment,
        libraries=tuple(table.libraries),
        hardening=table.hardening,
        symbols=table.symbols,
        size_limit=table.size_limit,
        contains=tuple(table.contains),
        kinds=table.kinds,
        place=document.place(*below),
        places={str(key[2]): document.place(*key) for key in document.marks if key[:2] == below and len(key) == 3},
    )
