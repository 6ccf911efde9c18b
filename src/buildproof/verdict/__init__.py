"""The verdict: the outcome of a build and its cause, a pure function of evidence, budgets and limits."""

from buildproof.verdict.case import Budget
from buildproof.verdict.judge import judge
from buildproof.verdict.outcomes import Family, Outcome, Verdict, gravest

__all__ = ["Budget", "Family", "Outcome", "Verdict", "gravest", "judge"]
