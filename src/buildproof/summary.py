"""What the terminal shows of a record at the end of a run. Sees the record alone."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from buildproof import cells
from buildproof.errors import ExitCode
from buildproof.hostile import harmless_line, without_commands
from buildproof.record import BuildRecord, RunRecord
from buildproof.terminal import joined, line, text
from buildproof.units import size
from buildproof.verdict import Family, Outcome, Verdict, gravest

_STYLES = {
    Family.PASSED: "green",
    Family.PROJECT: "red",
    Family.RESOURCE: "red",
    Family.INFRASTRUCTURE: "yellow",
    Family.MEASUREMENT: "yellow",
}
_WIDEST_IN_A_LOG = 160
_GAP = 2  # between two columns of a table without a box


class _Column(NamedTuple):
    name: str
    wraps: str | None = None  # the pattern of what a row may end with, for cells of several rows


_COLUMNS = (
    _Column("build"),
    _Column("verdict"),
    _Column("peak", wraps=r"(?<= to) "),
    _Column("budget"),
    _Column("limit"),
    _Column("time"),
    _Column("artifact", wraps=r"\s"),
)


def exit_code_of(record: RunRecord) -> ExitCode:
    """The exit code of the gravest family among the builds that were run."""
    return gravest([build.verdict.outcome for build in record.builds if build.verdict]).exit_code


def told(record: RunRecord, folder: Path, *, width: int, colour: bool, is_log: bool = False) -> str:
    """The table, the failing verdicts in full, the limits that are not in force, and where the record lies.

    What is read is laid out for this width; a log has none, and its table is as wide as it has to be, within reason.
    """
    out = io.StringIO()
    console = _console(out, max(width, 60), colour=colour)
    run = [build for build in record.builds if build.verdict]
    rows = [_row(build) for build in run]
    least, most = _widths(rows, wrapped=True), _widths(rows, wrapped=False)
    room = max(console.width, _WIDEST_IN_A_LOG) if is_log else console.width
    spare = room - sum(least) - _GAP * (len(least) - 1)
    if spare >= 0:
        _console(out, room, colour=colour).print(_table(run, rows, _share(least, most, spare)))
    else:
        _tell_lines(console, run, rows)  # a table that is too wide would lose the ends of its cells
    for build in run:
        _tell_verdict(console, build, folder)
    _tell_limits(console, run)
    _tell_accounting(console, run)
    for build in run:
        if build.kept:
            console.print(line(f"kept: `buildproof shell {build.id}` enters the container of {build.id}"))
    planned = [build.id for build in record.builds if not build.verdict]
    if planned:
        console.print(line(f"not run: {', '.join(planned)}"))
    console.print(line(f"record: {folder / 'record.json'}"), soft_wrap=True)
    return "".join(f"{without_commands(row.rstrip())}\n" for row in out.getvalue().split("\n")[:-1])


def _console(out: TextIO, width: int, *, colour: bool) -> Console:
    return Console(file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False, soft_wrap=False)


def _row(build: BuildRecord) -> tuple[str, ...]:
    """The cells of one build, in the order of `_COLUMNS`."""
    row = (
        build.id,
        build.verdict.outcome.value if build.verdict else "",
        cells.peak(build),
        cells.budget(build),
        size(build.memory.limit),
        cells.time(build),
        _artifact(build),
    )
    return tuple(map(harmless_line, row))


def _widths(rows: list[tuple[str, ...]], *, wrapped: bool) -> list[int]:
    """What each column needs: in full, or when every cell that may wrap does so at each space."""
    widths = []
    for index, column in enumerate(_COLUMNS):
        texts = [column.name, *(row[index] for row in rows)]
        pieces = (
            [word for text in texts for word in re.split(column.wraps, text)] if wrapped and column.wraps else texts
        )
        widths.append(max(map(len, pieces)))
    return widths


def _share(least: list[int], most: list[int], spare: int) -> list[int]:
    """Give the spare width to the columns that can use it, from the left."""
    widths = []
    for low, high in zip(least, most, strict=True):
        more = min(spare, high - low)
        widths.append(low + more)
        spare -= more
    return widths


def _table(builds: list[BuildRecord], rows: list[tuple[str, ...]], widths: list[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, width in zip(_COLUMNS, widths, strict=True):
        table.add_column(column.name, no_wrap=column.wraps is None, width=width)
    for build, (name, outcome, *rest) in zip(builds, rows, strict=True):
        style = _STYLES[build.verdict.outcome.family] if build.verdict else ""
        table.add_row(line(name), line(outcome, style), *map(line, rest))
    return table


def _tell_lines(console: Console, builds: list[BuildRecord], rows: list[tuple[str, ...]]) -> None:
    for build, (name, outcome, *rest) in zip(builds, rows, strict=True):
        style = _STYLES[build.verdict.outcome.family] if build.verdict else ""
        console.print(joined(line(f"{name}: "), line(outcome, style)))
        figures = [f"{column.name} {cell}" for column, cell in zip(_COLUMNS[2:], rest, strict=True) if cell != "-"]
        console.print(Padding(line(", ".join(figures)), (0, 0, 0, 2)))


def _artifact(build: BuildRecord) -> str:
    if not build.artifacts:
        return "-"
    return ", ".join(f"{Path(artifact.path).name} {cells.size_and_start(artifact)}" for artifact in build.artifacts)


def _tell_verdict(console: Console, build: BuildRecord, folder: Path) -> None:
    verdict = build.verdict
    if not verdict or verdict.outcome is Outcome.PASSED:
        return
    title = f"{build.id}: {cells.verdict(verdict)}"
    console.print()
    console.print(line(title, f"bold {_STYLES[verdict.outcome.family]}"))
    console.print(Padding(text(verdict.summary), (0, 0, 0, 2)))
    console.print(Padding(_told_evidence(verdict), (0, 0, 0, 2)))
    if build.log:
        missing = f" ({size(build.log_dropped)} left out of its middle)" if build.log_dropped else ""
        console.print(line(f"  log: {folder / build.log}{missing}"), soft_wrap=True)


def _told_evidence(verdict: Verdict) -> Table:
    """What the verdict rests on, what speaks against it, and what to do: label, moment, words."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column()
    for clue in verdict.evidence:
        moment = "" if clue.at_s is None else f"{clue.at_s:.1f} s"
        table.add_row(line(clue.grade, "dim"), line(moment, "dim"), text(clue.text))
    if not verdict.evidence:
        table.add_row(line("grade", "dim"), "", line(verdict.grade))
    for contradiction in verdict.contradictions:
        table.add_row(line("but", "yellow"), "", text(contradiction))
    for advice in verdict.advice:
        table.add_row(line("next", "bold"), "", text(advice))
    return table


def _tell_limits(console: Console, builds: list[BuildRecord]) -> None:
    """Each limit that is not in force once, with the builds it concerns."""
    unmet = cells.unmet(builds)
    if not unmet:
        return
    console.print()
    console.print(line("limits not in force:", "bold"))
    table = Table.grid(padding=(0, _GAP))
    table.add_column(no_wrap=True)
    table.add_column()
    for (asked, why), ids in unmet.items():
        table.add_row(line(asked), line(f"{why} ({_whose(ids, builds)})"))
    console.print(Padding(table, (0, 0, 0, 2)))


def _tell_accounting(console: Console, builds: list[BuildRecord]) -> None:
    """Each reason for which ends of processes went unseen once, with the builds it concerns."""
    reasons: dict[str, list[str]] = {}
    for build in builds:
        if build.ended.accounting_refused:
            reasons.setdefault(build.ended.accounting_refused, []).append(build.id)
    for reason, ids in reasons.items():
        console.print()
        console.print(line("grade lowered:", "bold"))
        seen = "not every process's end was seen, so “no SIGBUS” is not proved"
        console.print(Padding(line(f"{seen}: {reason} ({_whose(ids, builds)})"), (0, 0, 0, 2)))


def _whose(ids: list[str], builds: list[BuildRecord]) -> str:
    return "all builds" if len(ids) == len(builds) else ", ".join(ids)
