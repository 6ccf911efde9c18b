"""The claims that the suite makes about a build, each decided from its record: held, broken, or undecided. Pure."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from buildproof.evidence import CheckStatus, Evidence, Stop
from buildproof.units import duration
from buildproof.verdict.case import Budget, signalled_by
from buildproof.verdict.culprit import named
from buildproof.verdict.outcomes import Family, Outcome, Verdict
from buildproof.verdict.peak import PeakState, judge_peak
from buildproof.verdict.rules_trust import limits_unmet


class Claim(StrEnum):
    """What can be claimed of a build; one test each."""

    MEASURED = "measured"
    BUILDS = "builds"
    NO_SIGBUS = "no-sigbus"
    NO_OOM_KILL = "no-oom-kill"
    PEAK_MEMORY = "peak-memory"
    TIME_LIMIT = "time-limit"
    ARTIFACTS_VALID = "artifacts-valid"
    STARTS = "starts"


class Answer(StrEnum):
    """A claim's answer: one that cannot be decided is never taken for held."""

    HELD = "held"
    BROKEN = "broken"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Decision:
    """An answer and why."""

    answer: Answer
    why: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a decision is made from."""

    evidence: Evidence
    budget: Budget
    verdict: Verdict


def _held(why: str) -> Decision:
    return Decision(Answer.HELD, why)


def _broken(why: str) -> Decision:
    return Decision(Answer.BROKEN, why)


def _undecided(why: str) -> Decision:
    return Decision(Answer.UNDECIDED, why)


def decide(claim: Claim, case: Case) -> Decision:
    """Decide one claim about one build."""
    if claim is Claim.MEASURED:
        return _measured(case)
    if case.verdict.outcome.family in {Family.INFRASTRUCTURE, Family.MEASUREMENT}:
        return _undecided(f"{case.verdict.outcome}: {case.verdict.summary}")
    return _DECIDE[claim](case)


def _measured(case: Case) -> Decision:
    verdict = case.verdict
    if verdict.outcome.family in {Family.INFRASTRUCTURE, Family.MEASUREMENT}:
        return _broken(f"{verdict.outcome}: {verdict.summary}")
    unmet = limits_unmet(case.evidence)
    return _broken(unmet) if unmet else _held("limits read back from the kernel, the probe there from start to end")


def _unfinished(case: Case) -> str | None:
    """Why nothing can be said of the whole build, because the harness ended it early."""
    evidence = case.evidence
    if evidence.stopped is None:
        return None
    reason = {
        Stop.TIME_LIMIT: "at its time limit",
        Stop.SILENT: "for its silence",
        Stop.DISK_LIMIT: "at its disk limit",
    }.get(evidence.stopped, "early")
    return f"the build was ended {reason}, {duration(evidence.stopped_at_s)} in"


def _builds(case: Case) -> Decision:
    if case.verdict.cause == "disk-limit":
        return _broken(case.verdict.summary)
    if unfinished := _unfinished(case):
        return _undecided(unfinished)
    verdict, code = case.verdict, case.evidence.exit_code
    if verdict.outcome is Outcome.CRASHED:
        return _broken(verdict.summary)
    if code == 0:
        return _held("the command exited 0")
    told_elsewhere = {Outcome.SIGBUS: Claim.NO_SIGBUS, Outcome.OUT_OF_MEMORY: Claim.NO_OOM_KILL}
    if verdict.outcome in told_elsewhere and verdict.cause != "address-space":
        return _undecided(f"the command exited {code} because of what “{told_elsewhere[verdict.outcome]}” tells")
    return _broken(verdict.summary)


def _no_sigbus(case: Case) -> Decision:
    evidence = case.evidence
    if dead := signalled_by(evidence, signal.SIGBUS):
        first = dead[0]
        return _broken(
            f"{named(first)} died of SIGBUS {duration(first.at_s)} into the build (grade kernel: process accounting)"
            + (f", and {len(dead) - 1} more" if len(dead) > 1 else "")
        )
    if case.verdict.outcome is Outcome.SIGBUS:
        return _broken(case.verdict.summary)
    if not evidence.accounting:
        refused = evidence.accounting_refused or "process accounting was not on"
        return _undecided(f"none was observed, but it is not proved: {refused}")
    if unfinished := _unfinished(case):
        return _undecided(f"{unfinished}; none until then")
    if evidence.processes.exited is None:
        return _undecided("the probe's count of the processes that ended did not arrive")
    if unknown := signalled_by(evidence, None):
        return _undecided(
            f"a signal ended {named(unknown[0])}, and which is not known: its main thread had ended before it"
        )
    return _held(f"none of the {evidence.processes.exited} processes that ended died of it (grade kernel)")


def _no_oom_kill(case: Case) -> Decision:
    kills = case.evidence.memory.oom_kills
    if kills or (case.verdict.outcome is Outcome.OUT_OF_MEMORY and case.verdict.cause == "own-limit"):
        return _broken(case.verdict.summary if case.verdict.outcome is Outcome.OUT_OF_MEMORY else f"{kills} kills")
    if kills is None:
        return _undecided("the kernel's counter of OOM kills could not be read")
    if unfinished := _unfinished(case):
        return _undecided(f"{unfinished}; none until then")
    return _held("the kernel's counter of OOM kills did not move (grade kernel)")


def _peak_memory(case: Case) -> Decision:
    if case.budget.peak_memory is None:
        return _undecided("the manifest gives no `peak-memory`")
    peak = judge_peak(case.evidence.memory, case.budget.peak_memory)
    if peak.over:
        return _broken(peak.why)
    if peak.state is PeakState.UNKNOWN:
        return _undecided(peak.why)
    if unfinished := _unfinished(case):
        return _undecided(f"{unfinished}; {peak.why}")
    if case.evidence.exit_code != 0:
        return _undecided(f"the build failed before its end; until then {peak.why}")
    return _held(f"{peak.state}: {peak.why}")


def _time_limit(case: Case) -> Decision:
    time = case.evidence.time
    if case.evidence.stopped in {Stop.TIME_LIMIT, Stop.SILENT}:
        return _broken(case.verdict.summary)
    if case.evidence.exit_code != 0:
        return _undecided(f"the build failed after {duration(time.wall_s)}, before its end")
    stopped = f", stopped from outside for {duration(time.paused_s)} of it" if time.paused_s else ""
    return _held(f"{duration(time.wall_s)} of {duration(case.budget.time_limit)}{stopped}")


def _not_collected(case: Case) -> Decision:
    return _undecided(f"no artifact was collected: {case.verdict.outcome}")


def _artifacts_valid(case: Case) -> Decision:
    if case.evidence.artifacts is None:
        return _not_collected(case)
    broken = [
        f"{artifact.path}: {check.id}: {check.message}" + (f". {check.mend}" if check.mend else "")
        for artifact in case.evidence.artifacts
        for check in artifact.checks
        if check.status is CheckStatus.FAIL
    ]
    if broken:
        return _broken("\n".join(broken))
    unchecked = [artifact.path for artifact in case.evidence.artifacts if not artifact.checks]
    if unchecked or not case.evidence.artifacts:
        return _undecided(f"not checked: {', '.join(unchecked) or 'nothing was collected'}")
    names = ", ".join(artifact.path for artifact in case.evidence.artifacts)
    return _held(f"{names}: every check passed")


def _starts(case: Case) -> Decision:
    if case.evidence.artifacts is None:
        return _not_collected(case)
    tried = [artifact for artifact in case.evidence.artifacts if artifact.started]
    if not tried:
        return _undecided("no artifact was fit to be started")
    for artifact in tried:
        if artifact.started and artifact.started.complaint:
            return _broken(f"{artifact.path} in {artifact.started.image}: {artifact.started.complaint}")
    return _held(", ".join(f"{a.path} started in {a.started.image}" for a in tried if a.started))


_DECIDE: dict[Claim, Callable[[Case], Decision]] = {
    Claim.BUILDS: _builds,
    Claim.NO_SIGBUS: _no_sigbus,
    Claim.NO_OOM_KILL: _no_oom_kill,
    Claim.PEAK_MEMORY: _peak_memory,
    Claim.TIME_LIMIT: _time_limit,
    Claim.ARTIFACTS_VALID: _artifacts_valid,
    Claim.STARTS: _starts,
}
