"""What the report shows of one build, as data: no peak lost, no figure without its words, no line misnumbered."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.unit.evidence_sample import (
    GIB,
    GOOD,
    MIB,
    NO_SPACE,
    OOM_KILL,
    STOPPED,
    artifact,
    end,
    failed,
    found,
    signalled,
)

from buildproof.capped import CappedFile
from buildproof.evidence import CheckStatus, Evidence, Process, Processes, Time
from buildproof.record import Attempt, BuildRecord, Phase
from buildproof.report.chart import chart_of, size_ticks, space_of, time_ticks
from buildproof.report.details import details_of
from buildproof.report.excerpt import AROUND, excerpt
from buildproof.report.trace import Sample, Trace
from buildproof.units import clock, size
from buildproof.verdict import Budget, judge

BUDGET = Budget(peak_memory=2 * GIB, time_limit=1800.0)


def build(evidence: Evidence = GOOD, budget: Budget = BUDGET) -> BuildRecord:
    record = BuildRecord(
        id="app-linux",
        project="app",
        builder="linux",
        profile="guide",
        tier="gate",
        target="linux-x86_64",
        budget=budget,
    )
    return replace(record.with_evidence(evidence), verdict=judge(evidence, budget))


def sample(at_s: float, demand: int | None = 0, **changes: Any) -> Sample:
    shown = {"charged": demand, "swap": None, "pids": 1, "holder": None, "holder_rss": None, "free": ()}
    return Sample(at_s=at_s, demand=demand, **{**shown, **changes})


def chart(*samples: Sample, evidence: Evidence = GOOD, points: int = 100, budget: Budget = BUDGET) -> dict[str, Any]:
    drawn = chart_of(build(evidence, budget), Trace(("/",), samples), points)
    assert drawn is not None
    json.dumps(drawn, allow_nan=False)
    return drawn


# -- the chart ----------------------------------------------------------------------------------------


def test_few_samples_are_drawn_as_they_are() -> None:
    drawn = chart(sample(0.5, MIB), sample(1.25, 3 * MIB, charged=4 * MIB), sample(2.0, None))
    assert drawn["t"] == [0.5, 1.25, 2.0]
    assert drawn["demand"] == [1024, 3072, None]
    assert drawn["charged"] == [1024, 4096, None]


def test_no_peak_is_lost_however_few_points_there_are() -> None:
    samples = [sample(index / 10, MIB + (700 * MIB if index == 637 else 0)) for index in range(1000)]
    drawn = chart(*samples, points=10)
    assert len(drawn["t"]) == 10
    assert max(drawn["demand"]) == 701 * 1024
    assert [index for index, value in enumerate(drawn["demand"]) if value > 1024] == [6]


def test_the_demand_peak_is_a_point_of_the_curve_though_the_timeline_was_written_less_often() -> None:
    peaked = replace(GOOD, memory=replace(GOOD.memory, demand_peak=9 * MIB, demand_peak_at_s=1.5))
    drawn = chart(sample(1, MIB), sample(2, MIB), evidence=peaked)
    assert drawn["t"] == [1, 1.5, 2]
    assert drawn["demand"] == [1024, 9 * 1024, 1024]
    assert drawn["charged"] == [1024, None, 1024]
    assert drawn["peak"] == {"at": 1.5, "bytes": 9 * MIB, "text": "peak 9 MiB"}


def test_a_build_that_was_never_sampled_has_no_chart() -> None:
    assert chart_of(build(), Trace(), 100) is None
    assert space_of(Trace(), 100) == {}


@pytest.mark.parametrize("end_s", [0.1, 0.7, 3, 9.9, 12, 61, 300, 1799, 3600, 86400, 10 * 86400])
def test_moments_on_the_axis_are_few_round_and_inside(end_s: float) -> None:
    ticks = time_ticks(end_s)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 10
    assert ticks[-1] <= end_s
    assert len({round(after - before, 3) for before, after in pairwise(ticks)}) == 1
    if end_s > 10:
        assert len({clock(tick) for tick in ticks}) == len(ticks)


@pytest.mark.parametrize("top", [1, 5, 1 << 20, 401 * MIB, GIB, 6 * GIB + 1, 1 << 45])
def test_sizes_on_the_axis_are_few_round_and_inside(top: int) -> None:
    ticks = size_ticks(top)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] <= top
    assert len({size(tick) for tick in ticks}) == len(ticks)
    assert ticks[1] & (ticks[1] - 1) == 0, "a power of two"


def test_a_limit_far_above_is_told_and_does_not_press_the_curve_flat() -> None:
    drawn = chart(sample(1, 1500 * MIB))
    assert drawn["top"] < 3 * GIB
    assert drawn["lines"] == [
        {"kind": "limit", "at": 6 * GIB, "text": "limit 6 GiB", "beyond": True},
        {"kind": "budget", "at": 2 * GIB, "text": "budget 2 GiB", "beyond": False},
    ]


def test_a_limit_that_was_reached_is_a_line() -> None:
    drawn = chart(sample(1, 6 * GIB), evidence=OOM_KILL)
    assert drawn["lines"][0] == {"kind": "limit", "at": 6 * GIB, "text": "limit 6 GiB", "beyond": False}
    assert drawn["top"] > 6 * GIB
    assert not [line for line in chart(sample(1), budget=Budget())["lines"] if line["kind"] == "budget"]


def test_who_held_the_memory_is_told_stretch_by_stretch_the_weightiest_first() -> None:
    rustc: dict[str, Any] = {"holder": ("rustc", "rustc --crate-name syn src/lib.rs"), "holder_rss": 300 * MIB}
    ld: dict[str, Any] = {"holder": ("ld", None), "holder_rss": MIB}
    drawn = chart(
        sample(0, **ld), sample(2, **rustc), sample(3, **{**rustc, "holder_rss": 400 * MIB}), sample(4), sample(5, **ld)
    )
    holders = drawn["holders"]
    assert holders["names"] == ["rustc syn", "ld"]
    assert holders["spans"] == [[0, 2, 1, "1 MiB"], [2, 4, 0, "400 MiB"], [5, 100.0, 1, "1 MiB"]]


def test_the_moment_of_death_is_marked_the_culprits_first() -> None:
    other = end(6, "sh", at_s=3.0)
    drawn = chart(sample(1), evidence=signalled(OOM_KILL, replace(other, pid=99)))
    assert [(mark["at"], mark["kind"], mark["is_culprit"]) for mark in drawn["marks"]] == [
        (12.0, "death", True), (3.0, "death", False),
    ]  # fmt: skip
    assert drawn["marks"][0]["text"] == "cc1plus (pid 214): SIGKILL"


def test_a_death_after_the_last_sample_is_still_in_the_picture() -> None:
    dead = signalled(replace(GOOD, time=Time(wall_s=11.9)), end(9, at_s=12.0))
    assert chart(sample(1), evidence=dead)["end"] == 12.0


def test_where_the_harness_stepped_in_is_marked() -> None:
    (mark,) = chart(sample(1), evidence=STOPPED)["marks"]
    assert (mark["at"], mark["kind"]) == (1800.0, "stop")
    assert mark["text"] == "ended by the harness (time-limit) after 30 min 00 s"


def test_free_space_is_drawn_where_it_moved() -> None:
    trace = Trace(
        ("/", "/dev/shm", "/gone"), tuple(sample(at, free=(GIB - at, GIB // (at + 1), None)) for at in range(4))
    )
    space = space_of(trace, 100)
    assert space == {"t": [0, 1, 2, 3], "free": {"/dev/shm": [1 << 20, 1 << 19, (1 << 20) // 3, 1 << 18]}}
    least = space_of(trace, 2)["free"]["/dev/shm"]
    assert least == [1 << 19, 1 << 18], "of each stretch the least that was free"


# -- the log ------------------------------------------------------------------------------------------


def excerpted(text: bytes, *telling: int, head: int = 2, tail: int = 2) -> dict[str, Any]:
    return excerpt(io.BytesIO(text), head=head, tail=tail, telling=telling)


def test_a_short_log_is_shown_whole() -> None:
    assert excerpted(b"a\nb\nc\n") == {"total": 3, "parts": [[1, ["a", "b", "c"]]]}
    assert excerpted(b"a\nb") == {"total": 2, "parts": [[1, ["a", "b"]]]}
    assert excerpted(b"") == {"total": 0, "parts": []}


def test_of_a_long_log_head_tail_and_the_telling_lines_are_shown_with_their_numbers() -> None:
    log = b"".join(b"%d\n" % number for number in range(1, 101))
    told = excerpted(log, 50)
    assert told["total"] == 100
    around = [str(number) for number in range(50 - AROUND, 50 + AROUND + 1)]
    assert told["parts"] == [[1, ["1", "2"]], [50 - AROUND, around], [99, ["99", "100"]]]
    assert excerpted(log, 4, 97)["parts"] == [
        [1, [str(number) for number in range(1, 4 + AROUND + 1)]],
        [97 - AROUND, [str(number) for number in range(97 - AROUND, 101)]],
    ]  # fmt: skip


def test_lines_are_counted_as_the_findings_are() -> None:
    text = b"one\rtwo\r\n\x1b[31mred\x1b[0m\n" + b"x" * 200_000 + b"\r100 %\nlast\n"
    assert excerpted(text, head=9)["parts"] == [[1, ["two", "red", "100 %", "last"]]]


def test_a_long_line_keeps_its_beginning() -> None:
    ((_, (line,)),) = excerpted(b"y" * 5000)["parts"]
    assert len(line) == 500
    assert line.endswith("y…")


# -- the words ----------------------------------------------------------------------------------------


def test_a_verdicts_line_of_the_log_can_be_followed() -> None:
    details = details_of(build(failed(GOOD, 1, found("no-space", NO_SPACE, line=7))))
    clue = next(clue for clue in details["verdict"]["evidence"] if clue["grade"] == "log")
    assert clue["line"] == 7
    assert details["marks"] == {7: ["no-space"]}


def test_every_claim_is_told_as_the_tests_decide_it() -> None:
    claims = {claim: answer for claim, answer, _ in details_of(build(OOM_KILL))["claims"]}
    assert claims["no-oom-kill"] == "broken"
    assert claims["measured"] == "held"
    assert claims["no-sigbus"] == "held"
    unstarted = replace(GOOD, artifacts=(replace(artifact(), started=None),))
    assert "starts" not in {claim for claim, *_ in details_of(build(unstarted))["claims"]}


def test_what_failed_in_an_artifact_comes_first_with_its_values() -> None:
    (shown,) = details_of(build(replace(GOOD, artifacts=(artifact(CheckStatus.FAIL),))))["artifacts"]
    assert [check["status"] for check in shown["checks"]] == ["fail", "pass"]
    assert (shown["size"], shown["kind"]) == ("4 KiB", "PE, x86_64")
    assert shown["started"]["ok"]


def test_among_many_builds_command_lines_are_cut_and_passed_checks_counted() -> None:
    top = (Process(pid=1, comm="cc", cmdline="cc " + "x" * 500, peak_rss=MIB),)
    long = replace(GOOD, processes=Processes(exited=2, top=top), artifacts=(artifact(CheckStatus.FAIL),))
    full, brief = details_of(build(long)), details_of(build(long), brief=True)
    assert (len(full["largest"][0]["command"]), len(brief["largest"][0]["command"])) == (503, 160)
    assert [check["status"] for check in brief["artifacts"][0]["checks"]] == ["fail"]
    assert (brief["artifacts"][0]["passed"], full["artifacts"][0]["passed"]) == (1, 1)


def test_casualties_come_in_the_order_of_their_end_with_signal_and_work() -> None:
    first = replace(end(7, "ld", at_s=2.0), cmdline="ld -o app main.o", core_dumped=True)
    casualties = details_of(build(signalled(GOOD, end(9, at_s=4.0), first)))["casualties"]
    assert [(one["moment"], one["work"], one["how"]) for one in casualties] == [
        ("2.0 s", "ld -o app", "SIGBUS, core dumped"), ("4.0 s", "cc1plus", "SIGKILL"),
    ]  # fmt: skip


def test_the_largest_processes_are_compared_with_the_largest() -> None:
    top = tuple(Process(pid=pid, comm="cc", cmdline=None, peak_rss=rss * MIB) for pid, rss in ((1, 400), (2, 100)))
    shown = details_of(build(replace(GOOD, processes=Processes(exited=2, top=top))))["largest"]
    assert [(one["rss"], one["share"]) for one in shown] == [("400 MiB", 1.0), ("100 MiB", 0.25)]


def test_what_is_unknown_is_said_to_be_unknown() -> None:
    details = details_of(build(Evidence()))
    figures = {name: value for name, value, _ in details["figures"]}
    assert {figures["memory demanded"], figures["memory limit"], figures["time"], figures["processes ended"]} == {
        "unknown"
    }


def test_earlier_tries_are_told() -> None:
    attempt = Attempt(phase=Phase.BUILD, trouble="engine", what="the engine went away", ran_s=3.5, waited_s=10.0)
    details = details_of(replace(build(), attempts=(attempt,)))
    assert details["attempts"] == [["build", "3.5 s", "engine", "the engine went away", "10.0 s"]]


def test_a_build_without_a_verdict_is_told_too() -> None:
    details = details_of(replace(build(), verdict=None))
    assert details["verdict"] is None
    assert details["claims"] == []


@pytest.mark.parametrize("many", [60, 3000])
def test_lines_behind_what_a_log_leaves_out_keep_their_numbers(tmp_path: Path, many: int) -> None:
    file = CappedFile(tmp_path / "build.log", head=200, tail=300)
    for number in range(1, many + 1):
        file.write(b"this is line %d\n" % number)
    file.close()
    with (tmp_path / "build.log").open("rb") as log:
        told = excerpt(log, head=3, tail=5, telling=[many - 10])
    assert told["total"] == many
    assert told["parts"][0] == [1, ["this is line 1", "this is line 2", "this is line 3"]]
    lines = {first + at: line for first, part in told["parts"] for at, line in enumerate(part)}
    wanted = (1, 2, 3, *range(many - 13, many - 6), *range(many - 4, many + 1))
    assert lines == {number: f"this is line {number}" for number in wanted}
