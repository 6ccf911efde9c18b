"""Rules about time: the harness stopped the build. Why it was not done by then is told as far as the counters know."""

from __future__ import annotations

from buildproof.evidence import Evidence, Grade, Memory, Stop
from buildproof.units import duration, size
from buildproof.verdict.case import Budget
from buildproof.verdict.clues import memory_clue, ranked, roomier, size_word
from buildproof.verdict.culprit import named
from buildproof.verdict.outcomes import Clue, Outcome, Verdict

_STALLED_SHARE = 0.2  # of the wall time in which nothing could go on for want of memory: PSI, "full"
_FAULTS_PER_S = 200.0  # where there is no PSI: pages read back from disk that had been there before
_BUSY_SHARE = 0.5
_THROTTLED_SHARE = 0.2
_ASLEEP_SHARE = 0.05
_OTHERS_SHARE = 0.4  # of the host's CPUs


def time_limit(evidence: Evidence, budget: Budget) -> Verdict | None:
    """The wall limit was reached; `thrashing` when memory, not work, took the time."""
    if evidence.stopped is not Stop.TIME_LIMIT:
        return None
    limit = duration(budget.time_limit)
    at_work = _at_work(evidence)
    thrashed = thrashing(evidence)
    if thrashed:
        memory = evidence.memory
        return Verdict(
            outcome=Outcome.TIME_LIMIT,
            cause="thrashing",
            grade=Grade.HARNESS,
            summary=f"Still building at its time limit of {limit}{at_work}, and stopped there: it spent its time"
            f" reading back what its memory limit of {size(memory.limit)} had no room for.",
            evidence=ranked((_stopped(limit), thrashed, memory_clue(memory))),
            advice=(_more_memory(memory),),
        )
    return Verdict(
        outcome=Outcome.TIME_LIMIT,
        cause="wall-time",
        grade=Grade.HARNESS,
        summary=f"Still building at its time limit of {limit}{at_work}, and stopped there.",
        evidence=ranked((_stopped(limit), _cpu(evidence), _others(evidence), memory_clue(evidence.memory))),
        advice=(_more_time(evidence, budget),),
    )


def silent(evidence: Evidence, budget: Budget) -> Verdict | None:
    """The build wrote nothing for too long."""
    if evidence.stopped is not Stop.SILENT:
        return None
    limit = duration(budget.silent_limit)
    last = next((line for line in reversed(evidence.last_lines) if line.strip()), None)
    said = Clue(grade=Grade.LOG, text=f"its last line was “{last.strip()[:160]}”") if last else None
    return Verdict(
        outcome=Outcome.SILENT,
        cause="no-output",
        grade=Grade.HARNESS,
        summary=f"No output for {limit}{_at_work(evidence)}, and stopped {duration(evidence.stopped_at_s)} in.",
        evidence=ranked(
            (Clue(grade=Grade.HARNESS, text=f"nothing was printed for {limit}"), _cpu(evidence), said),
        ),
        advice=(
            f"Look at what it waited for after its last line; raise `silent-limit` from {limit} for a quiet build.",
        ),
    )


def thrashing(evidence: Evidence) -> Clue | None:
    """The kernel's word that memory was read back over and over; None when it says no such thing, or nothing."""
    memory, wall_s = evidence.memory, evidence.time.wall_s
    if not memory.saturated or not wall_s:
        return None
    if memory.stalled_s is not None:
        if memory.stalled_s < wall_s * _STALLED_SHARE:
            return None
        text = f"memory.pressure: nothing could go on for {duration(memory.stalled_s)} of {duration(wall_s)}"
        return Clue(grade=Grade.KERNEL, text=text)
    faults = (memory.major_faults or 0) + (memory.refaults or 0)
    if faults < wall_s * _FAULTS_PER_S:
        return None
    return Clue(
        grade=Grade.KERNEL,
        text=f"memory.stat: {_count(memory.refaults)} pages read back soon after they were given up,"
        f" {_count(memory.major_faults)} major faults in {duration(wall_s)}",
    )


def _count(number: int | None) -> str:
    return "an unknown number of" if number is None else str(number)


def _stopped(limit: str) -> Clue:
    return Clue(grade=Grade.HARNESS, text=f"the harness stopped it at {limit}")


def _at_work(evidence: Evidence) -> str:
    at_work = evidence.processes.at_work
    return f", with {named(at_work)} the largest at work" if at_work else ""


def _cpu(evidence: Evidence) -> Clue | None:
    time = evidence.time
    if time.cpu_s is None or not time.wall_s:
        return None
    throttled = f", throttled for {duration(time.throttled_s)}" if time.throttled_s else ""
    text = f"cgroup: {duration(time.cpu_s)} of CPU time in {duration(time.wall_s)}{throttled}"
    return Clue(grade=Grade.KERNEL, text=text)


def _others(evidence: Evidence) -> Clue | None:
    """What else the engine's host had to do meanwhile; None when it was little, or nobody can tell."""
    busy, own, wall, cpus = evidence.host_busy_s, evidence.time.cpu_s, evidence.time.wall_s, evidence.host_cpus
    if busy is None or own is None or not wall or not cpus or busy - own < _OTHERS_SHARE * wall * cpus:
        return None
    if own < _ASLEEP_SHARE * wall:  # it asked for nothing
        return None
    share = (busy - own) / (wall * cpus)
    text = (
        f"/proc/stat: other work on the engine's host took {duration(busy - own)} of CPU time, {share:.0%} of its CPUs"
    )
    return Clue(grade=Grade.KERNEL, text=text)


def _more_memory(memory: Memory) -> str:
    if not memory.limit:
        return "Give the builder more memory."
    return (
        f"Raise `mem_limit` from {size_word(memory.limit)} to {roomier(memory.limit)}, or let fewer jobs run at once."
    )


def _more_time(evidence: Evidence, budget: Budget) -> str:
    time = evidence.time
    limit = duration(budget.time_limit)
    if time.cpu_s is None or not time.wall_s:
        return f"Raise `time-limit` above {limit}, if the build is known to need longer."
    if time.throttled_s and time.throttled_s > time.wall_s * _THROTTLED_SHARE:
        return (
            f"Give the builder more `cpus`: it was held back for {duration(time.throttled_s)}; or raise `time-limit`."
        )
    if _others(evidence):
        return "Run it again while the engine's host has little else to do: other work took the CPUs."
    if time.cpu_s > time.wall_s * _BUSY_SHARE:
        return f"Raise `time-limit` to {duration(2 * (budget.time_limit or 0))}: it was at work all the time."
    return (
        f"It used {duration(time.cpu_s)} of CPU time in {limit}: look in the log for what it waited on before you raise"
        " `time-limit`."
    )
