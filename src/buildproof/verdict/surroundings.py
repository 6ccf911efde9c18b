"""What is said of a build whose surroundings failed: an infrastructure verdict that keeps what was seen. Pure."""

from __future__ import annotations

import signal

from buildproof.errors import FetchError, SurroundingsError, Trouble
from buildproof.evidence import Evidence, Grade
from buildproof.units import duration, size
from buildproof.verdict.case import Budget, signalled_by
from buildproof.verdict.clues import death, line_of, memory_clue, ranked
from buildproof.verdict.outcomes import Clue, Outcome, Verdict
from buildproof.verdict.rules_project import CRASH_SIGNALS

_AGAIN = "Run it again; `attempts` in the record and the log say what happened when."
_NEXT = {
    Trouble.ENGINE_DISK: "Free space on the engine's disk: `docker system df` shows what takes it.",
    Trouble.OWN_DISK: "Free space on this machine's disk, where the run's folder is, and run it again.",
    Trouble.CONTAINER_GONE: "Look for a cleaning job on the engine's host that removes containers of others.",
}


def suspicion(evidence: Evidence, budget: Budget) -> Clue | None:
    """The first thing seen so far that speaks against the project, or None: a build with one is not tried again."""
    memory = evidence.memory
    if memory.oom_kills:
        return memory_clue(memory)
    if dead := signalled_by(evidence, signal.SIGBUS, *CRASH_SIGNALS):
        return death(dead[0])
    if budget.peak_memory is not None and (memory.demand_peak or 0) > budget.peak_memory:
        text = f"cgroup: demand peak {size(memory.demand_peak)}, over the budget of {size(budget.peak_memory)}"
        return Clue(grade=Grade.KERNEL, text=text, at_s=memory.demand_peak_at_s)
    return line_of(next(iter(evidence.findings), None))


def lost(error: SurroundingsError, evidence: Evidence, budget: Budget, *, tries: int) -> Verdict:
    """The verdict of a build that an infrastructure failure ended, after so many tries."""
    ran_s = evidence.stopped_at_s
    where = f"{error.where}: " if error.where else ""
    when = "" if ran_s is None else f" {duration(ran_s)} into the build"
    ended = " The command had exited 0 by then; its outputs were not examined." if evidence.exit_code == 0 else ""
    told = f" It was tried {tries} times." if tries > 1 else ""
    against = suspicion(evidence, budget) if ran_s is not None else None
    summary = f"{where}{error.what}"
    if when:
        summary = f"It was lost{when}: {summary}."
    return Verdict(
        outcome=_outcome(error),
        cause=error.trouble.value,
        grade=Grade.HARNESS,
        summary=summary + ended + told,
        evidence=ranked((against, None if ran_s is None or against else memory_clue(evidence.memory))),
        contradictions=("it was not tried again, for what was seen until then speaks against the build",)
        if against
        else (),
        advice=(error.next_step or _NEXT.get(error.trouble, _AGAIN),),
    )


def _outcome(error: SurroundingsError) -> Outcome:
    if error.trouble in {Trouble.ENGINE_DISK, Trouble.OWN_DISK}:
        return Outcome.HOST_NO_SPACE
    return Outcome.FETCH_ERROR if isinstance(error, FetchError) else Outcome.ENGINE_ERROR
