"""From evidence to a verdict: a pure function of evidence, budgets and limits."""

from __future__ import annotations

from collections.abc import Callable

from buildproof.evidence import Evidence, Grade
from buildproof.units import duration, size
from buildproof.verdict import rules_project, rules_resource, rules_trust
from buildproof.verdict.case import Budget
from buildproof.verdict.outcomes import Outcome, Verdict


def judge(evidence: Evidence, budget: Budget) -> Verdict:
    """The verdict of the first rule that has something to say; the last one always has."""
    for rule in _RULES:
        verdict = rule(evidence, budget)
        if verdict:
            return verdict
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
    rules_resource.time_limit,
    rules_resource.out_of_memory,
    rules_resource.sigbus,
    rules_resource.no_space,
    rules_resource.address_space,
    rules_resource.pids_limit,
    rules_project.crashed,
    rules_project.failed,
    rules_project.bad_artifact,
    rules_resource.over_budget,
    _passed,
)
