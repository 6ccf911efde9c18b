"""Rules about the project itself: crashes, failing commands, artifacts that are no good."""

from __future__ import annotations

import re
import signal

from buildproof.evidence import SHELL_SIGNAL_BASE, Check, CheckStatus, Evidence, Grade, LogFinding, Started
from buildproof.units import duration
from buildproof.verdict.case import Budget, signalled_by
from buildproof.verdict.clues import death, exit_status, failure, line_of, memory_clue, quoted, ranked
from buildproof.verdict.culprit import named, signal_name
from buildproof.verdict.origin import origin, said
from buildproof.verdict.outcomes import Clue, Outcome, Verdict

CRASH_SIGNALS = frozenset({signal.SIGSEGV, signal.SIGILL, signal.SIGABRT, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP})
_SAID_OF = {"segfault": signal.SIGSEGV, "abort": signal.SIGABRT}  # kinds of log findings
_ADVICE = "A crash with memory to spare is the tool's bug: try another version of it, or fewer optimizations."
_LOOK_AT_THE_CHECKS = "Each failed check in the record says where in the file and what was expected."
_ANOTHER_COMPILER = "Nothing ran out, so it is the compiler's bug: try another version of it, or fewer optimizations."
_MORE_MEMORY = "It was refused an allocation before that: look for an rlimit in the build, and give it more memory."
# `error: ...`, `error[E0432]: ...`, `make: *** [all] Error 2`, `CMake Error at ...`; not `Compiling thiserror v1.0`.
_ERROR = re.compile(r"\berror(?:\[\w+\])?:|\bCMake Error\b|\bError \d+$", re.IGNORECASE)


def crashed(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """Some process died of a signal that only a bug in a program raises."""
    dead = signalled_by(evidence, *CRASH_SIGNALS)
    if not dead:
        return None if evidence.accounting else _crash_told(evidence)
    first = dead[0]
    more = f", and {len(dead) - 1} more processes crashed" if len(dead) > 1 else ""
    after = " The build exited 0 all the same." if evidence.exit_code == 0 else ""
    return Verdict(
        outcome=Outcome.CRASHED,
        cause=signal_name(first.signal or 0),
        grade=Grade.KERNEL,
        summary=f"{named(first)} died of {signal_name(first.signal or 0)} {duration(first.at_s)} into the build"
        f"{more}.{after}",
        culprit=named(first),
        evidence=ranked(
            (*map(death, dead[:3]), memory_clue(evidence.memory), exit_status(evidence), line_of(_crash_line(evidence)))
        ),
        advice=(_ADVICE,),
    )


def _crash_line(evidence: Evidence) -> LogFinding | None:
    return next((finding for finding in evidence.findings if finding.kind in _SAID_OF), None)


def compiler_bug(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """A compiler says of itself that it has a bug: an internal compiler error, apart from all that ran out."""
    line, first = said(evidence, "compiler-bug"), origin(evidence)
    if not line or (first and first.signal == signal.SIGKILL):
        return None
    who = named(first) if first else None
    refused = said(evidence, "no-memory")
    return Verdict(
        outcome=Outcome.CRASHED,
        cause="compiler-bug",
        grade=Grade.LOG,
        summary=f"{who or 'The compiler'} stopped with an internal error: {quoted(line)}.",
        culprit=who,
        evidence=ranked(
            (failure(first), memory_clue(evidence.memory), exit_status(evidence), line_of(line), line_of(refused))
        ),
        advice=(_MORE_MEMORY if refused else _ANOTHER_COMPILER,),
    )


def _crash_told(evidence: Evidence) -> Verdict | None:
    """Without accounting the exit status of a failed command tells of a crash, and after that its log."""
    number = (evidence.exit_code or 0) - SHELL_SIGNAL_BASE
    if number in CRASH_SIGNALS:
        name, grade, told = signal_name(number), Grade.STATUS, f"its exit status is {evidence.exit_code}"
    else:
        line = _crash_line(evidence)
        if not line or not evidence.exit_code:
            return None
        name, grade, told = signal_name(_SAID_OF[line.kind]), Grade.LOG, quoted(line)
    return Verdict(
        outcome=Outcome.CRASHED,
        cause=name,
        grade=grade,
        summary=f"Some process of the build died of {name}: {told}.",
        evidence=ranked((exit_status(evidence), line_of(_crash_line(evidence)))),
        advice=(_ADVICE,),
    )


def failed(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The command did not exit 0, and nothing above knows why."""
    if evidence.exit_code == 0 and evidence.stopped is None:
        return None
    code = evidence.exit_code
    first = origin(evidence)
    if first and first.signal == signal.SIGKILL:
        return Verdict(
            outcome=Outcome.BUILD_ERROR,
            cause="killed-from-outside",
            grade=Grade.KERNEL,
            summary=f"{named(first)} was killed by SIGKILL {duration(first.at_s)} into the build,"
            " and no memory limit did it.",
            culprit=named(first),
            evidence=ranked((death(first), memory_clue(evidence.memory), exit_status(evidence))),
            advice=("Look for a kill(1) in the build itself, or for something on the host that ends processes.",),
        )
    first_error = next((line for line in evidence.last_lines if _ERROR.search(line)), None)
    quoted = f": {first_error.strip()[:200]}" if first_error else ""
    if first and first.signal:
        quoted = f": {named(first)} died of {signal_name(first.signal)} {duration(first.at_s)} into the build"
    return Verdict(
        outcome=Outcome.BUILD_ERROR,
        cause="exit-status",
        grade=Grade.STATUS,
        summary=f"The command exited with status {code}{quoted}",
        culprit=named(first) if first else None,
        evidence=ranked((death(first) if first and first.signal else failure(first), exit_status(evidence))),
        advice=("The log has the whole story; `reproduce` in the record runs the same build by hand.",),
    )


def bad_artifact(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """An output is missing, damaged, of the wrong kind, or does not start."""
    for artifact in evidence.artifacts or ():
        broken = [check for check in artifact.checks if check.status is CheckStatus.FAIL]
        if broken:
            return Verdict(
                outcome=Outcome.BAD_ARTIFACT,
                cause=broken[0].id,
                grade=Grade.HARNESS,
                summary=f"{artifact.path}: {broken[0].message}.",
                evidence=tuple(map(_check, broken[:5])),
                advice=(broken[0].mend or _LOOK_AT_THE_CHECKS,),
            )
    for artifact in evidence.artifacts or ():
        if artifact.started and artifact.started.complaint:
            return Verdict(
                outcome=Outcome.BAD_ARTIFACT,
                cause="does-not-start",
                grade=Grade.STATUS,
                summary=f"{artifact.path} was started in {artifact.started.image}: {artifact.started.complaint}",
                evidence=(_start(artifact.started),),
                advice=("Its output is in the record; a missing DLL or library is the usual reason.",),
            )
    return None


def _check(check: Check) -> Clue:
    where = "" if check.offset is None else f" at offset {check.offset:#x}"
    values = f": expected {check.expected}, found {check.actual}" if check.expected and check.actual else ""
    return Clue(grade=Grade.HARNESS, text=f"rule {check.id} failed{where}{values}")


def _start(started: Started) -> Clue:
    code = "was ended by the harness" if started.exit_code is None else f"exited with status {started.exit_code}"
    text = f"`{' '.join(started.argv)}` {code} after {duration(started.duration_s)}"
    return Clue(grade=Grade.STATUS, text=text)
