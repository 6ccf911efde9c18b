"""From evidence to a verdict: a pure function of evidence, budgets and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from buildproof.evidence import Evidence, Grade
from buildproof.units import duration, size
from buildproof.verdict import rules_memory, rules_project, rules_sigbus, rules_space, rules_time, rules_trust
from buildproof.verdict.case import Budget
from buildproof.verdict.contradictions import contradictions
from buildproof.verdict.outcomes import Outcome, Verdict


def judge(evidence: Evidence, budget: Budget) -> Verdict:
    """The verdict of the first rule that has something to say; the last one always has."""
    for rule in _RULES:
        verdict = rule(evidence, budget)
        if verdict:
            return replace(verdict, contradictions=contradictions(evidence, verdict))
    raise AssertionError("the last rule decides everything")


def _passed(evidence: Evidence, _budget: Budget) -> Verdict:
    return Verdict(
        outcome=Outcome.PASSED,
        grade=Grade.KERNEL if evidence.accounting else Grade.STATUS,
        summary=f"Built in {duration(evidence.time.wall_s)} with a demand peak of {size(evidence.memory.demand_peak)}.",
    )


# The ranking of docs/design.md: what the harness did itself goes before kernel counters, those before exit signals,
# those before exit status; log text comes last.
_RULES: tuple[Callable[[Evidence, Budget], Verdict | None], ...] = (
    rules_trust.cancelled,
    rules_trust.not_measured,
    rules_trust.host_swapping,
    rules_time.time_limit,
    rules_time.silent,
    rules_space.disk_limit,
    rules_memory.out_of_memory,
    rules_sigbus.sigbus,
    rules_space.no_space,
    rules_space.file_size,
    rules_memory.address_space,
    rules_space.pids_limit,
    rules_project.crashed,
    rules_project.compiler_bug,
    rules_project.failed,
    rules_project.bad_artifact,
    rules_memory.over_budget,
    rules_trust.starved,
    _passed,
)
