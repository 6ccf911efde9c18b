"""The report: one HTML file that needs nothing else, no network least of all.

The overview is HTML. What there is to see of each build lies beside it as inert JSON, and becomes elements when the
build is opened, by `textContent` alone: a page with a thousand builds opens as fast as one with ten. The policy lets
one script and one style in, both by their hash, and no request out (CSP Level 3, W3C).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from buildproof.hostile import harmless
from buildproof.record import BuildRecord
from buildproof.report.chart import chart_of, space_of
from buildproof.report.details import details_of
from buildproof.report.excerpt import excerpt, last_lines
from buildproof.report.overview import matrix_of, rows_of, run_told, tallies_of, title_of
from buildproof.report.sources import Run
from buildproof.report.trace import Trace, read_trace

_SCRIPTS = ("page.js", "chart.js", "build.js")
_PASSED, _FAILED = "1a7f4b", "c2352b"


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
    title = title_of(rows)
    style, script = _file("page.css"), "\n".join(map(_file, _SCRIPTS))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=title,
            icon=_PASSED if all(row.family == "passed" for row in rows) else _FAILED,
            policy=_policy(script, style),
            style=Markup(style),  # noqa: S704 (a file of ours)
            script=Markup(script),  # noqa: S704
            runs=[run_told(run.record) for run in runs],
            several=len(runs) > 1,
            matrix=matrix_of(rows),
            tallies=tallies_of(rows),
            rows=rows,
            builds=(_inert(_all_of(row.build, runs[row.run], room, beside)) for row in rows),
        )
    )


def _room(builds: int) -> _Room:
    if builds <= 60:
        return _Room(points=320, head=60, tail=200)
    return _Room(160, 20, 60, brief=True) if builds <= 300 else _Room(80, 10, 30, brief=True)


def _all_of(build: BuildRecord, run: Run, room: _Room, beside: Path | None) -> dict[str, Any]:
    trace, untold = _trace(build, run)
    shown: dict[str, Any] = _seen(
        {
            **details_of(build, brief=room.brief),
            "run": run.record.id,
            "chart": chart_of(build, trace, room.points),
            "space": space_of(trace, room.points // 2),
        }
    )
    return {**shown, "untold": untold, "log": _log(build, run, room, beside)}


def _seen(data: Any) -> Any:
    """The same data, with every text in it harmless; lines of the log are already."""
    if isinstance(data, str):
        return harmless(data)
    if isinstance(data, dict):
        return {_seen(name): _seen(value) for name, value in data.items()}
    return [_seen(value) for value in data] if isinstance(data, list | tuple) else data


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


def _inert(data: dict[str, Any]) -> Markup:
    """JSON that no parser takes for markup, whatever texts are in it."""
    return htmlsafe_json_dumps(data, dumps=lambda value: json.dumps(value, separators=(",", ":")))


def _policy(script: str, style: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _file(name: str) -> str:
    return resources.files("buildproof.report").joinpath(name).read_text("utf-8")


@cache
def _environment() -> Environment:
    loader = PackageLoader("buildproof.report", package_path="")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_shown)


def _shown(value: Any) -> Any:
    """What the template puts into the page; the style, the script and the data are no text to be read."""
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value
