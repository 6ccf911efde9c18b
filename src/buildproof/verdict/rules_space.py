"""Rules about room: disks, tmpfs, inodes, quotas, processes."""

from __future__ import annotations

import signal

from buildproof.evidence import Evidence, Grade
from buildproof.limits import show_limit
from buildproof.units import size
from buildproof.verdict.case import Budget, signalled_by
from buildproof.verdict.clues import (
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
from buildproof.verdict.origin import first_named, origin, said
from buildproof.verdict.outcomes import Clue, Outcome, Verdict
from buildproof.verdict.rules_project import CRASH_SIGNALS


def no_space(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The build failed and says that it ran out of space: ENOSPC or EDQUOT."""
    line, full = said(evidence, "no-space") or said(evidence, "quota"), full_mount(evidence)
    if not line or (not full and signalled_by(evidence, *CRASH_SIGNALS)):  # text alone goes after a signal
        return None
    who = first_named(evidence)
    clues = (failure(origin(evidence)), exit_status(evidence), line_of(line))
    if full:
        mount, space = full
        lacking = "had no inode left" if has_no_inode(space) else f"({size(space.size)}) was full"
        return Verdict(
            outcome=Outcome.NO_SPACE,
            cause="no-inodes" if has_no_inode(space) else "full-mount",
            grade=Grade.KERNEL,
            summary=f"{who or 'The build'} ran out of space: {quoted(line)}. {mount} {lacking}.",
            culprit=who,
            evidence=ranked((fullness(mount, space), *clues)),
            advice=(more_room(mount, space),),
        )
    quota = line.kind == "quota"
    return Verdict(
        outcome=Outcome.NO_SPACE,
        cause="quota" if quota else "unknown",
        grade=Grade.LOG,
        summary=f"{who or 'The build'} ran out of space: {quoted(line)}. No mount of the build was seen full.",
        culprit=who,
        evidence=ranked(clues),
        advice=(
            "A quota of the engine's storage was used up: raise it, or free what counts against it."
            if quota
            else "Look at the space on the engine's own disk, and for a mount that was freed again at once.",
        ),
    )


def pids_limit(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The kernel refused a new process or thread, and the build failed: some tools abort then, with SIGABRT."""
    hits, limit = evidence.processes.limit_hits, evidence.limits.get("pids")
    if evidence.exit_code == 0 or not hits or not limit:
        return None
    if signalled_by(evidence, *(CRASH_SIGNALS - {signal.SIGABRT})):
        return None
    bound = show_limit("pids", limit.effective)
    refused = f"{hits} time{'s' if hits > 1 else ''}"
    peak = evidence.processes.peak_pids
    at_the_peak = f", {peak} at the peak" if peak else ""
    counted = Clue(grade=Grade.KERNEL, text=f"pids.events: {refused} refused{at_the_peak}")
    clues = (counted, failure(origin(evidence)), exit_status(evidence), line_of(said(evidence, "no-processes")))
    return Verdict(
        outcome=Outcome.BUILD_ERROR,
        cause="pids-limit",
        grade=Grade.KERNEL,
        summary=f"The limit of {bound} processes and threads refused a new one {refused}, and the command exited with"
        f" status {evidence.exit_code}.",
        culprit=first_named(evidence),
        evidence=ranked(clues),
        advice=(f"Raise `pids_limit` above {bound}, or start fewer at once: fewer jobs, fewer linker threads.",),
    )
