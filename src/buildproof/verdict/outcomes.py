"""The outcomes a build can have, their families, and the verdict that carries one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from buildproof.errors import ExitCode
from buildproof.evidence import Grade


class Family(StrEnum):
    """Whose affair an outcome is; each has its own exit code."""

    PASSED = "passed"
    PROJECT = "project"
    RESOURCE = "resource"
    INFRASTRUCTURE = "infrastructure"
    MEASUREMENT = "measurement"

    @property
    def exit_code(self) -> ExitCode:
        """What a run ends with when this is its gravest family."""
        return {
            Family.PASSED: ExitCode.PASSED,
            Family.PROJECT: ExitCode.PROJECT,
            Family.RESOURCE: ExitCode.RESOURCE,
            Family.INFRASTRUCTURE: ExitCode.INFRASTRUCTURE,
            Family.MEASUREMENT: ExitCode.UNMEASURED,
        }[self]


class Outcome(StrEnum):
    """What became of a build; the table in docs/design.md says when."""

    PASSED = "passed"
    BUILD_ERROR = "build-error"
    SIGBUS = "sigbus"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out-of-memory"
    NO_SPACE = "no-space"
    TIME_LIMIT = "time-limit"
    SILENT = "silent"
    OVER_BUDGET = "over-budget"
    BAD_ARTIFACT = "bad-artifact"
    HOST_OUT_OF_MEMORY = "host-out-of-memory"
    HOST_NO_SPACE = "host-no-space"
    ENGINE_ERROR = "engine-error"
    FETCH_ERROR = "fetch-error"
    CANCELLED = "cancelled"
    UNMEASURED = "unmeasured"

    @property
    def family(self) -> Family:
        """Whose affair it is."""
        return _FAMILIES[self]


_FAMILIES = {
    Outcome.PASSED: Family.PASSED,
    Outcome.BUILD_ERROR: Family.PROJECT,
    Outcome.CRASHED: Family.PROJECT,
    Outcome.BAD_ARTIFACT: Family.PROJECT,
    Outcome.SIGBUS: Family.RESOURCE,
    Outcome.OUT_OF_MEMORY: Family.RESOURCE,
    Outcome.NO_SPACE: Family.RESOURCE,
    Outcome.TIME_LIMIT: Family.RESOURCE,
    Outcome.SILENT: Family.RESOURCE,
    Outcome.OVER_BUDGET: Family.RESOURCE,
    Outcome.HOST_OUT_OF_MEMORY: Family.INFRASTRUCTURE,
    Outcome.HOST_NO_SPACE: Family.INFRASTRUCTURE,
    Outcome.ENGINE_ERROR: Family.INFRASTRUCTURE,
    Outcome.FETCH_ERROR: Family.INFRASTRUCTURE,
    Outcome.CANCELLED: Family.INFRASTRUCTURE,
    Outcome.UNMEASURED: Family.MEASUREMENT,
}


@dataclass(frozen=True, kw_only=True)
class Clue:
    """One observation that a verdict rests on, in words. `at_s` is seconds into the build, None for no one moment."""

    grade: Grade
    text: str
    at_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """An outcome with its cause.

    `summary` says what happened, when, and to whom. `evidence` is what that rests on, best grade first;
    `contradictions` is what speaks against it, or against another word of the evidence. `advice` is what to do next,
    with numbers in it, the first step first.
    """

    outcome: Outcome
    cause: str | None = None
    grade: Grade
    summary: str
    culprit: str | None = None
    evidence: tuple[Clue, ...] = field(default=())
    contradictions: tuple[str, ...] = field(default=())
    advice: tuple[str, ...] = field(default=())


def gravest(outcomes: list[Outcome]) -> Family:
    """The family that decides a run's exit code: the project's own failures before all others."""
    order = [Family.PROJECT, Family.RESOURCE, Family.INFRASTRUCTURE, Family.MEASUREMENT, Family.PASSED]
    return min((outcome.family for outcome in outcomes), key=order.index, default=Family.PASSED)
