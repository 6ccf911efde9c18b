"""The page that people open: drawn from records and the files beside them, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buildproof.errors import BuildproofError
from buildproof.report.frame import put
from buildproof.report.page import draw
from buildproof.report.sources import Run, read_runs

__all__ = ["NAME", "Run", "draw", "leave", "read_runs", "write"]

NAME = "report.html"


def write(runs: Sequence[Run], file: Path) -> Path:
    """Put the page down at `file`, all of it or nothing; OSError when that cannot be done."""
    return put(draw(runs, beside=file.parent), file)


def leave(folder: Path) -> str:
    """Draw the run of a folder beside its record; says where the page is, or why there is none."""
    try:
        return f"report: {write(read_runs([folder]), folder / NAME)}"
    except (OSError, BuildproofError) as error:
        return f"report: none, {error}"
