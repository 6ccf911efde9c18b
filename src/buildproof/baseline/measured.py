"""One line of the history: what one build that passed needed in one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from buildproof.evidence import Process
from buildproof.record import BuildRecord, EngineRecord
from buildproof.verdict import Outcome
from buildproof.verdict.culprit import work_of

from .metrics import Metric

VERSION = 1
_GIB = 1 << 30
_LONGEST_NAME = 120


def machine_class(engine: EngineRecord) -> str:
    """What makes figures comparable, in words: `2 cores, 24 GiB, cgroup v1`. Memory is rounded to whole GiB."""
    group = f"cgroup v{engine.cgroup_version}" if engine.cgroup_version else "cgroup unknown"
    return f"{engine.cores} cores, {round(engine.memory / _GIB)} GiB, {group}"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One build in one run. `peak` and `size` are bytes, `time` and `cpu` seconds.

    `held` has the largest processes of the build by their work (`rustc --crate-name regex`) with the high-water mark
    of their resident memory in bytes: who grew is told from it.
    """

    version: int = VERSION
    at: datetime
    run: str
    build: str
    image: str
    machine: str
    commit: str | None = None
    peak: int | None = None
    time: float | None = None
    cpu: float | None = None
    size: int | None = None
    held: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, build: BuildRecord, *, run: str, machine: str, commit: str | None = None) -> Measured | None:
        """The figures of a build that passed; None for any other: what it needed is not known."""
        if build.verdict is None or build.verdict.outcome is not Outcome.PASSED or build.began is None:
            return None
        sizes = [artifact.size for artifact in build.artifacts or ()]
        return cls(
            at=build.began,
            run=run,
            build=build.id,
            image=build.image.reference if build.image else "unknown",
            machine=machine,
            commit=commit,
            peak=build.memory.demand_peak,
            time=build.time.wall_s,
            cpu=build.time.cpu_s,
            size=sum(size for size in sizes if size is not None) if sizes and None not in sizes else None,
            held=_held(build.processes.top),
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """Figures of one key alone are compared: build, builder image, machine class."""
        return self.build, self.image, self.machine

    def value(self, metric: Metric) -> float | None:
        """One figure; None when it could not be measured."""
        found: float | None = getattr(self, metric.value)
        return found


def _held(top: tuple[Process, ...]) -> dict[str, int]:
    held: dict[str, int] = {}
    for process in top:
        name = work_of(process.comm, process.cmdline)[:_LONGEST_NAME]
        held[name] = max(held.get(name, 0), process.peak_rss)
    return held
