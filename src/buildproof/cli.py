"""The small commands around the suite; `buildproof --help` lists them. Thin."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.table import Table

import buildproof
from buildproof import labels, leftovers, terminal
from buildproof.ca import ca_bundle
from buildproof.calibration import calibrate, show
from buildproof.check import check_files, rulebook
from buildproof.cli_list import list_builds
from buildproof.cli_run import run_build
from buildproof.cli_shell import open_shell
from buildproof.compose import read_compose
from buildproof.doctor import diagnose
from buildproof.engine import Engine, Kind
from buildproof.errors import BuildproofError, ExitCode
from buildproof.hostile import harmless, json_text
from buildproof.images import PROBE_IMAGE
from buildproof.interrupts import as_interrupts
from buildproof.leftovers import Standing
from buildproof.preflight import Finding, Level
from buildproof.record import json_schema
from buildproof.report.command import draw_report
from buildproof.resources import shipped_compose
from buildproof.terminal import joined, line, text
from buildproof.trend.command import draw_trend

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_STYLES = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.STOP: "bold red"}


def _version(asked: bool) -> None:
    if asked:
        print(f"buildproof {buildproof.__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _root(
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Prove that native projects cross-compile. The main job is pytest's: `pytest -m windows`."""


@app.command()
def doctor(
    calibrated: Annotated[
        bool,
        typer.Option("--calibrate", help="Run known loads through the path of a build, and compare what is measured."),
    ] = False,
    repeat: Annotated[int, typer.Option(min=1, metavar="N", help="With --calibrate: run each load N times.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look at the engine and its host: can a run be trusted here, and is the machine large enough?

    Exit code 0 when runs can be trusted, 13 when not, 12 when no engine answers.
    """
    if repeat > 1 and not calibrated:
        raise typer.BadParameter("has a meaning with --calibrate alone", param_hint="--repeat")
    if calibrated:
        _calibrate(repeat, as_json=as_json)
        return
    with Engine.connect() as engine:
        tags = (tag for thing in engine.things(labels.OURS) if thing.kind is Kind.IMAGE for tag in thing.names)
        probe = next((tag for tag in tags if tag.startswith(f"{PROBE_IMAGE}:")), None)
        builders = [(builder.name, builder.limits) for builder in read_compose(shipped_compose()).values()]
        findings = diagnose(engine, probe, builders)
    if as_json:
        rows = [{name: getattr(finding, name) for name in Finding.__dataclass_fields__} for finding in findings]
        print(json_text(json.dumps(rows, indent=2)))  # noqa: T201
    else:
        _show(findings)
    if any(finding.level is Level.STOP for finding in findings):
        raise typer.Exit(ExitCode.UNMEASURED)


def _calibrate(repeat: int, *, as_json: bool) -> None:
    found = calibrate(repeat=repeat, ca_bundle=ca_bundle(None), say=lambda said: print(harmless(said), file=sys.stderr))  # noqa: T201
    if as_json:
        print(json_text(json.dumps(show.data(found), indent=2)))  # noqa: T201
    else:
        terminal.show(show.table(found))
        for folder in found.folders:
            print(f"record: {folder}/record.json")  # noqa: T201
    if not found.holds:
        raise typer.Exit(ExitCode.UNMEASURED)


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for finding in findings:
        mend = text(f"\n→ {finding.mend}", _STYLES[finding.level]) if finding.mend else line("")
        said = joined(text(finding.found), mend)
        table.add_row(line(finding.level, _STYLES[finding.level]), line(finding.what), said)
    terminal.show(table)


app.command("list")(list_builds)


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown.")] = False,
    kept: Annotated[bool, typer.Option("--kept", help="Containers kept for `buildproof shell`, too.")] = False,
    caches: Annotated[bool, typer.Option("--caches", help="What fetch steps left, too: the next run fetches.")] = False,
    images: Annotated[bool, typer.Option("--images", help="The images, too: the next run makes them again.")] = False,
) -> None:
    """Show what buildproof has in the engine and whose it is, and remove what runs left that are dead.

    Only what carries its labels is ever touched, and nothing of a run that is under way.
    """
    asked = {Standing.KEPT: kept, Standing.CACHE: caches, Standing.IMAGE: images}
    chosen = {Standing.DEAD, *(standing for standing, wanted in asked.items() if wanted)}
    with Engine.connect() as engine:
        for said in leftovers.clean(engine, chosen, really=yes):
            print(harmless(said))  # noqa: T201


app.command("check")(check_files)
app.command("report")(draw_report)
app.command("run")(run_build)
app.command("shell")(open_shell)
app.command("trend")(draw_trend)


@app.command()
def rules() -> None:
    """Print docs/rules.md: every rule for artifacts, with its source and its mend."""
    print(rulebook())  # noqa: T201


@app.command()
def schema() -> None:
    """Print the JSON Schema of record.json."""
    print(json.dumps(json_schema(), indent=2))  # noqa: T201


def main() -> None:
    """Run a command; an error is shown as one message, with the exit code of its kind."""
    as_interrupts()
    try:
        app()
    except BuildproofError as error:
        print(f"buildproof: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(int(error.exit_code)) from None
