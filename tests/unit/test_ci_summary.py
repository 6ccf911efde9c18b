"""What a CI service shows of a record."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from markdown_it import MarkdownIt
from tests.unit.test_hostile import NASTY
from tests.unit.test_summary import BAD, GOOD, PASSED, run

from buildproof.ci_summary import figures, github_annotations, summary
from buildproof.limits import LimitState
from buildproof.plugin_ci import tell
from buildproof.record import BuildRecord
from buildproof.verdict import Outcome

ROOT = Path("/repository")
DECLARED = replace(BAD, declared_at="/repository/app/buildproof.toml:6")


def drawn(*builds: BuildRecord) -> str:
    return str(MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(summary(run(*builds))))


def test_every_build_is_a_row_and_only_what_failed_is_told_in_full() -> None:
    text = summary(run(GOOD, BAD))
    assert text.startswith("### buildproof: 1 of 2 builds passed\n")
    page = drawn(GOOD, BAD)
    assert page.count("<tr>") == 3
    assert page.count("<h4>") == 1
    for said in ("cgroup: 1 OOM kill", "the log says otherwise", "Or need less at once: fewer jobs."):
        assert said in page


def test_keys_in_an_advice_are_code_and_what_is_long_is_folded() -> None:
    page = drawn(replace(BAD, reproduce="docker run --rm box", last_lines=("Killed",)))
    assert "Raise <code>mem_limit</code> above 6 GiB" in page
    assert page.count("<details>") == page.count("</details>") == 2
    assert "docker run --rm box</pre>" in unescape(page)


def test_limits_that_were_not_in_force_are_there_for_who_asks() -> None:
    swap = LimitState(requested=8 << 30, effective=None, in_force=False, why="no swap on the host")
    page = drawn(replace(GOOD, limits={"memory_swap": swap}), BAD)
    assert "limits not in force: 1" in page
    assert "memory swap 8 GiB: no swap on the host (<code>launcher-windows-4g</code>)" in unescape(page)
    assert "limits not in force" not in drawn(GOOD, BAD)


def test_figures_stay_with_their_units_in_a_narrow_column() -> None:
    page = summary(run(GOOD))
    for said in ("1&nbsp;GiB to 3&nbsp;GiB", "2&nbsp;GiB", "8:12&nbsp;of&nbsp;15:00", "5&nbsp;MiB, starts"):
        assert said in page


def test_github_takes_nothing_out_of_the_summary() -> None:
    """Its list of tags is in github/markup; style, class and what else hangs on a tag is taken out."""
    swap = LimitState(requested=8 << 30, effective=None, in_force=False, why="no swap on the host")
    bad = replace(BAD, reproduce="docker run box", last_lines=("a@b", "c"), limits={"memory_swap": swap})
    page = drawn(GOOD, bad)
    shown = {tag.strip("/ ") for tag in re.findall(r"<([^>]*)>", page)}
    assert {"details", "table", "code", "span"} <= shown
    assert shown <= {
        "h3", "h4", "p", "br", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "code", "pre",
        "details", "summary", "span",
    }  # fmt: skip


def test_one_word_is_not_said_twice() -> None:
    verdict = replace(PASSED, outcome=Outcome.CANCELLED, cause="cancelled")
    assert "cancelled (cancelled)" not in drawn(replace(GOOD, verdict=verdict))


def test_what_was_not_run_is_said() -> None:
    assert "Not run: <code>" in summary(run(GOOD, replace(GOOD, id="other", verdict=None)))


def test_text_of_a_build_is_no_markup_in_the_summary() -> None:
    verdict = replace(PASSED, outcome=Outcome.BUILD_ERROR, summary=NASTY, advice=(NASTY,), contradictions=(NASTY,))
    tame = drawn(
        replace(BAD, verdict=replace(verdict, summary="x", advice=("x",), contradictions=("x",)), last_lines=("x",))
    )
    wild = drawn(replace(BAD, verdict=verdict, last_lines=(NASTY,)))

    def tags(page: str) -> list[str]:
        """What is between backquotes in an advice is shown as code, and may be a name of the project's."""
        idle = {"span", "/span", "code", "/code"}
        return [name for part in page.split("<")[1:] if (name := part.partition(">")[0]) not in idle]

    assert tags(wild) == tags(tame)
    assert "@" not in wild.replace("<span>@</span>", "")


def test_a_summary_never_passes_what_github_shows() -> None:
    verdict = replace(PASSED, outcome=Outcome.BUILD_ERROR, summary="x" * 200_000)
    text = summary(run(*(replace(BAD, id=f"b{number}", verdict=verdict) for number in range(9))))
    assert len(text.encode()) < 1 << 20
    assert "more verdicts are in the report" in text


def test_an_annotation_stands_at_the_line_of_the_manifest() -> None:
    (line,) = github_annotations(run(GOOD, DECLARED), ROOT)
    assert line.startswith(
        "::error file=app/buildproof.toml,line=6,title=launcher-linux%3A out-of-memory::The build's limit"
    )
    assert line.endswith("Next: Raise `mem_limit` above 6 GiB; demand reached at least 5.9 GiB.")


def test_an_annotation_is_one_command_whatever_the_build_says() -> None:
    verdict = replace(PASSED, outcome=Outcome.BUILD_ERROR, summary=f"a%0A\n::set-env name=X::y\n{NASTY}")
    (line,) = github_annotations(run(replace(DECLARED, verdict=verdict)), ROOT)
    assert "\n" not in line
    assert "\r" not in line
    assert "a%250A%0A" in line


def test_what_is_not_the_projects_fault_is_a_warning() -> None:
    verdict = replace(PASSED, outcome=Outcome.ENGINE_ERROR)
    (line,) = github_annotations(run(replace(DECLARED, verdict=verdict)), ROOT)
    assert line.startswith("::warning ")


def test_figures_are_plain_numbers_and_what_is_unknown_is_left_out() -> None:
    found = figures(GOOD)
    assert found["memory_charged_peak_bytes"] == str(3 << 30)
    assert found["wall_seconds"] == "492.0"
    assert found["outcome"] == "passed"
    assert "cpu_seconds" not in found


class Reporter:
    """What is written to the terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.config = SimpleNamespace(rootpath=ROOT)

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def told(*builds: BuildRecord, is_green: bool = False) -> list[str]:
    reporter = Reporter()
    tell(run(*builds), cast("pytest.TerminalReporter", reporter), is_green=is_green)
    return reporter.lines


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    page = tmp_path / "page.md"
    for name, value in (
        ("GITHUB_STEP_SUMMARY", str(page)), ("GITHUB_ACTIONS", "true"), ("GITHUB_WORKSPACE", "/repository"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    return page


def test_the_summary_is_appended_and_never_overwrites(page: Path) -> None:
    page.write_text("before\n")
    assert [line.partition(" ")[0] for line in told(GOOD, DECLARED)] == ["::error"]
    assert page.read_text() == "before\n" + summary(run(GOOD, DECLARED))


def test_verdicts_that_no_test_minds_are_no_annotations(page: Path) -> None:
    assert told(GOOD, DECLARED, is_green=True) == []
    assert "Every test passed: none of them minds a verdict below." in page.read_text()
    page.unlink()
    told(GOOD, is_green=True)
    assert "minds" not in page.read_text()


def test_a_summary_that_cannot_be_written_is_said_and_ends_nothing(page: Path) -> None:
    page.mkdir()
    assert told(GOOD) == [f"the job summary cannot be written: {page}: Is a directory"]


def test_elsewhere_nothing_is_said(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert told(DECLARED) == []
    assert not page.exists()
