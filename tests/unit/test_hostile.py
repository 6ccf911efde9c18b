"""Hostile text: one string with everything in it, pushed through every place where something is shown or written."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

import buildproof.cli as commands
from buildproof.baseline import Comparison
from buildproof.baseline import told as told_baseline
from buildproof.check.sarif import sarif
from buildproof.check.text import as_json
from buildproof.check.text import text as check_text
from buildproof.errors import InputError, InputErrors, Place
from buildproof.evidence import Artifact, Check, CheckStatus, Grade, LogFinding, Started
from buildproof.hostile import harmless, harmless_line, is_harmless_line, json_text, markdown, plain, sarif_text
from buildproof.limits import LimitState
from buildproof.logs import Log
from buildproof.preflight import Finding, Level
from buildproof.record import BuildRecord, Ended, RunRecord, dump
from buildproof.summary import told
from buildproof.targets import Format, Machine
from buildproof.timeline import Timeline
from buildproof.verdict import Outcome, Verdict
from buildproof.verdict.clues import quoted
from buildproof.verdict.outcomes import Clue

NASTY = (
    "a\x1b[31mred\x1b]8;;https://evil.example\x07link\x1b]8;;\x07\x1b]0;title\x07\x1bPq\x1b\\\x9b2J\x00\x08\x7f\x85"
    "\u202eexe.gpj\u2066\u200b\u200f\u2028\ufeff\uffff\U000e0041\udcff"
    "\n::set-output name=x::y\n \t\u00a0::add-mask::x\n##[error]boom ##vso[task.setvariable variable=x] "
    "##teamcity[x]\r::error::z\nthe next\n"
    "<script>alert(1)</script> ]]> & | `code` ``` ![x](https://evil.example) [bold]m[/bold] {0} [l](1)\n"
    "::stop-commands::x"
)


def obeyed(output: str) -> list[str]:
    """What a terminal, an XML parser or a CI service would not take for mere text, by definitions of the test's own."""
    unseen = [
        f"U+{ord(character):04X}"
        for character in output
        if character not in "\n\t\u200c\u200d"
        and (unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} or ord(character) & 0xFFFE == 0xFFFE)
    ]
    starts = [line for line in re.split(r"[\n\r\x85\u2028]", output) if line.strip().startswith("::")]
    return [*unseen, *starts, *re.findall(r"##(?:vso|teamcity)?\[", output)]


def test_the_string_has_everything_in_it() -> None:
    found = obeyed(NASTY)
    assert {"U+001B", "U+009B", "U+0000", "U+202E", "U+2066", "U+DCFF", "U+FFFF", "##[", "##vso["} <= set(found)
    assert any("add-mask" in line for line in found)


# -- the surfaces ---------------------------------------------------------------------------------------------------

CHECKS = tuple(
    Check(id="file-format", status=status, message=NASTY, mend=NASTY, expected=NASTY, actual=NASTY, offset=3)
    for status in CheckStatus
)
STARTED = Started(image=NASTY, argv=(NASTY,), exit_code=3, stdout=NASTY, duration_s=1.0, complaint=NASTY)
ARTIFACT = Artifact(
    path=NASTY, size=3, sha256=None, format=Format.PE, machine=Machine.X86_64, checks=CHECKS, started=STARTED
)
VERDICT = Verdict(
    outcome=Outcome.BAD_ARTIFACT,
    cause=NASTY,
    grade=Grade.KERNEL,
    summary=NASTY,
    culprit=NASTY,
    evidence=(Clue(grade=Grade.LOG, text=NASTY, at_s=1.0),),
    contradictions=(NASTY,),
    advice=(NASTY,),
)
BUILD = BuildRecord(
    id="app-windows",
    project="app",
    builder="windows",
    profile="guide",
    tier="gate",
    target="windows-x86_64",
    verdict=VERDICT,
    artifacts=(ARTIFACT,),
    findings=(LogFinding(kind="killed", line=1, text=NASTY),),
    last_lines=(NASTY,),
    ended=Ended(exit_code=3, accounting_refused=NASTY),
    limits={"pids": LimitState(requested=1, effective=None, in_force=False, why=NASTY)},
    log=NASTY,
    reproduce=NASTY,
)
RECORD = RunRecord(
    buildproof="0",
    id="run",
    command=(NASTY,),
    began=datetime.now(UTC),
    remarks=(NASTY,),
    builds=(BUILD, replace(BUILD, id="other", verdict=None)),
)


def printed(drawn: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=60, highlight=False, soft_wrap=True).print(drawn)
    return out.getvalue()


def from_log() -> str:
    log = Log(io.BytesIO())
    log.write(NASTY.encode("utf-8", "surrogatepass") + b"\nSIGKILL \x1b[31m\xe2\x80\xae\n" * 3)
    log.close()
    assert len(log.findings()) == 3
    return "\n".join([*log.last_lines, *map(quoted, log.findings())])


def from_timeline() -> str:
    file = io.StringIO()
    Timeline(file).take({"event": "process", "pid": 3, "comm": NASTY, "cmdline": NASTY})
    return file.getvalue()


SURFACES: dict[str, Callable[[], str]] = {
    "an error": lambda: str(InputError(NASTY, where=Place(Path(NASTY)), next_step=NASTY)),
    "several errors": lambda: str(InputErrors([InputError(NASTY), InputError(NASTY)])),
    "the summary": lambda: told(RECORD, Path("/runs/x"), width=200, colour=False),
    "the summary on a narrow terminal": lambda: told(RECORD, Path("/runs/x"), width=60, colour=False),
    "the baseline": lambda: told_baseline([Comparison(build="x", new_because=NASTY)], width=500, colour=False),
    "the text of checks": lambda: printed(check_text((ARTIFACT,), everything=True)),
    "checks as JSON": lambda: as_json((ARTIFACT,)),
    "SARIF": lambda: json_text(json.dumps(sarif((ARTIFACT,)), indent=2)),
    "the record": lambda: dump(RECORD).decode(),
    "the timeline": from_timeline,
    "what is quoted of a log": lambda: harmless(from_log()),
    "Markdown": lambda: markdown(NASTY),
}


@pytest.mark.parametrize("surface", SURFACES)
def test_nothing_that_is_shown_is_obeyed(surface: str) -> None:
    output = SURFACES[surface]()
    assert "gpj" in output or surface.startswith("SARIF")
    assert obeyed(output) == []


def test_a_log_keeps_no_control_sequence_in_memory() -> None:
    assert [found for found in obeyed(from_log()) if found.startswith("U+")] == []


def test_a_colour_of_ours_before_a_text_makes_no_command_of_it() -> None:
    output = told(RECORD, Path("/runs/x"), width=60, colour=True)
    assert "\x1b[" in output
    assert obeyed(re.sub(r"\x1b\[[0-9;]*m", "", output)) == []


def test_a_text_that_is_wrapped_right_before_a_command_makes_none_of_it() -> None:
    wrapped = replace(BUILD, verdict=replace(VERDICT, summary="x" * 58 + " ::error::x " + "y" * 300 + "::warning::z"))
    for width in range(60, 80):
        assert obeyed(told(replace(RECORD, builds=(wrapped,)), Path("/runs/x"), width=width, colour=False)) == []


class Inner(SimpleNamespace):
    """What the pytest inside of this one asks for: a build whose record is BUILD, and the nasty string itself."""


def test_pytests_output_and_its_junit_file_are_harmless(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = SimpleNamespace(id="app-windows")
    monkeypatch.setitem(sys.modules, "inner", Inner(build=build, record=BUILD, nasty=NASTY))
    pytester.makepyfile("""
        import inner, pytest
        from buildproof.plugin_live import say
        from buildproof.proof import Proof
        from buildproof.verdict.claims import Claim

        @pytest.mark.parametrize("claim", list(Claim))
        def test_claim(claim):
            Proof(inner.build, lambda build: inner.record, lambda: None).of(claim)

        def test_live_line(request):
            say(request.config, inner.nasty)
    """)
    result = pytester.runpytest_inprocess("-p", "buildproof.plugin", "-rA", "-s", "--junitxml=out.xml")
    output = result.stdout.str()
    assert result.parseoutcomes()["failed"] >= 2
    assert output.count("exe.gpj") >= 5
    assert obeyed(output) == []
    written = (pytester.path / "out.xml").read_text("utf-8")
    suite = ET.fromstring(written)  # noqa: S314 (pytest wrote it)
    assert obeyed(written) == []
    failures = list(suite.iter("failure"))
    assert any("<script>alert(1)</script>" in (failure.text or "") for failure in failures)
    assert {element.tag for element in suite.iter()} <= {
        "testsuites", "testsuite", "testcase", "failure", "skipped", "system-out", "properties", "property",
    }  # fmt: skip


def test_an_error_of_a_command_is_harmless(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    name = NASTY.replace("\0", "").replace("/", "")
    monkeypatch.setattr(sys, "argv", ["buildproof", "list", name])
    with pytest.raises(SystemExit):
        commands.main()
    said = capsys.readouterr().err
    assert "gpj" in said
    assert obeyed(said) == []


def test_what_the_small_commands_print_is_harmless(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("buildproof.cli.Engine.connect", contextlib.nullcontext)
    monkeypatch.setattr("buildproof.leftovers.clean", lambda *_engine, **_options: [NASTY])
    commands.clean()
    commands._show([Finding(what="x", level=Level.WARNING, found=NASTY, mend=NASTY)])
    said = capsys.readouterr().out
    assert said.count("script") >= 6
    assert obeyed(said) == []


# -- the functions --------------------------------------------------------------------------------------------------


def test_harmless_text_stays_as_it_is_the_second_time() -> None:
    for function in (plain, harmless, harmless_line, json_text):
        once = function(NASTY)
        assert function(once) == once


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("app.exe", "app.exe"),
        ("Grüße, 你好 👩\u200d💻", "Grüße, 你好 👩\u200d💻"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\U000e0041", r"\U000e0041"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("two\nlines\tand a tab", r"two\nlines\tand a tab"),
        ("::error::x", r"\::error::x"),
        ("  ::error::x", r"  \::error::x"),
        ("std::string", "std::string"),
        ("see ##[group]", r"see ##\[group]"),
        ("##vso[x]", r"##\vso[x]"),
        ("## heading [x]", "## heading [x]"),
    ],
)
def test_what_cannot_be_seen_is_shown_and_all_else_stays(hostile: str, shown: str) -> None:
    assert harmless_line(hostile) == shown
    assert is_harmless_line(hostile) is (hostile == shown)


def test_lines_and_tabs_of_a_text_stay() -> None:
    assert harmless("two\nlines\tand\n::error::x") == "two\nlines\tand\n\\::error::x"


def test_json_keeps_its_values() -> None:
    value = {"name": NASTY, "list": [NASTY, {"\u202e": "##[x]"}]}
    for ensure_ascii in (True, False):
        assert json.loads(json_text(json.dumps(value, ensure_ascii=ensure_ascii, indent=2))) == value


def test_markdown_shows_the_text_and_nothing_else() -> None:
    tame = "a_b_c *d* @somebody www.x.example"
    page = f"| name | x |\n|---|---|\n| {markdown(NASTY)} | y |\n\nand {markdown(tame)}\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(page)
    inside = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in inside} <= {"text", "text_special", "html_inline"}
    assert {token.content for token in inside if token.type == "html_inline"} == {"<code>", "</code>"}
    assert sum(token.type == "td_open" for token in tokens) == 2
    seen = "".join(token.content for token in inside if token.type != "html_inline")
    assert harmless_line(NASTY) in seen
    assert tame in seen


def test_a_sarif_message_has_no_placeholder_and_no_link() -> None:
    assert sarif_text("{0} [l](https://evil.example) [0]") == "{{0}} [l] (https://evil.example) [0]"
