"""A build that one crate makes hungrier fails and names the crate; one that did not change passes, however often."""

from __future__ import annotations

import statistics
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.baseline.crates import BUILD, write_project

from buildproof.baseline import History
from buildproof.budget.ledger import VARIABLE
from buildproof.layout import BASELINE_FILE
from buildproof.patience import patient
from buildproof.plugin_live import say
from buildproof.record import BuildRecord, load
from buildproof.units import size

SAVED, UNCHANGED = 3, 10
HUNGRIER_FUNCTIONS = 500
LONGEST_S = 300.0
GATE = ("--compare", "--fail-on", "peak:10%")
WORKERS = ("-n", "2")


@dataclass(frozen=True)
class Ran:
    """One run of the project: its exit code, all that it said, what became of each test, its record."""

    exit_code: int
    output: str
    tests: dict[str, str]
    build: BuildRecord

    @property
    def peak(self) -> int:
        assert self.build.memory.demand_peak
        return self.build.memory.demand_peak


@dataclass(frozen=True)
class Story:
    """The runs, in the order in which they were made, and the history that they left."""

    saved: list[Ran]
    unchanged: list[Ran]
    hungrier: list[Ran]
    history: History


def run(project: Path, *options: str) -> Ran:
    """Run the suite as a person would who stands in the project."""
    results = project.parent / "results.xml"
    command = [sys.executable, "-m", "pytest", "--rootdir", str(project), f"--junitxml={results}", *options]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=patient(LONGEST_S), check=False)
    output = done.stdout + done.stderr
    assert results.is_file(), output
    tests = {case.get("name", ""): _became(case) for case in ET.parse(results).iter("testcase")}  # noqa: S314 (ours)
    results.unlink()
    (build,) = load(project / ".buildproof" / "last" / "record.json").builds
    return Ran(done.returncode, output, tests, build)


def _became(case: ET.Element) -> str:
    return next((child.tag for child in case if child.tag in {"failure", "error", "skipped"}), "passed")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Story:
    """The whole of it. What else this machine builds is no part of it: the ledger is the test's own."""
    project = write_project(tmp_path_factory.mktemp("growth") / "crates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("ledger")))
        patch.delenv("BUILDPROOF_INVOKED_FROM", raising=False)
        saved = [run(project, "--save-baseline") for _ in range(SAVED)]
        unchanged = [run(project, *GATE, *(WORKERS if index % 3 == 2 else ())) for index in range(UNCHANGED)]
        write_project(project, functions=HUNGRIER_FUNCTIONS)
        hungrier = [run(project, *GATE, "--save-baseline"), run(project, *GATE, *WORKERS)]
    story = Story(saved, unchanged, hungrier, History.read(project / BASELINE_FILE))
    before = [ran.peak for ran in saved]
    say(
        pytestconfig,
        f"saved: median {size(round(statistics.median(before)))}, {size(max(before) - min(before))} apart;"
        f" unchanged: {', '.join(size(ran.peak) for ran in unchanged)};"
        f" hungrier: {', '.join(size(ran.peak) for ran in hungrier)}",
    )
    return story


def test_what_was_saved_is_what_was_measured(story: Story) -> None:
    assert [ran.exit_code for ran in story.saved] == [0] * SAVED, story.saved[-1].output
    counted = [line for line in story.history.lines if line.counts]
    assert [line.peak for line in counted] == [ran.peak for ran in story.saved]
    assert all(f"rustc --crate-name {crate}" in line.held for line in story.history.lines for crate in ("heavy", "app"))


@pytest.mark.parametrize("index", range(UNCHANGED))
def test_an_unchanged_build_passes_every_time(story: Story, index: int) -> None:
    ran = story.unchanged[index]
    assert ran.exit_code == 0, ran.output
    assert ran.tests[f"test_baseline[{BUILD}]"] == "passed"
    assert "more than before" not in ran.output


@pytest.mark.parametrize("index", [0, 1], ids=["one-process", "workers"])
def test_a_build_that_one_crate_made_hungrier_fails_and_names_the_crate(
    story: Story, index: int, pytestconfig: pytest.Config
) -> None:
    ran = story.hungrier[index]
    assert ran.peak >= 1.3 * statistics.median(before.peak for before in story.saved), "the crate is not hungry enough"
    failed = {name for name, became in ran.tests.items() if became in {"failure", "error"}}
    assert (ran.exit_code, failed) == (11, {f"test_baseline[{BUILD}]"}), ran.output
    told = ran.output[ran.output.index(f"{BUILD}: more than before") :].splitlines()[:3]
    say(pytestconfig, "\n".join(told))
    assert told[1].startswith(f"peak {size(ran.peak)}, before ")
    assert told[1].endswith("more than peak:10%")
    who, _, rest = told[2].partition(";")
    assert who.startswith("who grew: rustc --crate-name heavy: ")
    assert "light" not in rest


def test_growth_that_was_refused_is_saved_and_does_not_become_what_is_usual(story: Story) -> None:
    """The second of the hungrier runs failed as well, though the first one was saved."""
    newest = story.history.lines[-1]
    assert (newest.peak, newest.over, newest.counts) == (story.hungrier[0].peak, {"peak": "peak:10%"}, False)
    assert "saved: 0 of 1 builds, 1 more for the trend alone" in story.hungrier[0].output
    assert f"the median of {SAVED}" in story.hungrier[1].output
