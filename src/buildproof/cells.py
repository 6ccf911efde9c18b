"""The figures of a build in the words of a table, the same wherever a table of builds is shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from buildproof.evidence import Artifact
from buildproof.limits import show_limit
from buildproof.record import BuildRecord
from buildproof.units import clock, size
from buildproof.verdict import Verdict


def verdict(told: Verdict) -> str:
    """Outcome and cause, unless that is the same word."""
    return told.outcome.value + (f" ({told.cause})" if told.cause and told.cause != told.outcome else "")


def peak(build: BuildRecord) -> str:
    """The interval of peak memory, from demand to charged."""
    demand, charged = build.memory.demand_peak, build.memory.charged_peak
    return "unknown" if demand is None and charged is None else f"{size(demand)} to {size(charged)}"


def budget(build: BuildRecord) -> str:
    """The budget for it."""
    return size(build.budget.peak_memory) if build.budget.peak_memory else "none"


def time(build: BuildRecord) -> str:
    """Wall time against its limit."""
    return f"{clock(build.time.wall_s)} of {clock(build.time.limit_s)}"


def size_and_start(artifact: Artifact) -> str:
    """How large an artifact is, and whether it was seen to start."""
    return size(artifact.size) + (", starts" if artifact.started and not artifact.started.complaint else "")


def unmet(builds: Iterable[BuildRecord]) -> dict[tuple[str, str], list[str]]:
    """Limits that were not in force: which and why, and the ids of the builds it concerns."""
    found: dict[tuple[str, str], list[str]] = {}
    for build in builds:
        for name, state in build.limits.items():
            if not state.in_force:
                asked = f"{name.replace('_', ' ')} {show_limit(name, state.requested)}"
                found.setdefault((asked, state.why or "unknown why"), []).append(build.id)
    return found
