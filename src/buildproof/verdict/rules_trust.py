"""Rules about the measurement: cancelled by a person, or not to be trusted."""

from __future__ import annotations

from buildproof.box import RIGHTS
from buildproof.evidence import Evidence, Grade, Stop
from buildproof.limits import show_limit
from buildproof.units import duration, size
from buildproof.verdict.case import Budget
from buildproof.verdict.clues import memory_clue, ranked
from buildproof.verdict.outcomes import Clue, Outcome, Verdict
from buildproof.verdict.peak import PeakState, is_starved, judge_peak
from buildproof.verdict.rules_time import thrashing

_SWAPPED_WORTH_TELLING = 256 << 20  # bytes to and from the host's swap: less is housekeeping


def limits_unmet(evidence: Evidence) -> str | None:
    """Why nothing may be run, or nothing be proved: the box or the memory limit that was asked for is not in force."""
    for name in RIGHTS:
        right = evidence.limits.get(name)
        if right is not None and not right.in_force:
            word, asked, got = (
                name.replace("_", " "),
                show_limit(name, right.requested),
                show_limit(name, right.effective),
            )
            return f"the box is not shut, {word} should be {asked} and is {got}"
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
    if evidence.exit_code is not None:
        when = f" when the command had exited {evidence.exit_code}, before its outputs were examined"
    else:
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


def host_swapping(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The time limit was reached while the engine's host swapped: the time says nothing about the build."""
    swapped = evidence.host_swapped or 0
    own = evidence.memory.swap_peak or 0
    if evidence.stopped is not Stop.TIME_LIMIT or swapped - own < _SWAPPED_WORTH_TELLING or thrashing(evidence):
        return None
    told = f"/proc/vmstat: the host moved {size(swapped)} to and from swap"
    return Verdict(
        outcome=Outcome.UNMEASURED,
        cause="host-swapping",
        grade=Grade.KERNEL,
        summary=f"It reached its time limit while the engine's host was swapping ({size(swapped)} meanwhile,"
        f" {size(own)} at most of the build's own): its time proves nothing.",
        evidence=ranked((Clue(grade=Grade.KERNEL, text=told), memory_clue(evidence.memory))),
        advice=("Free memory on the engine's host, or lower `mem_limit` to what it can keep, and run it again.",),
    )


def starved(evidence: Evidence, budget: Budget) -> Verdict | None:
    """The probe was kept from sampling for so long that the memory budget cannot be judged."""
    memory = evidence.memory
    if budget.peak_memory is None or not is_starved(memory):
        return None
    peak = judge_peak(memory, budget.peak_memory)
    if peak.state is not PeakState.UNKNOWN:
        return None
    gap = duration((memory.sample_interval_ms or 0.0) / 1000)
    return Verdict(
        outcome=Outcome.UNMEASURED,
        cause="probe-starved",
        grade=Grade.HARNESS,
        summary=f"It built, but its peak memory was not measured: {peak.why}.",
        evidence=ranked((Clue(grade=Grade.HARNESS, text=f"no sample for {gap}"), memory_clue(memory))),
        advice=("Run fewer builds at once, or give the engine's host more CPUs: the probe got no time to sample.",),
    )
