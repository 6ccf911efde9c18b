"""Rules about the measurement: cancelled by a person, or not to be trusted."""

from __future__ import annotations

from buildproof.evidence import Evidence, Grade, Stop
from buildproof.limits import show_limit
from buildproof.units import duration
from buildproof.verdict.case import Budget
from buildproof.verdict.outcomes import Outcome, Verdict


def limits_unmet(evidence: Evidence) -> str | None:
    """Why the measurement cannot be trusted: the memory limit that was asked for is not in force."""
    memory = evidence.limits.get("memory")
    if memory is None or memory.in_force:
        return None
    return (
        f"the memory limit of {show_limit('memory', memory.requested)} is not in force ({memory.why or 'unknown why'})"
    )


def cancelled(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """A person ended the run."""
    if evidence.stopped is not Stop.CANCELLED:
        return None
    when = "" if evidence.stopped_at_s is None else f" {duration(evidence.stopped_at_s)} into the build"
    return Verdict(
        outcome=Outcome.CANCELLED, cause="cancelled", grade=Grade.HARNESS, summary=f"The run was cancelled{when}."
    )


def not_measured(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The memory limit was not in force, or the probe was lost: nothing is proved."""
    unmet = limits_unmet(evidence)
    if unmet:
        return Verdict(
            outcome=Outcome.UNMEASURED,
            cause="limits-not-in-force",
            grade=Grade.KERNEL,
            summary=f"The build was not run: {unmet}.",
            advice=("`buildproof doctor` says what the engine lacks; on cgroup v1 the memory controller may be off.",),
        )
    if evidence.probe_lost:
        return Verdict(
            outcome=Outcome.UNMEASURED,
            cause="probe-lost",
            grade=Grade.HARNESS,
            summary=f"Nothing is proved: {evidence.probe_lost}.",
            advice=("Run it again; if it happens again, the build ends its own watcher: look at the last log lines.",),
        )
    return None
