"""From evidence to a verdict: a pure function. What the harness did itself goes before kernel counters, those before
exit signals, those before exit status, and log text comes last."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from buildproof.evidence import CheckStatus, Evidence, Grade, ProcessEnd, Space, Stop
from buildproof.units import duration, size
from buildproof.verdict.culprit import named, signal_name
from buildproof.verdict.outcomes import Outcome, Verdict
from buildproof.verdict.peak import judge_peak

CRASH_SIGNALS = frozenset({signal.SIGSEGV, signal.SIGILL, signal.SIGABRT, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP})
_SHELL_SIGNAL_BASE = 128  # a shell's exit status for a child that a signal ended, POSIX sh 2.8.2
_NEARLY_FULL = 4096  # what is left on a mount that a writer found full: less than a page or block
_NEAR_LIMIT = 0.98


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a build promises. `peak_memory` is bytes, `time_limit` and `silent_limit` are seconds."""

    peak_memory: int | None = None
    time_limit: float | None = None
    silent_limit: float | None = None


def judge(evidence: Evidence, budget: Budget) -> Verdict:
    """The verdict of the first rule that has something to say; the last one always has."""
    for rule in _RULES:
        verdict = rule(evidence, budget)
        if verdict:
            return verdict
    raise AssertionError("the last rule decides everything")


def signalled_by(evidence: Evidence, *signals: int) -> tuple[ProcessEnd, ...]:
    """The processes that one of these signals ended."""
    return tuple(end for end in evidence.processes.signalled if end.signal in signals)


def limits_unmet(evidence: Evidence) -> str | None:
    """Why the measurement cannot be trusted: the memory limit that was asked for is not in force."""
    memory = evidence.limits.get("memory")
    if memory is None or memory.in_force:
        return None
    return f"the memory limit of {memory.requested} is not in force ({memory.why or 'unknown why'})"


def _cancelled(evidence: Evidence, _budget: Budget) -> Verdict | None:
    if evidence.stopped is not Stop.CANCELLED:
        return None
    when = "" if evidence.stopped_at_s is None else f" {duration(evidence.stopped_at_s)} into the build"
    return Verdict(
        outcome=Outcome.CANCELLED, cause="cancelled", grade=Grade.HARNESS, summary=f"The run was cancelled{when}."
    )


def _not_measured(evidence: Evidence, _budget: Budget) -> Verdict | None:
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


def _time_limit(evidence: Evidence, budget: Budget) -> Verdict | None:
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


def _out_of_memory(evidence: Evidence, _budget: Budget) -> Verdict | None:
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


def full_mount(evidence: Evidence) -> tuple[str, Space] | None:
    """The smallest writable mount that was full at some moment: bytes or inodes."""
    full = [
        (mount, space)
        for mount, space in evidence.space.items()
        if space.min_free <= _NEARLY_FULL or space.min_free_inodes == 0
    ]
    return min(full, key=lambda item: item[1].size, default=None)


def _full_advice(mount: str, space: Space) -> str:
    if mount == "/dev/shm":  # noqa: S108 (the build's mount)
        return f"Raise `shm_size` above {size(space.size)}, or point TMPDIR elsewhere."
    return f"Give {mount} more than {size(space.size)}, or point the build's output or TMPDIR elsewhere."


def _sigbus(evidence: Evidence, _budget: Budget) -> Verdict | None:
    dead = signalled_by(evidence, signal.SIGBUS)
    exit_says_so = evidence.exit_code == _SHELL_SIGNAL_BASE + signal.SIGBUS
    if not dead and (evidence.accounting or not exit_says_so):
        return None
    grade = Grade.KERNEL if dead else Grade.STATUS
    who = named(dead[0]) if dead else None
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
        summary=f"{who or 'The build'}{more} died of SIGBUS{when}.{because}{after}",
        culprit=who,
        advice=(advice,),
    )


def _no_space(evidence: Evidence, _budget: Budget) -> Verdict | None:
    said = next((finding for finding in evidence.findings if finding.kind == "no-space"), None)
    if evidence.exit_code == 0 or not said:
        return None
    full = full_mount(evidence)
    where = f"{full[0]} ({size(full[1].size)}) was full." if full else "No mount of the build was seen full."
    return Verdict(
        outcome=Outcome.NO_SPACE,
        cause="full-mount" if full else "unknown",
        grade=Grade.KERNEL if full else Grade.LOG,
        summary=f"The build ran out of space: log line {said.line} says “{said.text.strip()[:160]}”. {where}",
        advice=(_full_advice(*full) if full else "Look at the space on the engine's own disk.",),
    )


def _crashed(evidence: Evidence, _budget: Budget) -> Verdict | None:
    dead = signalled_by(evidence, *CRASH_SIGNALS)
    if not dead:
        return None
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
        advice=("A crash with memory to spare is the tool's bug: try another version of it, or fewer optimizations.",),
    )


def _failed(evidence: Evidence, _budget: Budget) -> Verdict | None:
    if evidence.exit_code == 0 and evidence.stopped is None:
        return None
    code = evidence.exit_code
    killed = signalled_by(evidence, signal.SIGKILL)
    if killed and (code or 0) >= _SHELL_SIGNAL_BASE:
        return Verdict(
            outcome=Outcome.BUILD_ERROR,
            cause="killed-from-outside",
            grade=Grade.KERNEL,
            summary=f"{named(killed[0])} was killed by SIGKILL, and no memory limit did it.",
            culprit=named(killed[0]),
            advice=("Look for a kill(1) in the build itself, or for something on the host that ends processes.",),
        )
    said = {finding.kind: finding for finding in reversed(evidence.findings)}
    address_space = evidence.limits.get("address_space")
    if "no-memory" in said and address_space and address_space.in_force:
        return Verdict(
            outcome=Outcome.OUT_OF_MEMORY,
            cause="address-space",
            grade=Grade.LOG,
            summary=f"An allocation was refused, with no kill: log line {said['no-memory'].line} says "
            f"“{said['no-memory'].text.strip()[:160]}”.",
            advice=(f"Raise `address-space` above {address_space.effective}, if the build maps that much.",),
        )
    last = evidence.processes.failed[-1] if evidence.processes.failed else None
    culprit = next((end for end in evidence.processes.failed if end.exit_code != code), last)
    first_error = next((line for line in evidence.last_lines if "error" in line.lower()), None)
    quoted = f": {first_error.strip()[:200]}" if first_error else ""
    return Verdict(
        outcome=Outcome.BUILD_ERROR,
        cause="exit-status",
        grade=Grade.STATUS,
        summary=f"The command exited with status {code}{quoted}",
        culprit=named(culprit) if culprit else None,
        advice=("The log has the whole story; `reproduce` in the record runs the same build by hand.",),
    )


def _bad_artifact(evidence: Evidence, _budget: Budget) -> Verdict | None:
    for artifact in evidence.artifacts or ():
        broken = [check for check in artifact.checks if check.status is CheckStatus.FAIL]
        if broken:
            return Verdict(
                outcome=Outcome.BAD_ARTIFACT,
                cause=broken[0].id,
                grade=Grade.KERNEL,
                summary=f"{artifact.path}: {broken[0].message}",
                advice=("Each failed check in the record says where in the file and what was expected.",),
            )
    for artifact in evidence.artifacts or ():
        if artifact.started and artifact.started.complaint:
            return Verdict(
                outcome=Outcome.BAD_ARTIFACT,
                cause="does-not-start",
                grade=Grade.STATUS,
                summary=f"{artifact.path} was started in {artifact.started.image}: {artifact.started.complaint}",
                advice=("Its output is in the record; a missing DLL or library is the usual reason.",),
            )
    return None


def _over_budget(evidence: Evidence, budget: Budget) -> Verdict | None:
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


def _passed(evidence: Evidence, _budget: Budget) -> Verdict:
    return Verdict(
        outcome=Outcome.PASSED,
        grade=Grade.KERNEL if evidence.accounting else Grade.STATUS,
        summary=f"Built in {duration(evidence.time.wall_s)} with a demand peak of {size(evidence.memory.demand_peak)}.",
    )


_RULES: tuple[Callable[[Evidence, Budget], Verdict | None], ...] = (
    _cancelled,
    _not_measured,
    _time_limit,
    _out_of_memory,
    _sigbus,
    _no_space,
    _crashed,
    _failed,
    _bad_artifact,
    _over_budget,
    _passed,
)
