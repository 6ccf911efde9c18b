"""The trend: what each build needed over its runs, which of them grew, and who; every text in it stays text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_baseline import BEGAN, MIB, ONE, RUSTC
from tests.unit.test_report import HOSTILE, Page
from typer.testing import CliRunner

from buildproof import cli
from buildproof.baseline import History, Measured, Metric, parse_thresholds
from buildproof.errors import InputError
from buildproof.hostile import harmless
from buildproof.trend import State, draw, series_of
from buildproof.trend.series import title_of
from buildproof.trend.spark import HEIGHT, scale, spark_of
from buildproof.verdict import Outcome

FAIL_ON = parse_thresholds(["peak:10%,time:25%,size:5%"])
FAILED_AND_GREW = "1 of 2 builds failed, 1 grew"
BIG = {RUSTC: 120 * MIB, "ld -o app": 40 * MIB}


def line(day: int, **changed: Any) -> Measured:
    return replace(ONE, run=f"r{day}", at=BEGAN + timedelta(days=day), **changed)


def steady(days: int = 4, **changed: Any) -> list[Measured]:
    return [line(day, peak=(100 + day % 2) * MIB, **changed) for day in range(days)]


def summed(steps: list[int | None]) -> list[int | None]:
    """The numbers that the page tells by their steps, as the page's own script has them."""
    total = accumulate(step or 0 for step in steps)
    return [None if step is None else value for step, value in zip(steps, total, strict=True)]


def page(*lines: Measured) -> Page:
    return Page(draw(History(lines), FAIL_ON))


# -- series ----------------------------------------------------------------------------------------------


def test_a_run_stands_against_those_before_it_and_no_later_ones() -> None:
    (one,) = series_of(History([*steady(), line(9, peak=130 * MIB, held=BIG)]), FAIL_ON)
    assert [point.state for point in one.points] == [State.NEW, *[State.STEADY] * 3, State.GREW]
    assert one.newest.over == {Metric.PEAK}
    assert one.newest.why[0].startswith("peak 130 MiB, before 100 MiB")
    assert one.newest.why[1] == f"who grew: {RUSTC}: 120 MiB, before 90 MiB"


def test_growth_that_was_refused_stays_growth_and_is_nothing_to_compare_with() -> None:
    lines = [*steady(), *(line(day, peak=130 * MIB, over={Metric.PEAK: "peak:10%"}) for day in range(5, 12))]
    (one,) = series_of(History(lines), FAIL_ON)
    assert [point.state for point in one.points[4:]] == [State.GREW] * 7
    compared = one.newest.compared
    assert compared
    assert (compared.metrics[0].before, compared.metrics[0].runs) == (100.5 * MIB, 4)


def test_what_a_run_was_over_is_told_where_the_thresholds_of_now_are_wider() -> None:
    lines = [*steady(), line(9, peak=108 * MIB, over={Metric.PEAK: "peak:5%"})]
    (one,) = series_of(History(lines), FAIL_ON)
    assert (one.state, set(one.newest.over)) == (State.GREW, {Metric.PEAK})
    assert one.newest.why == ("more than peak:5% when it ran",)


def test_a_run_that_failed_is_told_with_its_culprit_and_who_held_more() -> None:
    died = line(9, outcome=Outcome.OUT_OF_MEMORY, culprit=f"{RUSTC} (pid 7)", peak=512 * MIB, held={RUSTC: 400 * MIB})
    after = line(10)
    before, now = series_of(History([*steady(), died]), FAIL_ON), series_of(History([*steady(), died, after]), FAIL_ON)
    assert before[0].state is State.FAILED
    assert before[0].newest.why == (
        f"out-of-memory: {RUSTC} (pid 7)",
        f"who held more than before: {RUSTC}: 400 MiB, before 90 MiB",
    )
    assert now[0].state is State.STEADY, "what it held is nothing to compare with"


def test_series_of_an_image_that_went_out_of_use_are_past_and_come_last() -> None:
    lines = [*steady(image="linux:1"), line(9, image="linux:2"), *steady(build="zeta"), *steady(machine="8 cores")]
    found = series_of(History(lines), FAIL_ON)
    assert [(one.build, one.image, one.machine, one.state.value) for one in found] == [
        ("app-linux", "linux:2", "2 cores", "new"),
        ("app-linux", "linux:1", "8 cores", "as before"),
        ("zeta", "linux:1", "2 cores", "as before"),
        ("app-linux", "linux:1", "2 cores", "past"),
    ]


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        ([], "Nothing was saved yet"),
        (steady(), "The build did not grow"),
        ([*steady(), line(9, peak=200 * MIB)], "The build grew"),
        ([*steady(), line(9, outcome=Outcome.SIGBUS)], "The build failed"),
        ([*steady(), *steady(build="b")], "None of 2 builds grew"),
        ([*steady(), line(9, peak=200 * MIB), *steady(build="b")], "1 of 2 builds grew"),
        ([*steady(), line(9, peak=200 * MIB), line(9, build="b", outcome=Outcome.SIGBUS)], FAILED_AND_GREW),
    ],
)  # fmt: skip
def test_the_title_says_where_the_builds_stand(lines: list[Measured], title: str) -> None:
    assert title_of(series_of(History(lines), FAIL_ON)) == title
    assert title in page(*lines).texts("h1")


# -- lines without axes ----------------------------------------------------------------------------------


def test_noise_is_not_blown_up_to_the_whole_height() -> None:
    assert scale([100.0, 101.0]) == pytest.approx((85.35, 115.65))
    assert scale([100.0, 300.0]) == (100.0, 300.0)
    assert scale([0.0]) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_a_run_that_failed_is_marked_at_the_edge_and_presses_nothing_flat() -> None:
    grown = [*steady(), line(9, peak=130 * MIB)]
    failed = line(10, outcome=Outcome.OUT_OF_MEMORY, peak=5000 * MIB)
    (alone,), (both,) = (series_of(History(lines), FAIL_ON) for lines in (grown, [*grown, failed]))
    one, other = spark_of(alone, Metric.PEAK), spark_of(both, Metric.PEAK)
    assert one
    assert other
    heights = [[float(number) for number in re.findall(r" ([0-9.]+)", spark.line)] for spark in (one, other)]
    assert heights[0] == heights[1]
    assert len(re.findall("h0", other.grew)) == 1
    assert re.fullmatch(r"M[0-9.]+ 2\.0h0", other.failed)
    assert all(0 <= height <= HEIGHT for height in heights[0])


def test_of_a_figure_that_is_unknown_there_is_no_line() -> None:
    (one,) = series_of(History(steady(size=None)), FAIL_ON)
    assert spark_of(one, Metric.SIZE) is None


# -- the page --------------------------------------------------------------------------------------------


def test_each_series_is_there_with_all_its_runs() -> None:
    found = page(*steady(), line(9, peak=130 * MIB, held=BIG, charged=200 * MIB, commit="c" * 40), *steady(build="b"))
    details: list[Any] = found.details()
    names, app, other = details
    assert (app["id"], app["outcome"], other["id"], other["outcome"]) == ("app-linux", "grew", "b", "as before")
    assert [names["names"][number] for number in summed(app["run"])] == ["r0", "r1", "r2", "r3", "r9"]
    assert names["names"][summed(app["commit"])[-1]] == "c" * 10
    figures = {name: summed(steps) for name, steps in app["figures"].items()}
    assert figures["peak"] == [100 * 1024, 101 * 1024, 100 * 1024, 101 * 1024, 130 * 1024]
    assert (figures["charged"][-1], figures["time"][-1], figures["size"][-1]) == (200 * 1024, 600, 5 * MIB)
    before, least, most, bound = map(summed, app["band"]["peak"])
    assert (before[0], before[-1], least[-1], most[-1]) == (None, 100.5 * 1024, 100 * 1024, 101 * 1024)
    assert bound[-1] == round(111.05 * 1024)
    ((index, kind, why, who, over),) = app["marks"]
    assert (index, kind, who, over) == (4, "grew", RUSTC, ["peak"])
    assert why[1].startswith("who grew: rustc --crate-name heavy")


def test_the_overview_is_read_without_a_script() -> None:
    found = page(*steady(), line(9, peak=130 * MIB, held=BIG))
    text = " ".join(text for tag, text in found.inner if tag not in {"script", "style"})
    for told in ("app-linux", "linux:1", "2 cores", "grew", "130 MiB", "+29.4%", "2026-03-10", "who grew: rustc"):
        assert told in text, told


def test_hostile_texts_stay_texts() -> None:
    hostile = line(
        9, peak=900 * MIB, build=HOSTILE, image=HOSTILE, machine=HOSTILE, commit=HOSTILE, held={HOSTILE: 800 * MIB}
    )
    named: dict[str, Any] = {"build": HOSTILE, "image": HOSTILE, "machine": HOSTILE}
    first = [replace(one, run=f"{one.run}{HOSTILE}", held={HOSTILE: 1 * MIB}, **named) for one in steady()]
    died = replace(hostile, run=HOSTILE, at=hostile.at + timedelta(1), outcome=Outcome.CRASHED, culprit=HOSTILE)
    found = page(*first, hostile, died)
    assert [tag for tag, _ in found.tags if tag in {"img", "iframe", "a"}] == ["a"]
    assert len(found.texts("script")) == 3, "the page's own, the names, one series"
    details: list[Any] = found.details()
    names, series = details
    assert series["id"] == harmless(HOSTILE)
    assert harmless(HOSTILE) in names["names"]
    assert not re.search("[\x1b\u2028]", json.dumps([names, series], ensure_ascii=False))


def test_the_page_lets_nothing_in_and_nothing_out() -> None:
    found = page(*steady())
    (policy,) = [
        a["content"] for t, a in found.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    for tag, attributes in found.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        assert not (attributes.get("src") or "").startswith("http")


# -- the command -----------------------------------------------------------------------------------------


def told(*arguments: str | Path) -> str:
    result = CliRunner().invoke(cli.app, ["trend", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_trend_of_the_history_here_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    History.add(tmp_path / "buildproof-baseline.jsonl", steady())
    assert told() == "trend: trend.html\n"
    assert "The build did not grow" in (tmp_path / "trend.html").read_text()


def test_the_histories_of_several_jobs_make_one_page(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    History.add(one, [*steady(), *steady(build="b")])
    History.add(other, steady(build="b"))
    out = tmp_path / "out.html"
    assert told(one, other, "-o", out, "--fail-on", "peak:5%") == f"trend: {out}\n"
    text = out.read_text()
    assert "8 runs of 2 builds" in text
    assert "more than peak:5%" in text


def refused(*arguments: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        told(*arguments)
    return str(caught.value)


def test_bad_input_is_said_with_its_place_and_the_next_step(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    assert "pytest --save-baseline" in refused(tmp_path / "none.jsonl")
    file.write_bytes(b"\xff\xfe")
    assert f"{file}: cannot read the baseline" in refused(file)
    file.write_text("nonsense\n")
    assert re.search(r"history\.jsonl:1: .*\n  next: remove the line", refused(file))
    file.write_text("")
    assert "cannot write the page" in refused(file, "-o", tmp_path / "none" / "out.html")
    assert "did you mean 'peak'" in refused(file, "--fail-on", "peek:10%")
    assert f"{tmp_path}: cannot read the baseline" in refused(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"over": {"peek": "peek:10%"}}, {"over": {"peak": "<b>"}}, {"peak": -1}, {"time": -5.0}, {"time": "NaN"},
        {"time": 1e400}, {"at": "2026-03-01T00:00:00"}, {"at": "2026-03-01"}, {"at": "0001-01-01T00:00:00Z"},
        {"at": "9999-12-31T23:59:59Z"}, {"held": {"rustc": -1}}, {"peak": 10**30}, {"outcome": "splendid"},
    ],
)  # fmt: skip
def test_a_line_that_nobody_measured_is_refused_or_drawn_and_no_traceback(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    file = tmp_path / "history.jsonl"
    History.add(file, steady())
    strange = json.loads(file.read_text().splitlines()[-1]) | {"run": "strange"} | changed
    file.write_text(f"{file.read_text()}{json.dumps(strange)}\n")
    try:
        told(file, "-o", tmp_path / "out.html")
    except InputError as error:
        assert f"{file}:5: " in str(error)
