"""The report of one run or of many: all builds, and what there is to see of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from buildproof.record import BuildRecord
from buildproof.report.chart import chart_of, space_of
from buildproof.report.details import details_of
from buildproof.report.excerpt import excerpt, last_lines
from buildproof.report.frame import inert, render, seen
from buildproof.report.overview import matrix_of, rows_of, run_told, tallies_of, title_of
from buildproof.report.sources import Run
from buildproof.report.trace import Trace, read_trace

_SCRIPTS = ("elements.js", "page.js", "chart.js", "build.js", "begin.js")


class _Room(NamedTuple):
    """How much one build may take up, so that the page stays small."""

    points: int
    head: int
    tail: int
    brief: bool = False


def draw(runs: Sequence[Run], *, beside: Path | None = None) -> str:
    """The page about all builds of these runs. Links to whole logs are made when `beside`, its folder, is told."""
    rows = rows_of([run.record for run in runs])
    room = _room(len(rows))
    return render(
        "page.html.j2",
        styles=("page.css",),
        scripts=_SCRIPTS,
        is_good=all(row.family == "passed" for row in rows),
        title=title_of(rows),
        runs=[run_told(run.record) for run in runs],
        several=len(runs) > 1,
        matrix=matrix_of(rows),
        tallies=tallies_of(rows),
        rows=rows,
        builds=(inert(_all_of(row.build, runs[row.run], room, beside)) for row in rows),
    )


def _room(builds: int) -> _Room:
    if builds <= 60:
        return _Room(points=320, head=60, tail=200)
    return _Room(160, 20, 60, brief=True) if builds <= 300 else _Room(80, 10, 30, brief=True)


def _all_of(build: BuildRecord, run: Run, room: _Room, beside: Path | None) -> dict[str, Any]:
    trace, untold = _trace(build, run)
    shown: dict[str, Any] = seen(
        {
            **details_of(build, brief=room.brief),
            "run": run.record.id,
            "chart": chart_of(build, trace, room.points),
            "space": space_of(trace, room.points // 2),
        }
    )
    return {**shown, "untold": untold, "log": _log(build, run, room, beside)}


def _trace(build: BuildRecord, run: Run) -> tuple[Trace, str]:
    """The timeline, and why there is none."""
    path = run.beside(build.timeline)
    if path is None:
        return Trace(), "The timeline is not beside the record." if build.timeline else "The command was not started."
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            trace = read_trace(file)
    except (OSError, ValueError) as error:
        return Trace(), f"The timeline cannot be read: {error}."
    return trace, "" if trace.samples else "The memory was not sampled."


def _log(build: BuildRecord, run: Run, room: _Room, beside: Path | None) -> dict[str, Any]:
    """The build's log, else the fetch step's, else what the record itself has."""
    path = run.beside(build.log or f"{build.id}/fetch.log")
    telling = {finding.line for finding in build.findings}
    if path is None:
        return {**last_lines(build.last_lines), "name": None, "href": None}
    with path.open("rb") as file:
        told = excerpt(file, head=room.head, tail=room.tail, telling=telling)
    href = quote(os.path.relpath(path, beside.resolve())) if beside else None
    return {**told, "name": path.name, "href": f"./{href}" if href else None}
