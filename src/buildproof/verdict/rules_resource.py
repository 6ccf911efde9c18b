"""Rules about what ran out: time, memory, space. Each returns a verdict, or None when it has nothing to say."""

from __future__ import annotations

import signal

from buildproof.evidence import Evidence, Grade, LogFinding, Space, Stop
from buildproof.limits import show_limit
from buildproof.units import duration, size
from buildproof.verdict.case import SHELL_SIGNAL_BASE, Budget, signalled_by
from buildproof.verdict.culprit import named
from buildproof.verdict.origin import origin
from buildproof.verdict.outcomes import Outcome, Verdict
from buildproof.verdict.peak import judge_peak
from buildproof.verdict.rules_project import CRASH_SIGNALS

_NEARLY_FULL = 4096  # what is left on a mount that a writer found full: less than a page or block
_NEAR_LIMIT = 0.98


def time_limit(evidence: Evidence, budget: Budget) -> Verdict | None:
    """The harness stopped the build: wall limit or silence."""
    if evidence.stopped is Stop.TIME_LIMIT:
        limit = duration(budget.time_limit)
        cpu, wall = evidence.time.cpu_s, evidence.time.wall_s
        busy = f" It had used {duration(cpu)} of CPU time." if cpu is not None and wall else ""
        return Verdict(
            outcome=Outcome.TIME_LIMIT,
            cause="wall-time",
            grade=Grade.HARNESS,
            summary=f"Still building at its time limit of {limit}, and stopped there.{busy}",
            advice=("Raise `time-limit`, or give the builder more `cpus`, if the build is known to need longer.",),
        )
    if evidence.stopped is Stop.SILENT:
        return Verdict(
            outcome=Outcome.SILENT,
            cause="no-output",
            grade=Grade.HARNESS,
            summary=f"No output for {duration(budget.silent_limit)}, and stopped {duration(evidence.stopped_at_s)} in.",
            advice=("Look at the last log lines for what it waited on; raise `silent-limit` for a quiet build.",),
        )
    return None


def out_of_memory(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The kernel's counter says that a process was killed for lack of memory, whatever the build then exited with."""
    memory = evidence.memory
    if memory.oom_kills is None and evidence.engine_oom_flag:
        return Verdict(
            outcome=Outcome.OUT_OF_MEMORY,
            cause="own-limit",
            grade=Grade.STATUS,
            summary="The engine says that the container ran out of memory; the kernel's counter could not be read.",
            advice=(f"Raise `mem_limit` above {size(memory.limit)}.",),
        )
    if not memory.oom_kills:
        return None
    victims = signalled_by(evidence, signal.SIGKILL)
    who = ", ".join(named(end) for end in victims[:3]) or "a process that accounting did not name"
    kills = f"{memory.oom_kills} kill{'s' if memory.oom_kills > 1 else ''}"
    peak, limit = memory.charged_peak, memory.limit
    own = bool(memory.limit_hits) or (peak is not None and limit is not None and peak >= limit * _NEAR_LIMIT)
    if not own:
        return Verdict(
            outcome=Outcome.HOST_OUT_OF_MEMORY,
            cause="host",
            grade=Grade.KERNEL,
            summary=f"The host, not the build's limit, ran out of memory and killed {who} ({kills}).",
            culprit=who,
            advice=("Free memory on the engine's host, or give the builder a `mem_limit` that the host can keep.",),
        )
    after = " The build went on and exited 0 all the same." if evidence.exit_code == 0 else ""
    return Verdict(
        outcome=Outcome.OUT_OF_MEMORY,
        cause="own-limit",
        grade=Grade.KERNEL,
        summary=f"The build's limit of {size(limit)} killed {who} ({kills} counted by the kernel).{after}",
        culprit=who,
        advice=(
            f"Raise `mem_limit` above {size(limit)}; demand reached at least {size(memory.demand_peak)}.",
            "Or need less at once: fewer jobs, `codegen-units = 1`, no debug info, `-Wl,--no-keep-memory` for GNU ld.",
        ),
    )


def _said(evidence: Evidence, kind: str) -> LogFinding | None:
    """The first telling line of a kind in the log of a command that did not exit 0."""
    return next((f for f in evidence.findings if f.kind == kind), None) if evidence.exit_code != 0 else None


def _first(evidence: Evidence) -> str | None:
    """Who failed first, if the kernel's records tell."""
    first = origin(evidence)
    return named(first) if first else None


def full_mount(evidence: Evidence) -> tuple[str, Space] | None:
    """The smallest writable mount that was full at some moment: bytes or inodes."""
    full = [
        (mount, space)
        for mount, space in evidence.space.items()
        if space.min_free <= _NEARLY_FULL or space.min_free_inodes == 0
    ]
    return min(full, key=lambda item: item[1].size, default=None)


def _full_advice(mount: str, space: Space) -> str:
    if space.min_free > _NEARLY_FULL:
        return f"{mount} had no inode left: let the build keep fewer files there, or raise its `nr_inodes`."
    if mount == "/dev/shm":  # noqa: S108 (the build's mount)
        return f"Raise `shm_size` above {size(space.size)}, or point TMPDIR elsewhere."
    return f"Give {mount} more than {size(space.size)}, or point the build's output or TMPDIR elsewhere."


def sigbus(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """A process died of SIGBUS; without accounting, the exit status of a failed command may say so, or its log.

    A compiler that catches the signal and exits in its own way leaves no other trace than its own word.
    """
    dead = signalled_by(evidence, signal.SIGBUS)
    exit_says_so = evidence.exit_code == SHELL_SIGNAL_BASE + signal.SIGBUS
    caught, said = _said(evidence, "sigbus-caught"), _said(evidence, "sigbus")
    if not dead and not caught and (evidence.accounting or not (exit_says_so or said)):
        return None
    grade = Grade.KERNEL if dead else Grade.STATUS if exit_says_so else Grade.LOG
    told = f" Log line {said.line} says “{said.text.strip()[:160]}”." if said and grade is Grade.LOG else ""
    who = named(dead[0]) if dead else _first(evidence) if caught else None
    met = "died of" if dead or not caught else "caught"
    more = f" and {len(dead) - 1} more" if len(dead) > 1 else ""
    when = f" {duration(dead[0].at_s)} into the build" if dead else ""
    after = " The build exited 0 all the same." if evidence.exit_code == 0 else ""
    cause, because, advice = "unknown", "", "Look for a file cut while it was mapped, or a full file system outside."
    if full := full_mount(evidence):
        mount, space = full
        cause, because = "full-mount", f" {mount} ({size(space.size)}) was full at {duration(space.min_free_at_s)}."
        advice = _full_advice(mount, space)
    return Verdict(
        outcome=Outcome.SIGBUS,
        cause=cause,
        grade=grade,
        summary=f"{who or 'Some process of the build'}{more} {met} SIGBUS{when}.{told}{because}{after}",
        culprit=who,
        advice=(advice,),
    )


def no_space(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The build failed and says that it ran out of space."""
    said, full = _said(evidence, "no-space"), full_mount(evidence)
    if not said or (not full and signalled_by(evidence, *CRASH_SIGNALS)):  # text alone goes after a signal
        return None
    where = f"{full[0]} ({size(full[1].size)}) was full." if full else "No mount of the build was seen full."
    return Verdict(
        outcome=Outcome.NO_SPACE,
        cause="full-mount" if full else "unknown",
        grade=Grade.KERNEL if full else Grade.LOG,
        summary=f"The build ran out of space: log line {said.line} says “{said.text.strip()[:160]}”. {where}",
        culprit=_first(evidence),
        advice=(_full_advice(*full) if full else "Look at the space on the engine's own disk.",),
    )


def address_space(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """An allocation was refused under an address-space limit: rustc and LLVM then abort, so SIGABRT is no bug here."""
    said, limit = _said(evidence, "no-memory"), evidence.limits.get("address_space")
    if not said or not limit or not limit.in_force:
        return None
    killed = signalled_by(evidence, signal.SIGKILL) and (evidence.exit_code or 0) >= SHELL_SIGNAL_BASE
    if killed or signalled_by(evidence, *(CRASH_SIGNALS - {signal.SIGABRT})):
        return None
    return Verdict(
        outcome=Outcome.OUT_OF_MEMORY,
        cause="address-space",
        grade=Grade.LOG,
        summary=f"An allocation was refused, with no kill: log line {said.line} says “{said.text.strip()[:160]}”.",
        culprit=_first(evidence),
        advice=(
            f"Raise `address-space` above {show_limit('address_space', limit.effective)}, if the build maps that much.",
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
    return Verdict(
        outcome=Outcome.BUILD_ERROR,
        cause="pids-limit",
        grade=Grade.KERNEL,
        summary=f"The limit of {bound} processes and threads refused a new one {refused}, and the command exited with"
        f" status {evidence.exit_code}.",
        culprit=_first(evidence),
        advice=(f"Raise `pids_limit` above {bound}, or start fewer at once: fewer jobs, fewer linker threads.",),
    )


def over_budget(evidence: Evidence, budget: Budget) -> Verdict | None:
    """It built, but needed more memory than it promises."""
    if budget.peak_memory is None:
        return None
    peak = judge_peak(evidence.memory, budget.peak_memory)
    if not peak.over:
        return None
    top = evidence.processes.top
    who = f" The largest process was {named(top[0])} with {size(top[0].peak_rss)}." if top else ""
    demand = evidence.memory.demand_peak or 0
    return Verdict(
        outcome=Outcome.OVER_BUDGET,
        cause="peak-memory",
        grade=Grade.KERNEL,
        summary=f"It built, but over its memory budget: {peak.why}.{who}",
        culprit=named(top[0]) if top else None,
        advice=(f"Set `peak-memory` above {size(demand)}, or find out what grew.",),
    )
