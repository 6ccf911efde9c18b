"""What the evidence says against itself: shown, never smoothed over. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from buildproof.evidence import SHELL_SIGNAL_BASE, Evidence, LogFinding
from buildproof.units import duration
from buildproof.verdict.case import signalled_by
from buildproof.verdict.clues import full_mount, quoted
from buildproof.verdict.culprit import signal_name
from buildproof.verdict.outcomes import Outcome, Verdict

_TOLD_OF = {
    "sigbus": signal.SIGBUS,
    "segfault": signal.SIGSEGV,
    "killed": signal.SIGKILL,
    "abort": signal.SIGABRT,
}
_STEP_WORTH_TELLING_S = 1.0


def contradictions(evidence: Evidence, verdict: Verdict) -> tuple[str, ...]:
    """Each as a sentence without its full stop."""
    return tuple(_all(evidence, verdict))


def _all(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    if evidence.accounting:
        yield from _log_against_kernel(evidence, verdict)
        yield from _status_against_kernel(evidence)
    kills = evidence.memory.oom_kills
    if evidence.engine_oom_flag and kills == 0:
        yield "the engine says that the container ran out of memory, but the kernel's counter of OOM kills did not move"
    said = _first(evidence, "no-space")
    if said and not full_mount(evidence) and verdict.outcome is not Outcome.NO_SPACE:
        yield f"{quoted(said)}, but no mount of the build was seen full"
    yield from _clocks(evidence)


def _first(evidence: Evidence, kind: str) -> LogFinding | None:
    return next((finding for finding in evidence.findings if finding.kind == kind), None)


def _log_against_kernel(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    caught = {finding.line for finding in evidence.findings if finding.kind == "compiler-bug"}  # GCC tells of it so
    for kind, number in _TOLD_OF.items():
        said = _first(evidence, kind)
        explained = said and (said.line in caught or (kind == "sigbus" and verdict.outcome is Outcome.SIGBUS))
        if said and not explained and not signalled_by(evidence, number):
            yield f"{quoted(said)}, but the kernel's records have no process that died of {number.name}"


def _status_against_kernel(evidence: Evidence) -> Iterator[str]:
    number = (evidence.exit_code or 0) - SHELL_SIGNAL_BASE
    if number > 0 and number in set(signal.Signals) and not signalled_by(evidence, number):
        yield (
            f"the command's exit status {evidence.exit_code} stands for {signal_name(number)},"
            " but the kernel's records have no process that died of it"
        )


def _clocks(evidence: Evidence) -> Iterator[str]:
    time = evidence.time
    if time.suspended_s is not None and time.suspended_s > _STEP_WORTH_TELLING_S:
        yield f"the engine's host slept for {duration(time.suspended_s)} meanwhile; that time is counted nowhere"
    if time.paused_s is not None and time.paused_s > _STEP_WORTH_TELLING_S:
        yield f"the build was stopped from outside for {duration(time.paused_s)} meanwhile; no limit counts that time"
    if time.clock_step_s is not None and abs(time.clock_step_s) > _STEP_WORTH_TELLING_S:
        yield f"the wall clock of the engine's host was set by {time.clock_step_s:+.1f} s meanwhile; no figure uses it"
