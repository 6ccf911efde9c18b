"""`buildproof shell`: a shell in a build's own box."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from buildproof.ca import ca_bundle
from buildproof.discovery import load
from buildproof.document.suggest import did_you_mean
from buildproof.errors import InputError
from buildproof.hostile import harmless_line
from buildproof.shell import enter


def open_shell(
    name: Annotated[str, typer.Argument(metavar="BUILD", help="A build as `buildproof list` names it.")],
    projects: Annotated[
        list[Path] | None,
        typer.Argument(help="Manifests, or folders that are searched for them.", show_default="this folder"),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Not the container that a run kept, but a new one.")] = False,
) -> None:
    """Enter a build's box by hand, its limits in force: as a run kept it (`--keep failed`), or fresh with its sources.

    What is changed below the working folder of a kept container stays changed; all else goes with the shell. Without a
    terminal stdin is the script.
    """
    builds = {build.id: build for build in load(projects or [Path()])}
    if name not in builds:
        raise InputError(f"there is no build {name!r} here{did_you_mean(name, sorted(builds))}")
    code = enter(
        builds[name],
        fresh=fresh,
        ca_bundle=ca_bundle(None),
        say=lambda line: print(harmless_line(line), file=sys.stderr),  # noqa: T201
    )
    raise typer.Exit(code)
