"""`buildproof run`: one build and its verdict, without pytest."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from buildproof import report
from buildproof.ca import ca_bundle
from buildproof.cli_list import Projects, build_named
from buildproof.errors import ExitCode
from buildproof.hostile import harmless_line
from buildproof.interrupts import as_interrupts
from buildproof.runfolder import RunFolder
from buildproof.session import Session
from buildproof.summary import exit_code_of, told


def run_build(
    name: Annotated[str, typer.Argument(metavar="BUILD", help="A build as `buildproof list` names it.")],
    projects: Projects = None,
) -> None:
    """Run one build in its box, and tell its verdict; everything is kept in .buildproof/last/.

    The exit code is that of the verdict: 0 passed, 10 project, 11 resource, 12 infrastructure, 13 unmeasured.
    """
    as_interrupts()
    build = build_named(name, projects)
    folder = RunFolder.reserve(Path.cwd())
    session = Session(folder, ca_bundle=ca_bundle(None), say=_say)
    try:
        session.prepare([build])
        session.outcome(build)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        record = session.close()
        if record:
            is_terminal = sys.stdout.isatty()
            colour = is_terminal and not os.environ.get("NO_COLOR")
            sys.stdout.write(told(record, folder.path, width=shutil.get_terminal_size().columns, colour=colour))
            print(report.leave(folder.path))  # noqa: T201
    raise typer.Exit(exit_code_of(record) if record else ExitCode.UNMEASURED)


def _say(text: str) -> None:
    print(harmless_line(text), file=sys.stderr)  # noqa: T201
