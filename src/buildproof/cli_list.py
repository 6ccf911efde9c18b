"""`buildproof list`: the builds of a matrix, for people, for programs, and for the jobs of a CI."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from buildproof.discovery import load
from buildproof.document import did_you_mean
from buildproof.errors import InputError
from buildproof.hostile import harmless_line, json_text
from buildproof.manifest import Tier
from buildproof.plan import Build, select
from buildproof.terminal import line, show
from buildproof.units import duration, size

_MOST_JOBS = 256  # of a matrix in one workflow run: GitHub Actions limits

Projects = Annotated[
    list[Path] | None,
    typer.Argument(help="Manifests, or folders that are searched for them.", show_default="this folder"),
]


class Form(StrEnum):
    """How the list is written."""

    TABLE = "table"
    JSON = "json"
    IDS = "ids"
    GITHUB = "github"


def list_builds(
    projects: Projects = None,
    tier: Annotated[Tier, typer.Option(help="The full matrix is `nightly`.")] = Tier.NIGHTLY,
    form: Annotated[
        Form,
        typer.Option("--format", help="`ids`: one a line; `github`: the line `matrix=…` for $GITHUB_OUTPUT."),
    ] = Form.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """List the builds of a matrix: project x builder x profile."""
    builds = select(load(projects or [Path()]), tier=tier)
    _FORMS[Form.JSON if as_json else form](builds)


def build_named(name: str, projects: list[Path] | None) -> Build:
    """The build of that id; InputError when there is none."""
    builds = {build.id: build for build in load(projects or [Path()])}
    if name not in builds:
        raise InputError(f"there is no build {name!r} here{did_you_mean(name, sorted(builds))}")
    return builds[name]


def _table(builds: Sequence[Build]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("build", "target", "profile", "tier", "peak memory", "time limit"):
        table.add_column(name, no_wrap=True)
    for build in builds:
        budget = size(build.peak_memory) if build.peak_memory else "-"
        cells = (build.id, build.target, build.profile, build.tier, budget, duration(build.time_limit_s))
        table.add_row(*map(line, cells))
    show(table, is_whole=True)


def _json(builds: Sequence[Build]) -> None:
    rows = [
        {
            "id": build.id,
            "project": build.project,
            "builder": build.builder.name,
            "profile": build.profile,
            "tier": build.tier.value,
            "target": build.target.value,
            "peak_memory": build.peak_memory,
            "time_limit_s": build.time_limit_s,
            "manifest": str(build.manifest.path),
        }
        for build in builds
    ]
    print(json_text(json.dumps(rows, indent=2)))  # noqa: T201


def _ids(builds: Sequence[Build]) -> None:
    for build in builds:
        print(harmless_line(build.id))  # noqa: T201


def _github(builds: Sequence[Build]) -> None:
    if len(builds) > _MOST_JOBS:
        raise InputError(
            f"{len(builds)} builds are more jobs than a matrix of GitHub can have, which is {_MOST_JOBS}",
            next_step="list fewer projects at once, or run several builds in a job with --build ID --build ID",
        )
    rows = [{"build": build.id, "platform": build.platform, "project": build.project} for build in builds]
    print("matrix=" + json_text(json.dumps({"include": rows}, separators=(",", ":"))))  # noqa: T201


_FORMS: dict[Form, Callable[[Sequence[Build]], None]] = {
    Form.TABLE: _table,
    Form.JSON: _json,
    Form.IDS: _ids,
    Form.GITHUB: _github,
}
