"""`buildproof shell`: a shell in a build's own box."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from buildproof.ca import ca_bundle
from buildproof.cli_list import Projects, build_named
from buildproof.hostile import harmless_line
from buildproof.shell import enter


def open_shell(
    name: Annotated[str, typer.Argument(metavar="BUILD", help="A build as `buildproof list` names it.")],
    projects: Projects = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Not the container that a run kept, but a new one.")] = False,
) -> None:
    """Enter a build's box by hand, its limits in force: as a run kept it (`--keep failed`), or fresh with its sources.

    What is changed below the working folder of a kept container stays changed; all else goes with the shell. Without a
    terminal stdin is the script.
    """
    code = enter(
        build_named(name, projects),
        fresh=fresh,
        ca_bundle=ca_bundle(None),
        say=lambda line: print(harmless_line(line), file=sys.stderr),  # noqa: T201
    )
    raise typer.Exit(code)
