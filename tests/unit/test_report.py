"""The report: every build of every record in one page, whose texts are texts, and which asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.unit.test_record import RUN
from tests.unit.test_summary import BAD, GOOD
from typer.testing import CliRunner

from buildproof import cli
from buildproof.errors import InputError
from buildproof.evidence import Grade, Space
from buildproof.hostile import harmless
from buildproof.limits import LimitState
from buildproof.record import SCHEMA_VERSION, BuildRecord, RunRecord, dump
from buildproof.report import draw, leave, read_runs, write
from buildproof.report.overview import matrix_of, rows_of, tallies_of, title_of
from buildproof.report.sources import Run
from buildproof.verdict import Outcome, Verdict

WAITING = replace(GOOD, id="waiting-linux", verdict=None, builder="linux", profile="guide")
LOST = replace(
    GOOD, id="lost", verdict=Verdict(outcome=Outcome.ENGINE_ERROR, grade=Grade.HARNESS, summary="The engine is gone.")
)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&{{7*7}}\u2028\x1b[31m"


def run(*builds: BuildRecord, name: str = "20260102-030405-abcdef", minutes: int = 0) -> RunRecord:
    began = datetime(2026, 1, 2, 3, 4, tzinfo=UTC) + timedelta(minutes=minutes)
    return RunRecord(buildproof="0", id=name, command=("pytest",), began=began, ended=began, builds=builds)


def folder(at: Path, record: RunRecord) -> Path:
    at.mkdir(parents=True)
    (at / "record.json").write_bytes(dump(record))
    return at


class Page(HTMLParser):
    """What a browser would make of the page: its elements, and the texts of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inner: list[tuple[str, str]] = []
        self._innermost = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._innermost = tag

    def handle_endtag(self, _tag: str) -> None:
        self._innermost = ""

    def handle_data(self, data: str) -> None:
        self.inner.append((self._innermost, data))

    def texts(self, tag: str) -> list[str]:
        return [text for of, text in self.inner if of == tag]

    def details(self) -> list[dict[str, object]]:
        kinds = [attrs.get("type") for tag, attrs in self.tags if tag == "script"]
        texts = self.texts("script")
        return [json.loads(text) for kind, text in zip(kinds, texts, strict=True) if kind == "application/json"]


def page(*records: RunRecord, at: Path = Path()) -> Page:
    return Page(draw([Run(record, at) for record in records]))


# -- the overview -------------------------------------------------------------------------------------


def test_failures_come_first_and_builds_that_were_not_run_last() -> None:
    rows = rows_of([run(WAITING, GOOD, BAD)])
    assert [row.build.id for row in rows] == [BAD.id, GOOD.id, WAITING.id]
    assert [row.outcome for row in rows] == ["out-of-memory", "passed", "not run"]
    assert [bool(row.summary) for row in rows] == [True, False, False]
    assert tallies_of(rows) == [("out-of-memory", "resource", 1), ("passed", "passed", 1), ("not run", "planned", 1)]


def test_nothing_is_said_of_a_build_that_was_not_run() -> None:
    (row,) = rows_of([run(WAITING)])
    assert (row.demand, row.charged, row.limit, row.time) == ("", "", "", "")
    assert (row.demand_share, row.budget_share) == (0.0, None)
    assert (row.budget, row.time_limit) == ("2 GiB", "15:00")


def test_a_build_that_a_killed_run_left_is_under_way() -> None:
    begun = replace(WAITING, began=datetime(2026, 1, 2, tzinfo=UTC))
    (row,) = rows_of([replace(run(begun), ended=None)])
    assert row.outcome == "under way"


@pytest.mark.parametrize(
    ("builds", "title"),
    [
        ((GOOD, BAD), "1 of 2 builds failed"),
        ((GOOD,), "The build passed"),
        ((GOOD, replace(GOOD, id="b"), WAITING), "All 2 builds passed, 1 not run"),
        ((BAD, WAITING, WAITING), "The build failed, 2 not run"),
        ((BAD,), "The build failed"),
        ((LOST,), "The build proved nothing"),
        ((LOST, GOOD), "1 of 2 builds proved nothing"),
        ((LOST, GOOD, BAD), "1 of 3 builds failed, 1 proved nothing"),
        ((WAITING,), "No build was run"),
        ((), "No build was run"),
    ],
)
def test_the_title_says_what_became_of_all(builds: tuple[BuildRecord, ...], title: str) -> None:
    assert title_of(rows_of([run(*builds)])) == title
    assert f"<title>{title} · buildproof</title>" in draw([Run(run(*builds), Path())])


def test_the_same_build_of_two_runs_is_two_rows_that_can_be_told_apart() -> None:
    rows = rows_of([run(GOOD, name="one"), run(GOOD, BAD, name="two")])
    assert {row.key for row in rows} == {f"{GOOD.id}~1", f"{GOOD.id}~2", BAD.id}
    shown = draw([Run(run(GOOD, name="one"), Path()), Run(run(GOOD, name="two"), Path())])
    assert "<small>one</small>" in shown
    assert "<small>two</small>" in shown
    assert [details["run"] for details in Page(shown).details()] == ["one", "two"]
    assert "2 runs, the first of 2026-01-02 03:04 UTC, the last of 2026-01-02 03:04 UTC" in shown


def test_shares_are_of_the_largest_of_limit_budget_and_peak() -> None:
    (row,) = rows_of([run(GOOD)])  # 1 to 3 GiB of a budget of 2 GiB, the limit unknown
    assert (row.demand_share, row.charged_share, row.budget_share, row.limit_share) == (33.3, 100.0, 66.7, None)
    assert row.time_share == 54.7


def test_the_matrix_has_projects_down_builders_across_and_the_gravest_in_each_cell() -> None:
    assert matrix_of(rows_of([run(GOOD, BAD)])) is None, "a single project is no matrix"
    other = replace(GOOD, id="tool-windows-4g", project="tool")
    matrix = matrix_of(rows_of([run(GOOD, other), run(replace(BAD, profile="4g"), replace(WAITING, project="tool"))]))
    assert matrix is not None
    assert matrix["columns"] == [("linux", "guide"), ("windows", "4g")]
    outcomes = {project: [cell.outcome if cell else None for cell in cells] for project, cells in matrix["lines"]}
    assert outcomes == {"launcher": [None, "out-of-memory"], "tool": ["not run", "passed"]}


# -- the page -----------------------------------------------------------------------------------------


def test_the_page_asks_for_nothing_and_lets_only_its_own_script_and_style_in() -> None:
    shown = page(run(GOOD, BAD))
    (policy,) = [
        attrs["content"] or "" for tag, attrs in shown.tags if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    script = max(shown.texts("script"), key=len)
    (style,) = shown.texts("style")
    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    for tag, attrs in shown.tags:
        assert not any(name.startswith("on") or name == "style" for name in attrs), (tag, attrs)
        for name in {"src", "href", "action"} & set(attrs):
            assert (attrs[name] or "").startswith(("#", "data:")), (tag, attrs)


def test_whatever_a_project_says_stays_text() -> None:
    assert BAD.verdict
    odd = replace(
        BAD,
        id=HOSTILE,
        project=HOSTILE,
        builder=HOSTILE,
        profile=HOSTILE,
        tier=HOSTILE,
        target=HOSTILE,
        reproduce=HOSTILE,
        verdict=replace(BAD.verdict, summary=HOSTILE, cause=HOSTILE, advice=(HOSTILE,), contradictions=(HOSTILE,)),
        last_lines=(HOSTILE,),
        space={HOSTILE: Space(size=9, min_free=1, min_free_at_s=1.0)},
        limits={HOSTILE: LimitState(requested=1, effective=None, in_force=False, why=HOSTILE)},
    )
    ordinary = page(run(replace(BAD, id="a")))
    shown = page(replace(run(odd, name=HOSTILE), command=(HOSTILE,), remarks=(HOSTILE,)))
    assert [tag for tag, _ in shown.tags if tag in {"script", "img"}] == [
        tag for tag, _ in ordinary.tags if tag in {"script", "img"}
    ]
    (details,) = shown.details()
    assert details["id"] == harmless(HOSTILE) != HOSTILE
    assert "49" not in "".join(shown.texts("h1"))


def test_every_build_has_its_details_in_the_order_of_its_rows() -> None:
    shown = page(run(WAITING, GOOD, BAD))
    links = [attrs["href"] for tag, attrs in shown.tags if tag == "a"]
    assert (
        [f"#{details['id']}" for details in shown.details()] == links == [f"#{BAD.id}", f"#{GOOD.id}", f"#{WAITING.id}"]
    )


def test_a_record_alone_is_enough_and_the_page_says_what_was_not_there(tmp_path: Path) -> None:
    lost = replace(BAD, timeline="launcher-linux/timeline.jsonl", last_lines=("the", "end"))
    (details,) = page(run(lost), at=tmp_path).details()
    assert details["chart"] is None
    assert details["untold"] == "The timeline is not beside the record."
    assert details["log"] == {"total": None, "parts": [[None, ["the", "end"]]], "name": None, "href": None}


def test_a_newer_timeline_leaves_out_the_chart_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"timeline": 99}\n')
    (details,) = page(run(replace(BAD, timeline="t.jsonl")), at=tmp_path).details()
    assert details["untold"] == "The timeline cannot be read: the timeline has version 99, this buildproof reads 1."


def test_the_fetch_steps_log_stands_in_where_the_command_was_not_started(tmp_path: Path) -> None:
    at = folder(tmp_path / "run", run(replace(BAD, log=None)))
    (at / BAD.id).mkdir()
    (at / BAD.id / "fetch.log").write_text("no network\n")
    write(read_runs([at]), at / "report.html")
    (details,) = Page((at / "report.html").read_text()).details()
    assert details["log"] == {
        "total": 1, "parts": [[1, ["no network"]]], "name": "fetch.log", "href": "./launcher-linux/fetch.log",
    }  # fmt: skip


def test_a_full_record_is_drawn() -> None:
    first, second = page(RUN).details()
    assert first["id"] == "app-linux-4g"
    assert second["verdict"] is None


# -- where records come from --------------------------------------------------------------------------


def test_records_are_found_by_file_folder_and_folder_of_folders_each_once(tmp_path: Path) -> None:
    late = folder(tmp_path / "jobs" / "a", run(GOOD, name="late", minutes=9))
    early = folder(tmp_path / "jobs" / "b", run(BAD, name="early"))
    (tmp_path / "jobs" / "last").symlink_to("a")
    found = read_runs([late, tmp_path / "jobs", late / "record.json", tmp_path / "jobs" / "last"])
    assert [(one.record.id, one.folder) for one in found] == [("early", early), ("late", late)]


def test_a_folder_without_a_record_is_said_with_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read_runs([tmp_path])
    assert str(error.value) == (
        f"{tmp_path}: there is no record.json in this folder, nor below it\n"
        "  next: name the folder of a run, such as .buildproof/last"
    )


def test_a_newer_record_among_many_is_refused(tmp_path: Path) -> None:
    folder(tmp_path / "a", run(GOOD))
    newer = folder(tmp_path / "b", replace(run(GOOD), schema_version=SCHEMA_VERSION + 1))
    with pytest.raises(InputError, match="upgrade buildproof") as error:
        read_runs([tmp_path])
    assert str(newer / "record.json") in str(error.value)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[Run, Path]]:
    secret = tmp_path / "secret"
    secret.write_text("key")
    at = folder(tmp_path / "run", run(GOOD))
    (at / "link").symlink_to(secret)
    os.mkfifo(at / "fifo")
    yield Run(run(GOOD), at), secret


@pytest.mark.parametrize("name", ["../secret", "link", "fifo", ".", "gone", "", "a\0b", "x" * 5000])
def test_a_record_names_no_file_but_those_of_its_own_folder(outside: tuple[Run, Path], name: str) -> None:
    found, _ = outside
    assert found.beside(name) is None
    assert found.beside("record.json") == found.folder / "record.json"


def test_not_even_by_its_full_path(outside: tuple[Run, Path]) -> None:
    found, secret = outside
    assert found.beside(str(secret)) is None


# -- the command --------------------------------------------------------------------------------------


def told(*arguments: str | Path) -> str:
    result = CliRunner().invoke(cli.app, ["report", *map(str, arguments)])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_one_run_is_drawn_beside_its_record_and_many_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    one = folder(tmp_path / "jobs" / "a", run(GOOD, name="a"))
    folder(tmp_path / "jobs" / "b", run(BAD, name="b"))
    assert told(one) == f"report: {one}/report.html\n"
    assert told(tmp_path / "jobs") == "report: report.html\n"
    assert "1 of 2 builds failed" in (here / "report.html").read_text()
    assert told(one, "-o", "mine.html") == "report: mine.html\n"
    assert sorted(path.name for path in here.iterdir()) == ["mine.html", "report.html"]


def test_without_a_name_it_is_the_last_run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = folder(tmp_path / ".buildproof" / "20260102", run(GOOD))
    (tmp_path / ".buildproof" / "last").symlink_to(at)
    monkeypatch.chdir(tmp_path)
    assert told() == f"report: {at}/report.html\n"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    at = folder(tmp_path / "run", run(GOOD))
    with pytest.raises(InputError, match="cannot write the report: No such file or directory"):
        told(at, "-o", tmp_path / "gone" / "page.html")


def test_a_run_that_cannot_be_drawn_is_told_and_stops_nothing(tmp_path: Path) -> None:
    at = folder(tmp_path / "run", run(GOOD))
    assert leave(at) == f"report: {at}/report.html"
    (at / "record.json").write_text("{")
    assert re.match("report: none, .*no record that can be read", leave(at))
