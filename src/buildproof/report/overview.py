"""The rows of the overview, the matrix, and what is told of the runs themselves, with their numbers in words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from buildproof.cells import unmet
from buildproof.record import BuildRecord, RunRecord
from buildproof.report.frame import counted
from buildproof.units import clock, duration, size
from buildproof.verdict import Family

NOT_RUN = "not run"
_UNDER_WAY = "under way"
_PLANNED = "planned"  # stands where a family stands
_MOST_CELLS = 400
_FAMILY_ORDER = [Family.PROJECT, Family.RESOURCE, Family.INFRASTRUCTURE, Family.MEASUREMENT, Family.PASSED]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One build in the overview; `run` counts the runs from 0.

    The shares of memory are per cent of the largest of limit, budget and peak; that of time is of the limit.
    """

    key: str
    build: BuildRecord
    run: int
    outcome: str
    family: str
    rank: int
    summary: str
    demand: str
    charged: str
    budget: str
    limit: str
    time: str
    time_limit: str
    time_share: float
    demand_share: float
    charged_share: float
    budget_share: float | None
    limit_share: float | None


def rows_of(runs: Sequence[RunRecord]) -> list[Row]:
    """All builds of all runs, failures first; keys are the ids, told apart where several runs built the same."""
    ids = Counter(build.id for run in runs for build in run.builds)
    seen: Counter[str] = Counter()
    rows = []
    for index, run in enumerate(runs):
        for build in run.builds:
            seen[build.id] += 1
            key = build.id if ids[build.id] == 1 else f"{build.id}~{seen[build.id]}"
            rows.append(_row(key, index, build, _state(run, build)))
    return sorted(rows, key=lambda row: row.rank)


def _row(key: str, run: int, build: BuildRecord, state: str) -> Row:
    memory, budget = build.memory, build.budget
    scale = max(filter(None, (memory.limit, budget.peak_memory, memory.charged_peak, memory.demand_peak)), default=1)
    family = build.verdict.outcome.family if build.verdict else None

    def share(value: int | None) -> float | None:
        return None if value is None or family is None else round(100 * value / scale, 1)

    def known(words: str) -> str:
        """Of a build that was not run nothing is known, and nothing has to be said of that."""
        return words if family else ""

    wall_s, limit_s = build.time.wall_s, budget.time_limit
    return Row(
        key=key,
        build=build,
        run=run,
        outcome=state,
        family=family.value if family else _PLANNED,
        rank=_FAMILY_ORDER.index(family) if family else len(_FAMILY_ORDER),
        summary=build.verdict.summary if build.verdict and family is not Family.PASSED else "",
        demand=known(size(memory.demand_peak)),
        charged=known(size(memory.charged_peak)),
        budget=size(budget.peak_memory) if budget.peak_memory else "none",
        limit=known(size(memory.limit)),
        time=known(clock(wall_s)),
        time_limit=clock(limit_s),
        time_share=round(min(100.0, 100 * wall_s / limit_s), 1) if wall_s is not None and limit_s else 0.0,
        demand_share=share(memory.demand_peak) or 0.0,
        charged_share=share(memory.charged_peak) or 0.0,
        budget_share=share(budget.peak_memory),
        limit_share=share(memory.limit),
    )


def _state(run: RunRecord, build: BuildRecord) -> str:
    """The outcome, or how far a build without one has come."""
    if build.verdict:
        return build.verdict.outcome.value
    return _UNDER_WAY if build.began is not None and run.ended is None else NOT_RUN


def tallies_of(rows: Sequence[Row]) -> list[tuple[str, str, int]]:
    """Outcome, family and number of builds, the gravest family first."""
    count = Counter((row.rank, row.outcome, row.family) for row in rows)
    return [(outcome, family, number) for (_, outcome, family), number in sorted(count.items())]


def title_of(rows: Sequence[Row]) -> str:
    """What became of all builds, in one sentence."""
    families = [row.family for row in rows if row.family != _PLANNED]
    left = sum(row.outcome == NOT_RUN for row in rows)
    return _ended(families) + (f", {left} not run" if families and left else "")


def _ended(families: list[str]) -> str:
    failed = sum(family in {Family.PROJECT, Family.RESOURCE} for family in families)
    unproved = sum(family in {Family.INFRASTRUCTURE, Family.MEASUREMENT} for family in families)
    if not families:
        return "No build was run"
    if len(families) == 1:
        return "The build failed" if failed else "The build proved nothing" if unproved else "The build passed"
    if not failed and not unproved:
        return f"All {len(families)} builds passed"
    return counted(len(families), (failed, "failed"), (unproved, "proved nothing"))


def matrix_of(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Projects down, builder and profile across; None where that is one line, mostly empty, or past all looking."""
    columns = sorted({(row.build.builder, row.build.profile) for row in rows})
    projects = sorted({row.build.project for row in rows})
    cells: dict[tuple[str, str, str], Row] = {}
    for row in reversed(rows):  # of several builds of one cell the gravest
        cells[row.build.project, row.build.builder, row.build.profile] = row
    places = len(columns) * len(projects)
    if min(len(columns), len(projects)) < 2 or places > _MOST_CELLS or 2 * len(cells) < places:
        return None
    return {
        "columns": columns,
        "lines": [(project, [cells.get((project, *column)) for column in columns]) for project in projects],
    }


def run_told(run: RunRecord) -> dict[str, Any]:
    """What there is to say of one run."""
    took = duration((run.ended - run.began).total_seconds()) if run.ended else "it did not end"
    engine = run.engine
    return {
        "id": run.id,
        "began": f"{run.began:%Y-%m-%d %H:%M} UTC",
        "took": took,
        "buildproof": run.buildproof,
        "command": " ".join(run.command),
        "engine": ""
        if engine is None
        else (
            f"{engine.product} {engine.version}, {engine.operating_system}, kernel {engine.kernel},"
            f" cgroup v{engine.cgroup_version or ' unknown'}, {engine.cores} cores, {size(engine.memory)}"
        ),
        "remarks": run.remarks,
        "unmet": _unmet(run.builds),
    }


def _unmet(builds: Sequence[BuildRecord]) -> list[tuple[str, str, str]]:
    """Limits that were not in force: which, why, and in how many builds."""
    return [
        (asked, why, "all builds" if len(ids) == len(builds) else f"{len(ids)} of {len(builds)} builds")
        for (asked, why), ids in unmet(builds).items()
    ]
