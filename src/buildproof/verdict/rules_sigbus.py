"""The rule about SIGBUS: who died of it, and which of its four causes the evidence shows."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from buildproof.evidence import SHELL_SIGNAL_BASE, CutFile, Evidence, Grade, ProcessEnd
from buildproof.units import duration, size
from buildproof.verdict.case import Budget, signalled_by
from buildproof.verdict.clues import (
    death,
    exit_status,
    failure,
    full_mount,
    fullness,
    has_no_inode,
    line_of,
    more_room,
    quoted,
    ranked,
)
from buildproof.verdict.culprit import named
from buildproof.verdict.origin import origin, said
from buildproof.verdict.outcomes import Clue, Outcome, Verdict


@dataclass(frozen=True)
class _Cause:
    """One explanation: its name, the end of the summary's sentence, what shows it, and what to do."""

    name: str
    because: str
    clue: Clue | None
    advice: str


def sigbus(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """A process died of SIGBUS; without accounting, the exit status of a failed command may say so, or its log.

    A compiler that catches the signal and exits in its own way leaves no other trace than its own word.
    """
    dead = signalled_by(evidence, signal.SIGBUS)
    exit_says_so = evidence.exit_code == SHELL_SIGNAL_BASE + signal.SIGBUS
    caught, line = said(evidence, "sigbus-caught"), said(evidence, "sigbus")
    if not dead and not caught and (evidence.accounting or not (exit_says_so or line)):
        return None
    grade = Grade.KERNEL if dead else Grade.STATUS if exit_says_so else Grade.LOG
    told = f" ({quoted(line)})" if line and grade is Grade.LOG else ""
    catcher = origin(evidence) if caught and not dead else None
    first = dead[0] if dead else catcher
    met = "died of" if dead or not caught else "caught"
    more = f" and {len(dead) - 1} more" if len(dead) > 1 else ""
    when = f" {duration(dead[0].at_s)} into the build" if dead else ""
    after = " The build exited 0 all the same." if evidence.exit_code == 0 else ""
    cause = _cause(evidence, dead or ((catcher,) if catcher else ()))
    who = named(first) if first else None
    return Verdict(
        outcome=Outcome.SIGBUS,
        cause=cause.name,
        grade=grade,
        summary=f"{who or 'Some process of the build'}{more} {met} SIGBUS{when}{told}{cause.because}.{after}",
        culprit=who,
        evidence=ranked((*map(death, dead[:3]), cause.clue, failure(catcher), exit_status(evidence), line_of(line))),
        advice=(cause.advice,),
    )


def _cause(evidence: Evidence, struck: tuple[ProcessEnd, ...]) -> _Cause:
    full = full_mount(evidence)
    if full and not has_no_inode(full[1]):  # pages of a mapping need no inode
        mount, space = full
        because = f", when {mount} ({size(space.size)}) was full"
        return _Cause("full-mount", because, fullness(mount, space), more_room(mount, space))
    cut = next((cut for end in struck for cut in end.cut_files), None)
    if cut:
        return _Cause(
            "truncated-file",
            f", and {cut.path} is cut short",
            Clue(grade=Grade.KERNEL, text=_cut_text(cut)),
            f"Remove {cut.path} and build again; then find what cut it: two jobs that write the same file, a copy that"
            " was broken off, or a disk that was full.",
        )
    if evidence.emulated:
        return _Cause(
            "emulated-cpu",
            f", and its CPU is emulated: {evidence.emulated}",
            Clue(grade=Grade.HARNESS, text=evidence.emulated),
            "Build with an image for the engine's own CPU: emulators raise SIGBUS where the real CPU does not.",
        )
    return _Cause(
        "unknown",
        "",
        None,
        "No mount was seen full and no file was found cut: look for a file that was replaced while it was mapped, or"
        " for a full file system outside of the build.",
    )


def _cut_text(cut: CutFile) -> str:
    if cut.needed is None:
        return f"{cut.path} is empty: every page of a mapping lies beyond its end"
    return f"{cut.path} has {size(cut.size)}, but {size(cut.needed)} of it are mapped or promised by its headers"
