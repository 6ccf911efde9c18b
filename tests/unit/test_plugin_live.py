"""What a log shows while builds run: lines between pytest's own, and its own in one piece."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

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


def test_a_test_is_told_how_wide_the_terminal_is_although_its_output_is_captured(tmp_path: Path) -> None:
    test = "from buildproof.plugin_live import columns\ndef test_it(request): assert columns(request.config) == 61\n"
    (tmp_path / "test_it.py").write_text(test)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 61, 0, 0))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "buildproof.plugin", "-p", "no:cacheprovider", "test_it.py"]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, stdout=theirs, stderr=theirs, timeout=60, check=False)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, said
