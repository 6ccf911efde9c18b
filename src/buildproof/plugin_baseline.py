"""The part of the plugin that compares with a baseline: `--save-baseline`, `--compare`, `--fail-on`."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildproof.errors import BuildproofError, ExitCode
from buildproof.hostile import harmless
from buildproof.layout import BASELINE_FILE
from buildproof.plugin_matrix import stood

if TYPE_CHECKING:  # what a run needs, collecting does not pay for
    from buildproof.baseline import Comparison, History, Measured, Threshold
    from buildproof.record import BuildRecord, RunRecord

_TEST = "test_baseline"
_GATE = pytest.StashKey["BaselineGate"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, with ini twins where a project wants to decide once."""
    group = parser.getgroup("buildproof")
    group.addoption(
        "--save-baseline", action="store_true", dest="buildproof_save_baseline",
        help="add what each build needs to the baseline; what fails is kept for `buildproof trend` alone",
    )  # fmt: skip
    group.addoption(
        "--compare", action="store_true", dest="buildproof_compare",
        help="show what each build needs beside the baseline",
    )  # fmt: skip
    group.addoption(
        "--fail-on", action="append", metavar="EXPR", dest="buildproof_fail_on",
        help="fail a build that grew by more: peak:10%%,time:25%%,cpu:20%%,size:5%% or amounts as in peak:64m,time:30s;"
        " noise alone never fails it (implies --compare)",
    )  # fmt: skip
    group.addoption(
        "--baseline", metavar="FILE", dest="buildproof_baseline",
        help=f"the file with the baseline (ini: buildproof_baseline; default: {BASELINE_FILE} in the root folder)",
    )  # fmt: skip
    group.addoption(
        "--machine-class", metavar="NAME", dest="buildproof_machine_class",
        help="machines of one name are compared (default: cores, memory and cgroup version of the engine)",
    )  # fmt: skip
    parser.addini("buildproof_baseline", "the file that holds the baseline", default=BASELINE_FILE)


def pytest_configure(config: pytest.Config) -> None:
    """Read the thresholds and the baseline first: whoever mistyped one learns it before the builds."""
    if not _is_compared(config) and not config.getoption("buildproof_save_baseline"):
        return
    try:
        config.stash[_GATE] = BaselineGate(config)
    except BuildproofError as error:
        raise pytest.UsageError(str(error)) from None


def _is_compared(config: pytest.Config) -> bool:
    return bool(config.getoption("buildproof_compare") or config.getoption("buildproof_fail_on"))


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str) -> list[pytest.Item] | None:
    """Without `--fail-on` there is no such test."""
    return [] if name == _TEST and not collector.config.getoption("buildproof_fail_on") else None


@pytest.fixture(scope="session")
def baseline_gate(pytestconfig: pytest.Config) -> BaselineGate:
    """The baseline of this run, and its thresholds."""
    return pytestconfig.stash[_GATE]


class BaselineGate:
    """What was saved before, what may grow by how much, and this run's place among it."""

    def __init__(self, config: pytest.Config) -> None:
        from buildproof.baseline import History, parse_thresholds  # noqa: PLC0415

        named = config.getoption("buildproof_baseline")
        self.file = stood(config) / named if named else config.rootpath / config.getini("buildproof_baseline")
        self.thresholds: tuple[Threshold, ...] = parse_thresholds(config.getoption("buildproof_fail_on") or [])
        self.history: History = History.read(self.file)
        self._config = config

    def check(self, build: BuildRecord, run: RunRecord) -> None:
        """Fail when a figure grew too much; skip, with the reason, where there is nothing to compare."""
        __tracebackhide__ = True
        from buildproof.baseline import in_full  # noqa: PLC0415

        found = self.compared(build, run)
        if found is None:
            pytest.skip(f"{build.id}: not compared with the baseline: it did not pass")
        if found.new_because is not None:
            pytest.skip(harmless(f"{build.id}: NEW: {found.new_because}"))
        if found.failing:
            told = "\n".join([f"{build.id}: more than before", *in_full(found)])
            pytest.fail(harmless(told), pytrace=False)

    def compared(self, build: BuildRecord, run: RunRecord) -> Comparison | None:
        """One build of this run against the baseline; None for one that did not pass."""
        from buildproof.baseline import Measured, compare  # noqa: PLC0415

        measured = Measured.of(build, run=run.id, machine=self._machine(run))
        return compare(measured, self.history, self.thresholds) if measured and measured.passed else None

    def all_compared(self, run: RunRecord) -> list[Comparison]:
        """Every build of this run that passed."""
        return [found for build in run.builds if (found := self.compared(build, run))]

    def save(self, run: RunRecord) -> str:
        """Add this run's figures to the file; says whose. InputError when the file cannot be written."""
        from buildproof.baseline import History, Measured  # noqa: PLC0415

        machine, commit = self._machine(run), _commit(self._config.rootpath)
        lines = [Measured.of(build, run=run.id, machine=machine, commit=commit) for build in run.builds]
        new = [self._judged(line) for line in lines if line]
        History.add(self.file, new)
        count = sum(line.counts for line in new)
        beside = f", {len(new) - count} more for the trend alone" if count < len(new) else ""
        return f"saved: {count} of {len(run.builds)} builds{beside}, to {self.file}"

    def _judged(self, line: Measured) -> Measured:
        """The line with the thresholds that it is over."""
        from buildproof.baseline import compare  # noqa: PLC0415

        failing = compare(line, self.history, self.thresholds).failing if line.passed else ()
        over = {one.metric: one.threshold.text for one in failing if one.threshold}
        return replace(line, over=over or None)

    def _machine(self, run: RunRecord) -> str:
        from buildproof.baseline import machine_class  # noqa: PLC0415

        named: str | None = self._config.getoption("buildproof_machine_class")
        return named or (machine_class(run.engine) if run.engine else "unknown")


def exit_code(config: pytest.Config, run: RunRecord) -> ExitCode | None:
    """The exit code of a run in which a build grew too much."""
    gate = config.stash.get(_GATE, None)
    return ExitCode.RESOURCE if gate and any(found.failing for found in gate.all_compared(run)) else None


def tell(config: pytest.Config, run: RunRecord, reporter: pytest.TerminalReporter) -> None:
    """The comparison, and where the figures of this run were put."""
    from buildproof.baseline import told  # noqa: PLC0415

    gate = config.stash.get(_GATE, None)
    if gate is None:
        return
    reporter.section("baseline")
    if _is_compared(config):
        width, colour = reporter._tw.fullwidth, reporter._tw.hasmarkup  # noqa: SLF001
        reporter.write(told(gate.all_compared(run), width=width, colour=colour))
    if config.getoption("buildproof_save_baseline"):
        try:
            reporter.write_line(gate.save(run))
        except BuildproofError as error:
            reporter.write_line(f"not saved: {error}")


def _commit(root: Path) -> str | None:
    """The commit that was built, from the CI or from git."""
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
