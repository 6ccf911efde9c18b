"""One line of the history: what one build needed in one run, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AwareDatetime, Field

from buildproof.evidence import Holder, Process
from buildproof.record import BuildRecord, EngineRecord
from buildproof.verdict import Family, Outcome
from buildproof.verdict.culprit import work_of

from .metrics import Metric

VERSION = 2  # 1 had builds that passed alone: who reads no outcome would take a failure for what a build needs
_GIB = 1 << 30
_LONGEST_NAME = 120
_Bytes = Annotated[int, Field(ge=0, lt=1 << 63)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_TELLING = frozenset({Family.PASSED, Family.PROJECT, Family.RESOURCE})


def machine_class(engine: EngineRecord) -> str:
    """What makes figures comparable, in words: `2 cores, 24 GiB, cgroup v1`. Memory is rounded to whole GiB."""
    group = f"cgroup v{engine.cgroup_version}" if engine.cgroup_version else "cgroup unknown"
    return f"{engine.cores} cores, {round(engine.memory / _GIB)} GiB, {group}"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One build in one run. `peak`, `charged` and `size` are bytes, `time` and `cpu` seconds.

    Of a build that failed the figures go as far as it came, and `culprit` is the process that its verdict names. `over`
    has, by figure, the thresholds that a build was over when it was saved.
    `held` has the largest processes of the build by their work (`rustc --crate-name regex`) with the high-water mark
    of their resident memory in bytes: who grew is told from it. `at_peak` names those of them that were there when the
    build held most, None when nobody looked: the others made no peak.
    """

    version: int = VERSION
    at: AwareDatetime
    run: str
    build: str
    image: str
    machine: str
    commit: str | None = None
    outcome: Outcome = Outcome.PASSED
    culprit: str | None = None
    over: dict[Metric, str] | None = None
    peak: _Bytes | None = None
    charged: _Bytes | None = None
    time: _Seconds | None = None
    cpu: _Seconds | None = None
    size: _Bytes | None = None
    at_peak: tuple[str, ...] | None = None
    held: dict[str, _Bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, build: BuildRecord, *, run: str, machine: str, commit: str | None = None) -> Measured | None:
        """The figures of a build that passed or failed; None for one of which nothing was proved."""
        if build.verdict is None or build.verdict.outcome.family not in _TELLING or build.began is None:
            return None
        held = _held(build.processes.top)
        sizes = [artifact.size for artifact in build.artifacts or ()]
        return cls(
            at=build.began,
            run=run,
            build=build.id,
            image=build.image.reference if build.image else "unknown",
            machine=machine,
            commit=commit,
            outcome=build.verdict.outcome,
            culprit=build.verdict.culprit,
            peak=build.memory.demand_peak,
            charged=build.memory.charged_peak,
            time=build.time.wall_s,
            cpu=build.time.cpu_s,
            size=sum(size for size in sizes if size is not None) if sizes and None not in sizes else None,
            at_peak=tuple(name for name in dict.fromkeys(map(_name, build.memory.holders)) if name in held) or None,
            held=held,
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """Figures of one key alone are compared: build, builder image, machine class."""
        return self.build, self.image, self.machine

    @property
    def passed(self) -> bool:
        """Only what passed is compared: of any other build nobody knows what it needs."""
        return self.outcome is Outcome.PASSED

    @property
    def counts(self) -> bool:
        """Later builds are compared with it: growth that was refused must not become what is usual."""
        return self.passed and not self.over

    def value(self, metric: Metric) -> float | None:
        """One figure; None when it could not be measured."""
        found: float | None = getattr(self, metric)
        return found


def _name(process: Process | Holder) -> str:
    return work_of(process.comm, process.cmdline)[:_LONGEST_NAME]


def _held(top: tuple[Process, ...]) -> dict[str, int]:
    held: dict[str, int] = {}
    for process in top:
        name = _name(process)
        held[name] = max(held.get(name, 0), process.peak_rss)
    return held
