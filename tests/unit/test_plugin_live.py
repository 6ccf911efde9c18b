"""What a log shows while builds run: lines between pytest's own, and its own in one piece."""

from __future__ import annotations

import pytest

TESTS = """
    import pytest
    from buildproof.plugin_live import say

    @pytest.mark.parametrize("build", ["a", "b"])
    def test_measured(request, build):
        say(request.config, f"{build}: build")

    @pytest.mark.parametrize("build", ["a", "b"])
    def test_builds(build):
        if build == "b":
            pytest.skip("no")
"""


def lines(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    """From the first test to the first outcome of the last, without what is to the right of it."""
    pytester.makepyfile(test_it=TESTS)
    result = pytester.runpytest_inprocess("-p", "buildproof.plugin", "-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(passed=3, skipped=1)
    shown = [line.partition("  ")[0].rstrip() for line in result.outlines]
    return shown[next(at for at, line in enumerate(shown) if line.startswith("test_it.py")) :]


def test_an_outcome_stands_behind_the_name_of_its_file(pytester: pytest.Pytester) -> None:
    assert lines(pytester)[:5] == ["test_it.py", "a: build", "test_it.py .", "b: build", "test_it.py ..s"]


def test_with_v_it_stands_behind_the_name_of_its_test(pytester: pytest.Pytester) -> None:
    assert lines(pytester, "-v")[:7] == [
        "test_it.py::test_measured[a]",
        "a: build",
        "test_it.py::test_measured[a] PASSED",
        "test_it.py::test_measured[b]",
        "b: build",
        "test_it.py::test_measured[b] PASSED",
        "test_it.py::test_builds[a] PASSED",
    ]


def test_with_q_nothing_is_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TESTS)
    result = pytester.runpytest_inprocess("-p", "buildproof.plugin", "-p", "no:cacheprovider", "-q")
    assert not any("build" in line for line in result.outlines)
    assert result.outlines[0].startswith("...s")
