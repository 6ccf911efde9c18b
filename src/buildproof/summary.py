"""What the terminal shows of a record at the end of a run. Sees the record alone."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from buildproof.errors import ExitCode
from buildproof.limits import show_limit
from buildproof.record import BuildRecord, RunRecord
from buildproof.units import duration, size
from buildproof.verdict import Family, Outcome, gravest

_STYLES = {
    Family.PASSED: "green",
    Family.PROJECT: "red",
    Family.RESOURCE: "red",
    Family.INFRASTRUCTURE: "yellow",
    Family.MEASUREMENT: "yellow",
}
_ANY_WIDTH = 10_000
_LEAST_ARTIFACT_WIDTH = 24


def exit_code_of(record: RunRecord) -> ExitCode:
    """The exit code of the gravest family among the builds that were run."""
    return gravest([build.verdict.outcome for build in record.builds if build.verdict]).exit_code


def told(record: RunRecord, folder: Path, *, width: int, colour: bool) -> str:
    """The table, the failing verdicts in full, the limits that are not in force, and where the record lies."""
    out = io.StringIO()
    console = Console(
        file=out, width=max(width, 60), force_terminal=colour, no_color=not colour, highlight=False, soft_wrap=False
    )
    run = [build for build in record.builds if build.verdict]
    least = _table(run, artifact_width=_LEAST_ARTIFACT_WIDTH)
    if console.measure(least, options=console.options.update(width=_ANY_WIDTH)).maximum <= console.width:
        console.print(_table(run))
    else:
        _tell_lines(console, run)  # a table that is too wide would lose the ends of its cells
    for build in run:
        _tell_verdict(console, build, folder)
    _tell_limits(console, run)
    planned = [build.id for build in record.builds if not build.verdict]
    if planned:
        console.print(Text(f"not run: {', '.join(planned)}"))
    console.print(Text(f"record: {folder / 'record.json'}"), soft_wrap=True)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _table(builds: list[BuildRecord], *, artifact_width: int | None = None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, right in (
        ("build", 0),
        ("verdict", 0),
        ("peak", 1),
        ("budget", 1),
        ("time", 1),
        ("limit", 1),
        ("artifact", 0),
    ):
        folded = name == "artifact"
        table.add_column(
            name,
            justify="right" if right else "left",
            no_wrap=not folded,
            overflow="fold",
            max_width=artifact_width if folded else None,
        )
    for build in builds:
        verdict = build.verdict
        if not verdict:
            continue
        table.add_row(
            build.id,
            Text(verdict.outcome, style=_STYLES[verdict.outcome.family]),
            _peak(build),
            _budget(build),
            duration(build.time.wall_s),
            duration(build.time.limit_s),
            Text(_artifact(build)),  # file names are no markup
        )
    return table


def _tell_lines(console: Console, builds: list[BuildRecord]) -> None:
    for build in builds:
        if build.verdict:
            console.print(
                Text(f"{build.id}: ").append(build.verdict.outcome, style=_STYLES[build.verdict.outcome.family])
            )
            console.print(Text(f"  peak {_peak(build)}, budget {_budget(build)}"))
            console.print(Text(f"  time {duration(build.time.wall_s)}, limit {duration(build.time.limit_s)}"))
            console.print(Text(f"  artifact {_artifact(build)}"))


def _budget(build: BuildRecord) -> str:
    return size(build.budget.peak_memory) if build.budget.peak_memory else "none"


def _peak(build: BuildRecord) -> str:
    demand, charged = build.memory.demand_peak, build.memory.charged_peak
    return "unknown" if demand is None and charged is None else f"{size(demand)} to {size(charged)}"


def _artifact(build: BuildRecord) -> str:
    if not build.artifacts:
        return "-"
    return ", ".join(
        f"{Path(artifact.path).name} {size(artifact.size)}"
        + (", starts" if artifact.started and not artifact.started.complaint else "")
        for artifact in build.artifacts
    )


def _tell_verdict(console: Console, build: BuildRecord, folder: Path) -> None:
    verdict = build.verdict
    if not verdict or verdict.outcome is Outcome.PASSED:
        return
    title = f"{build.id}: {verdict.outcome}" + (f" ({verdict.cause})" if verdict.cause else "")
    console.print()
    console.print(Text(title, style=f"bold {_STYLES[verdict.outcome.family]}"))
    console.print(Text(f"  {verdict.summary}"))
    console.print(Text(f"  evidence: grade {verdict.grade}"))
    for advice in verdict.advice:
        console.print(Text(f"  next: {advice}"))
    if build.log:
        console.print(Text(f"  log: {folder / build.log}"), soft_wrap=True)


def _tell_limits(console: Console, builds: list[BuildRecord]) -> None:
    """Each limit that is not in force once, with the builds it concerns."""
    unmet: dict[tuple[str, str, str], list[str]] = {}
    for build in builds:
        for name, state in build.limits.items():
            if not state.in_force:
                unmet.setdefault((name, show_limit(name, state.requested), state.why or "unknown why"), []).append(
                    build.id
                )
    if unmet:
        console.print()
        console.print(Text("limits not in force:", style="bold"))
    for (name, requested, why), ids in unmet.items():
        whose = "all builds" if len(ids) == len(builds) else ", ".join(ids)
        console.print(Text(f"  {name} {requested}: {why} ({whose})"))
