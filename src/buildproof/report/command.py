"""`buildproof report RECORD...`: one page of one run or of many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buildproof.errors import InputError, Place
from buildproof.layout import STATE_FOLDER
from buildproof.report import NAME, read_runs, write


def draw_report(
    records: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RECORD...",
            help="Records, or folders with some in them or below: of one run, or of the jobs of a matrix.",
            show_default="the last run here",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The page.", show_default=f"{NAME}, beside a single record or here"
        ),
    ] = None,
) -> None:
    """Draw the report: one HTML page of all builds, which needs no network and nothing beside it.

    A record is enough; timelines and logs that lie beside it are drawn as well.
    """
    runs = read_runs(records or [Path(STATE_FOLDER) / "last"])
    file = output or (runs[0].folder if len(runs) == 1 else Path()) / NAME
    try:
        write(runs, file)
    except OSError as error:
        raise InputError(f"cannot write the report: {error.strerror}", where=Place(file)) from error
    print(f"report: {file}")  # noqa: T201
