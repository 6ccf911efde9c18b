"""`buildproof trend [HISTORY...]`: one page of what builds needed over their runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buildproof.baseline import History, parse_thresholds
from buildproof.errors import InputError, Place
from buildproof.layout import BASELINE_FILE
from buildproof.report.frame import put
from buildproof.trend import NAME, draw

_FAIL_ON = "peak:10%,time:25%,size:5%"


def draw_trend(
    histories: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[HISTORY...]",
            help="Files that --save-baseline wrote; of several, as jobs of a matrix leave them, one page is made.",
            show_default=f"{BASELINE_FILE} here",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The page.", show_default=f"{NAME} here")
    ] = Path(NAME),
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="EXPR",
            help="Mark the runs that needed more than those before by this much, as pytest's --fail-on does.",
            show_default=_FAIL_ON,
        ),
    ] = None,
) -> None:
    """Draw the trend: memory, time and size of each build over its runs, and who grew.

    One HTML page, from the history of --save-baseline alone; it needs no network and nothing beside it.
    """
    thresholds = parse_thresholds(fail_on or [_FAIL_ON])
    files = histories or [Path(BASELINE_FILE)]
    lines = [line for file in files for line in _read(file).lines]
    try:
        put(draw(History(()).with_lines(lines), thresholds), output)
    except OSError as error:
        raise InputError(f"cannot write the page: {error.strerror}", where=Place(output)) from error
    print(f"trend: {output}")  # noqa: T201


def _read(file: Path) -> History:
    """A history; one that is not there is an error here: somebody wants to see it."""
    if not file.exists():
        raise InputError(
            "there is no history here",
            where=Place(file),
            next_step="save one with pytest --save-baseline, or name the file",
        )
    return History.read(file)
