"""The record: the versioned JSON that a run leaves behind, and from which every report is drawn. Pure.

Its JSON Schema is docs/record.schema.json, made from these classes. Sizes are bytes, times seconds, moments UTC.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from buildproof.box import Box
from buildproof.builder import Builder
from buildproof.errors import InputError, Place
from buildproof.evidence import (
    Artifact,
    Evidence,
    LogFinding,
    Memory,
    Processes,
    Space,
    Stop,
    Time,
)
from buildproof.hostile import json_text
from buildproof.limits import LimitState
from buildproof.plan import Build
from buildproof.trust import Trust
from buildproof.verdict import Budget, Verdict
from buildproof.verdict.claims import Case

SCHEMA_VERSION = 1
_LARGEST = 1 << 64  # the widest that kernel and file formats count in; more is no size and no time


class Phase(StrEnum):
    """How far a build has come."""

    PLANNED = "planned"
    IMAGE = "image"
    SOURCES = "sources"
    FETCH = "fetch"
    WAIT = "wait"
    BUILD = "build"
    CHECK = "check"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the command ended, and how well it was watched."""

    exit_code: int | None = None
    stopped: Stop | None = None
    stopped_at_s: float | None = None
    engine_oom_flag: bool | None = None
    accounting: bool = False
    accounting_refused: str | None = None
    probe_lost: str | None = None
    probe_cpu_s: float | None = None
    emulated: str | None = None
    host_swapped: int | None = None
    host_busy_s: float | None = None
    host_cpus: int | None = None
    disk_used: int | None = None


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """The builder image and the first line that each tool in it prints of its version."""

    reference: str
    id: str
    toolchain: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A try that a failure of the surroundings ended, and that was not the last; paths as in BuildRecord.

    `ran_s` is None when the command had not been let go, `waited_s` is the pause before the next try.
    """

    phase: Phase
    trouble: str
    what: str
    ran_s: float | None = None
    waited_s: float = 0.0
    log: str | None = None
    timeline: str | None = None


@dataclass(frozen=True, kw_only=True)
class Promised:
    """What one attempt was promised of the machine, out of the budgets of its run; None: without a bound.

    `since` and `until` enclose the life of its containers; `until` stays None when the harness was killed. `waited_s`
    is all that it waited. `available` is what the engine's host could still give when a sequential build began.
    """

    memory: int
    cpus: float
    memory_budget: int | None
    cpu_budget: float | None
    since: datetime
    until: datetime | None = None
    waited_s: float
    available: int | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BoxRecord:
    """What its box let a build do, and why where that is more than usual: docs/security.md. `user` is `uid:gid`."""

    user: str
    read_only: bool
    user_namespaces: bool
    root_because: str | None = None
    writable_image_because: str | None = None

    @classmethod
    def of(cls, builder: Builder) -> BoxRecord:
        """The box of a builder's builds."""
        box = Box.of(builder)
        return cls(
            user=box.user,
            read_only=box.read_only,
            user_namespaces=box.user_namespaces,
            root_because=builder.root,
            writable_image_because=builder.writable_image,
        )


@dataclass(frozen=True, kw_only=True)
class BuildRecord:
    """One build of the matrix. Paths are relative to the run's folder."""

    id: str
    project: str
    builder: str
    profile: str
    tier: str
    target: str
    trust: Trust = Trust.FULL
    box: BoxRecord | None = None
    declared_at: str | None = None  # file:line of the manifest
    phase: Phase = Phase.PLANNED
    began: datetime | None = None
    phases_s: dict[str, float] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()  # earlier ones, first to last
    promised: tuple[Promised, ...] = ()
    budget: Budget = field(default_factory=Budget)
    verdict: Verdict | None = None
    limits: dict[str, LimitState] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    time: Time = field(default_factory=Time)
    processes: Processes = field(default_factory=Processes)
    space: dict[str, Space] = field(default_factory=dict)
    findings: tuple[LogFinding, ...] = ()
    last_lines: tuple[str, ...] = ()
    log_dropped: int = 0
    artifacts: tuple[Artifact, ...] | None = None
    ended: Ended = field(default_factory=Ended)
    image: ImageRecord | None = None
    source_sha256: str | None = None
    log: str | None = None
    timeline: str | None = None
    reproduce: str | None = None
    kept: str | None = None  # the name of its container, where that was kept

    @classmethod
    def planned(cls, build: Build) -> BuildRecord:
        """The record of a build that has not begun."""
        return cls(
            id=build.id,
            project=build.project,
            builder=build.builder.name,
            profile=build.profile,
            tier=build.tier.value,
            target=build.target.value,
            trust=build.trust,
            box=BoxRecord.of(build.builder),
            declared_at=str(replace(build.spec.where("builder"), column=None)),
            budget=Budget(
                peak_memory=build.peak_memory, time_limit=build.time_limit_s, silent_limit=build.silent_limit_s
            ),
        )

    def with_evidence(self, evidence: Evidence) -> BuildRecord:
        """This record with all of `evidence` in it."""
        shared = {name: getattr(evidence, name) for name in _SHARED}
        ended = Ended(**{name: getattr(evidence, name) for name in Ended.__dataclass_fields__})
        return replace(self, ended=ended, **shared)

    def evidence(self) -> Evidence:
        """The evidence as it was put in."""
        parts: dict[str, Any] = {name: getattr(self, name) for name in _SHARED}
        parts |= {name: getattr(self.ended, name) for name in Ended.__dataclass_fields__}
        return Evidence(**parts)

    def case(self) -> Case:
        """What claims are decided from; ValueError when the build has no verdict yet."""
        if self.verdict is None:
            raise ValueError(f"{self.id} has no verdict yet")
        return Case(evidence=self.evidence(), budget=self.budget, verdict=self.verdict)


_SHARED = tuple(set(Evidence.__dataclass_fields__) - set(Ended.__dataclass_fields__))


@dataclass(frozen=True, kw_only=True)
class EngineRecord:
    """The engine that the run was on. Memory and swap in bytes."""

    product: str = "Docker"
    version: str
    api: str
    kernel: str
    operating_system: str
    cgroup_version: int | None
    cgroup_driver: str
    storage_driver: str
    cores: int
    memory: int
    rootless: bool


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run. `ended` stays None in the record of a run that was killed."""

    schema_version: int = SCHEMA_VERSION
    buildproof: str
    id: str
    command: tuple[str, ...]
    began: datetime
    ended: datetime | None = None
    engine: EngineRecord | None = None
    remarks: tuple[str, ...] = ()
    builds: tuple[BuildRecord, ...] = ()

    def with_build(self, build: BuildRecord) -> RunRecord:
        """This run with `build` in the place of the one of the same id, or at the end."""
        if any(known.id == build.id for known in self.builds):
            builds = tuple(build if known.id == build.id else known for known in self.builds)
        else:
            builds = (*self.builds, build)
        return replace(self, builds=builds)

    def build(self, build_id: str) -> BuildRecord | None:
        """The build of that id."""
        return next((build for build in self.builds if build.id == build_id), None)


_ADAPTER = TypeAdapter(RunRecord)


def dump(record: RunRecord) -> bytes:
    """The record as indented JSON; what is no UTF-8, a file name or an argument, is shown with question marks."""
    data = _ADAPTER.dump_python(record, mode="json")
    whole = json.dumps(data, indent=2, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    return json_text(whole).encode() + b"\n"


def load(path: Path) -> RunRecord:
    """Read a record file; InputError when it is none, damaged, or written by a newer buildproof."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the record: {error.strerror}", where=Place(path)) from error
    return parse(raw, path)


def parse(raw: bytes, path: Path) -> RunRecord:
    """A record's JSON, which came from `path`; raises as `load` does."""
    try:
        version = _version_of(raw)
    except OverflowError as error:
        raise InputError(f"this is no record that can be read: {error}", where=Place(path)) from error
    if version > SCHEMA_VERSION:
        raise InputError(
            f"the record has schema version {version}, this buildproof reads up to {SCHEMA_VERSION}",
            where=Place(path),
            next_step="upgrade buildproof",
        )
    try:
        return _ADAPTER.validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "the whole file"
        raise InputError(f"this is no record that can be read: {at}: {first['msg']}", where=Place(path)) from error


def _version_of(raw: bytes) -> int:
    """The schema version alone: a newer record may have any shape. OverflowError for a number that measures nothing."""
    try:
        data = json.loads(raw, parse_float=_number, parse_int=_number, parse_constant=_number)
    except (ValueError, RecursionError):
        return 0
    version = data.get("schema_version") if isinstance(data, dict) else None
    return version if isinstance(version, int) else 0


def _number(word: str) -> float:
    value = int(word) if word.lstrip("-").isdigit() else float(word)
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise OverflowError(f"{word[:20]} is neither a size nor a time")
    return value


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a record, 2020-12."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_ADAPTER.json_schema()}
