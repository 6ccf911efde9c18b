"""A suite that runs on request: deselected, and said to be, until its folder, a test in it or its marker is named."""

from __future__ import annotations

import pytest

CONFTEST = """
from pathlib import Path
import pytest
from tests.on_request import OnRequest

def pytest_configure(config):
    OnRequest.register(config, Path(__file__).parent, marker="slow", what="an engine", fixture={fixture!r})

@pytest.fixture
def engine():
    return None
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> pytest.Pytester:
    """A suite on request below `tests/slow`, and an ordinary one beside it."""
    folder = pytester.mkdir("tests") / "slow"
    folder.mkdir()
    (folder / "conftest.py").write_text(CONFTEST.format(fixture=getattr(request, "param", None)))
    (folder / "test_slow.py").write_text("def test_slow(engine): pass\ndef test_pure(): pass\n")
    (folder.parent / "test_fast.py").write_text("def test_fast(): pass\n")
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest("--import-mode=importlib", "-p", "no:cacheprovider", "--strict-markers", *arguments)


def test_a_suite_nobody_asked_for_is_left_out_and_named(suite: pytest.Pytester) -> None:
    result = run(suite)
    result.assert_outcomes(passed=1, deselected=2)
    result.stdout.fnmatch_lines(["2 tests of an engine are deselected: `./verify tests/slow` runs them"])


@pytest.mark.parametrize("asked", ["tests/slow", "tests/slow/test_slow.py", "tests/slow/test_slow.py::test_slow"])
def test_a_path_asks_for_it(suite: pytest.Pytester, asked: str) -> None:
    run(suite, asked).assert_outcomes(passed=1 if "::" in asked else 2)


def test_its_marker_asks_for_it(suite: pytest.Pytester) -> None:
    run(suite, "-m", "slow").assert_outcomes(passed=2, deselected=1)


def test_a_word_that_only_contains_the_marker_does_not(suite: pytest.Pytester) -> None:
    run(suite, "-o", "markers=slower", "-m", "not slower").assert_outcomes(passed=1, deselected=2)


@pytest.mark.parametrize("suite", ["engine"], indirect=True)
def test_what_does_not_use_the_fixture_runs_always(suite: pytest.Pytester) -> None:
    run(suite).assert_outcomes(passed=2, deselected=1)
