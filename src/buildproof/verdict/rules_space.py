"""Rules about room: disks, tmpfs, inodes, quotas, processes."""

from __future__ import annotations

import signal

from buildproof.evidence import Evidence, Grade, Stop
from buildproof.limits import show_limit
from buildproof.units import duration, size
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
from buildproof.verdict.culprit import named
from buildproof.verdict.origin import first_named, origin, said
from buildproof.verdict.outcomes import Clue, Outcome, Verdict
from buildproof.verdict.rules_project import CRASH_SIGNALS


def disk_limit(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The build's files took more of the disk than its box allows; it may have ended before it could be stopped."""
    limit, used = evidence.limits.get("disk"), evidence.disk_used
    if limit is None or used is None or not isinstance(limit.requested, int) or used <= limit.requested:
        return None
    bound, stopped = size(limit.requested), evidence.stopped is Stop.DISK_LIMIT
    when = f"; it was stopped {duration(evidence.stopped_at_s)} in" if stopped else ""
    counted = Clue(grade=Grade.KERNEL, text=f"stat(2): {size(used)} in its files, removed but open ones among them")
    stop = Clue(grade=Grade.HARNESS, text=f"the harness stopped it above {bound}") if stopped else None
    return Verdict(
        outcome=Outcome.NO_SPACE,
        cause="disk-limit",
        grade=Grade.HARNESS if stopped else Grade.KERNEL,
        summary=f"The build's files went beyond its disk limit of {bound} by {size(used - limit.requested)}{when}.",
        evidence=ranked((stop, counted, exit_status(evidence))),
        advice=(f"Raise `disk-limit` above {size(used)}, or have the build remove what it no longer needs.",),
    )


def file_size(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The build failed, and the kernel ended a process of it for a file that grew too large: SIGXFSZ, setrlimit(2)."""
    ended, limit = signalled_by(evidence, signal.SIGXFSZ), evidence.limits.get("ulimit fsize")
    if not ended or evidence.exit_code == 0:
        return None
    bound = limit.effective if limit and isinstance(limit.effective, tuple) else None
    told = size(bound[0]) if bound else "its limit"
    return Verdict(
        outcome=Outcome.NO_SPACE,
        cause="file-size-limit",
        grade=Grade.KERNEL,
        summary=f"{named(ended[0])} was ended by SIGXFSZ: it made a file larger than {told}.",
        culprit=named(ended[0]),
        evidence=ranked((failure(origin(evidence)), exit_status(evidence))),
        advice=(f"Raise `ulimits: {{fsize: …}}` above {told}, or find out why so large a file is written.",),
    )


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
