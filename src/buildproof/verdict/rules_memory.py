"""Rules about memory: who ran out of it, by whose limit, and what the build promised."""

from __future__ import annotations

import signal

from buildproof.evidence import SHELL_SIGNAL_BASE, AncestorLimit, Evidence, Grade, Memory
from buildproof.units import size
from buildproof.verdict.case import Budget, signalled_by
from buildproof.verdict.clues import (
    budget_for,
    death,
    exit_status,
    holders_clue,
    line_of,
    memory_clue,
    quoted,
    ranked,
    roomier,
    size_word,
)
from buildproof.verdict.culprit import named
from buildproof.verdict.origin import first_named, said
from buildproof.verdict.outcomes import Clue, Outcome, Verdict
from buildproof.verdict.peak import judge_peak
from buildproof.verdict.rules_project import CRASH_SIGNALS

_NEAR_LIMIT = 0.98
_FEWER = "fewer jobs at once, `codegen-units = 1`, less debug info"


def out_of_memory(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """The kernel's counter says that a process was killed for lack of memory, whatever the build then exited with."""
    memory = evidence.memory
    if memory.oom_kills is None and evidence.engine_oom_flag:
        return Verdict(
            outcome=Outcome.OUT_OF_MEMORY,
            cause="own-limit",
            grade=Grade.STATUS,
            summary="The engine says that the container ran out of memory; the kernel's counter could not be read.",
            evidence=ranked((memory_clue(memory), exit_status(evidence))),
            advice=(_more_memory(memory),),
        )
    if not memory.oom_kills:
        return None
    victims = signalled_by(evidence, signal.SIGKILL)
    who = ", ".join(named(end) for end in victims[:3]) or "a process that accounting did not name"
    kills = f"{memory.oom_kills} kill{'s' if memory.oom_kills > 1 else ''} counted by the kernel"
    when = f" {victims[0].at_s:.1f} s into the build" if victims else ""
    after = " The build went on and exited 0 all the same." if evidence.exit_code == 0 else ""
    above = _hit_above(memory)
    clues = ranked(
        (
            memory_clue(memory),
            *map(death, victims[:3]),
            holders_clue(memory),
            _hits(above) if above else None,
            exit_status(evidence),
        )
    )
    if _is_own(memory):
        return Verdict(
            outcome=Outcome.OUT_OF_MEMORY,
            cause="own-limit",
            grade=Grade.KERNEL,
            summary=f"The build's limit of {size(memory.limit)} killed {who}{when} ({kills}).{after}",
            culprit=who,
            evidence=clues,
            advice=(_more_memory(memory),),
        )
    if above:
        return Verdict(
            outcome=Outcome.OUT_OF_MEMORY,
            cause="parent-limit",
            grade=Grade.KERNEL,
            summary=f"A limit above the build's own, {size(above.limit)} of cgroup {above.path}, killed {who}{when}"
            f" ({kills}).{after}",
            culprit=who,
            evidence=clues,
            advice=(_more_above(above),),
        )
    return Verdict(
        outcome=Outcome.HOST_OUT_OF_MEMORY,
        cause="host",
        grade=Grade.KERNEL,
        summary=f"The host, not the build's limit, ran out of memory and killed {who}{when} ({kills}).",
        culprit=who,
        evidence=clues,
        advice=(_more_on_the_host(memory),),
    )


def _is_own(memory: Memory) -> bool:
    """Whether the limit that killed is the build's. v2 counts that; v1 does not, but its mark stands at the limit."""
    if memory.own_ooms is not None:
        return memory.own_ooms > 0
    peak, limit = memory.charged_peak, memory.limit
    if peak is not None and limit is not None and peak >= limit * _NEAR_LIMIT:
        return True
    return bool(memory.limit_hits) and _hit_above(memory) is None


def _hit_above(memory: Memory) -> AncestorLimit | None:
    return next((above for above in memory.ancestors if above.limit_hits), None)


def _hits(above: AncestorLimit) -> Clue:
    return Clue(grade=Grade.KERNEL, text=f"cgroup {above.path}: its limit of {size(above.limit)} was hit")


def _more_above(above: AncestorLimit) -> str:
    return (
        f"Raise the limit of {above.path} above {size(above.limit)}, run fewer builds below it at once, or give the"
        " builder a `mem_limit` under it."
    )


def _more_on_the_host(memory: Memory) -> str:
    return (
        f"Free memory on the engine's host: the build had only {size(memory.charged_peak)} of its {size(memory.limit)};"
        " or give the builder a `mem_limit` that the host can keep."
    )


def _more_memory(memory: Memory) -> str:
    if not memory.limit:
        return f"Give the builder more memory, or need less: {_FEWER}."
    return f"Raise `mem_limit` from {size_word(memory.limit)} to {roomier(memory.limit)}, or need less: {_FEWER}."


def address_space(evidence: Evidence, _budget: Budget) -> Verdict | None:
    """An allocation was refused under an address-space limit: rustc and LLVM then abort, so SIGABRT is no bug here."""
    line, limit = said(evidence, "no-memory"), evidence.limits.get("address_space")
    if not line or not limit or not limit.in_force:
        return None
    killed = signalled_by(evidence, signal.SIGKILL) and (evidence.exit_code or 0) >= SHELL_SIGNAL_BASE
    if killed or signalled_by(evidence, *(CRASH_SIGNALS - {signal.SIGABRT})):
        return None
    bound = int(limit.requested) if not isinstance(limit.requested, tuple) else limit.requested[0]
    who = first_named(evidence)
    return Verdict(
        outcome=Outcome.OUT_OF_MEMORY,
        cause="address-space",
        grade=Grade.LOG,
        summary=f"{who or 'Some process of the build'} was refused an allocation, without a kill: {quoted(line)}.",
        culprit=who,
        evidence=ranked((line_of(line), _mapped(evidence, bound), memory_clue(evidence.memory), exit_status(evidence))),
        advice=(f"Raise `address-space` from {size_word(bound)} to {roomier(bound)}, if the build maps that much.",),
    )


def _mapped(evidence: Evidence, bound: int) -> Clue | None:
    """The process that came nearest to the limit of address space, as far as it was sampled."""
    most = max(evidence.processes.top, key=lambda process: process.peak_address_space or 0, default=None)
    if most is None or not most.peak_address_space:
        return None
    text = f"/proc: {named(most)} had mapped {size(most.peak_address_space)} of {size(bound)} when last seen"
    return Clue(grade=Grade.KERNEL, text=text)


def over_budget(evidence: Evidence, budget: Budget) -> Verdict | None:
    """It built, but needed more memory than it promises."""
    if budget.peak_memory is None:
        return None
    memory = evidence.memory
    peak = judge_peak(memory, budget.peak_memory)
    if not peak.over:
        return None
    top = evidence.processes.top
    largest = f" The largest process was {named(top[0])} with {size(top[0].peak_rss)} resident." if top else ""
    demand = memory.demand_peak or 0
    return Verdict(
        outcome=Outcome.OVER_BUDGET,
        cause="peak-memory",
        grade=Grade.KERNEL,
        summary=f"It built, but over its memory budget: {peak.why}.{largest}",
        culprit=named(top[0]) if top else None,
        evidence=ranked((memory_clue(memory), holders_clue(memory))),
        advice=(
            f"Set `peak-memory` to {budget_for(demand)} if {size(demand)} is what it needs, or find out what grew.",
        ),
    )
