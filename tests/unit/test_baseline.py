"""The baseline: what may grow by how much, what is noise, and who grew."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from buildproof.baseline import (
    History,
    Measured,
    Metric,
    compare,
    compare_with,
    in_full,
    machine_class,
    parse_thresholds,
    told,
)
from buildproof.baseline.measured import VERSION
from buildproof.errors import InputError, InputErrors
from buildproof.evidence import Artifact, Grade, Holder, Memory, Process, Processes, Time
from buildproof.record import BuildRecord, EngineRecord, ImageRecord
from buildproof.targets import Format, Machine
from buildproof.verdict import Outcome, Verdict

MIB = 1 << 20
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
RUSTC = "rustc --crate-name heavy"
ONE = Measured(
    at=BEGAN, run="r1", build="app-linux", image="linux:1", machine="2 cores", peak=100 * MIB, time=60.0, cpu=80.0,
    size=5 * MIB, held={RUSTC: 90 * MIB, "ld -o app": 40 * MIB},
)  # fmt: skip


def runs(*peaks: int, **changed: Any) -> History:
    """A history with one run for each peak in MiB."""
    return History(
        replace(ONE, run=f"r{number}", at=BEGAN + timedelta(days=number), peak=peak * MIB, **changed)
        for number, peak in enumerate(peaks)
    )


def now(**changed: Any) -> Measured:
    return replace(ONE, run="now", at=BEGAN + timedelta(days=99), **changed)


# -- thresholds ------------------------------------------------------------------------------------------


def test_a_threshold_is_a_share_or_an_amount() -> None:
    peak, time, size = parse_thresholds(["peak:10%, time:30s", "size:1m"])
    assert [peak.metric, time.metric, size.metric] == [Metric.PEAK, Metric.TIME, Metric.SIZE]
    assert [peak.allowed(200.0), time.allowed(200.0), size.allowed(200.0)] == [20.0, 30.0, MIB]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("peek:10%", "did you mean"),
        ("peak", "by how much"),
        ("peak:", "by how much"),
        ("peak:ten", "is not a size"),
        ("time:10q", "is not a duration"),
        ("peak:-5%", "is not a size"),
        ("peak:5%,peak:6%", "given twice"),
        ("", "is no figure"),
        ("peak:10%,", "is no figure"),
    ],
)
def test_a_threshold_that_cannot_be_read_is_said_with_the_way_to_write_it(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_thresholds([text])
    assert "peak:10%,time:25%" in str(caught.value)


# -- comparing -------------------------------------------------------------------------------------------


def test_a_figure_over_its_threshold_and_over_the_noise_fails() -> None:
    found = compare(now(peak=130 * MIB), runs(100, 101, 99), parse_thresholds(["peak:10%"]))
    assert [compared.metric for compared in found.failing] == [Metric.PEAK]
    assert in_full(found)[0] == (
        "peak 130 MiB, before 100 MiB (+30.0%); the median of 3, which lay 2 MiB apart; more than peak:10%"
    )


def test_a_figure_inside_of_the_spread_of_the_runs_before_does_not_fail() -> None:
    found = compare(now(peak=130 * MIB), runs(80, 100, 120), parse_thresholds(["peak:10%"]))
    assert not found.failing
    assert "within the noise" in in_full(found)[0]


def test_a_figure_without_a_threshold_never_fails() -> None:
    assert not compare(now(peak=900 * MIB), runs(100, 101, 99), parse_thresholds(["time:10%"])).failing


def test_of_two_runs_nobody_knows_the_spread() -> None:
    found = compare(now(peak=130 * MIB), runs(100, 140), parse_thresholds(["peak:5%"]))
    assert found.metrics[0].spread is None
    assert "too few to know the spread" in str(found.failing[0])


def test_less_than_before_is_no_failure() -> None:
    assert not compare(now(peak=10 * MIB), runs(100, 100, 100), parse_thresholds(["peak:1%"])).failing


def test_what_could_not_be_measured_is_not_compared() -> None:
    found = compare(now(peak=None), runs(100, 100, 100), parse_thresholds(["peak:1%"]))
    assert (found.failing, found.metrics[0].growth) == ((), None)


def test_the_run_itself_is_not_among_what_was_before() -> None:
    assert compare(now(), History([now()])).new_because == "nothing was saved of it before"


def test_a_run_that_failed_is_nothing_to_compare_with() -> None:
    failed = replace(ONE, outcome=Outcome.OUT_OF_MEMORY)
    assert compare(now(), History([failed])).new_because == "no run of it that passed was saved before"
    among = History([*runs(100, 101, 99).lines, replace(failed, run="f", peak=900 * MIB)])
    assert (compare(now(), among).metrics[0].before, compare(now(), among).metrics[0].runs) == (100 * MIB, 3)


def test_a_figure_may_reach_its_bound() -> None:
    """The threshold is measured from the most that was seen, and the spread from the median: the higher one counts."""
    found = compare(now(), runs(100, 101, 99), parse_thresholds(["peak:10%"])).metrics[0]
    assert found.bound == pytest.approx(111 * MIB)
    assert (found.least, found.most, found.spread) == (99 * MIB, 101 * MIB, 2 * MIB)
    assert compare(now(), runs(40, 100, 110), parse_thresholds(["peak:10%"])).metrics[0].bound == 170 * MIB
    assert compare(now(), runs(100, 140), parse_thresholds(["peak:10%"])).metrics[0].bound == pytest.approx(132 * MIB)


REAL = History.read(Path(__file__).parents[1] / "runs" / "growth.jsonl").lines
UNCHANGED, HUNGRIER = REAL[:13], REAL[13:]


def test_of_real_runs_that_did_not_change_hardly_any_choice_of_three_fails_another() -> None:
    """Their peaks vary by 5%: three may lie close together by chance, and low."""
    thresholds, failed = parse_thresholds(["peak:10%"]), 0
    choices = list(combinations(UNCHANGED, 3))
    for before in choices:
        others = [compare_with(line, before, thresholds) for line in UNCHANGED if line not in before]
        failed += any(one.failing for one in others)
    assert failed / len(choices) < 0.01


def test_a_real_build_that_one_crate_made_hungrier_fails_whichever_three_runs_were_saved() -> None:
    """In the first of them ld ended before its command line was read: by that name it had not been there before."""
    assert [line.over for line in HUNGRIER] == [{Metric.PEAK: "peak:10%"}] * 2
    assert "ld" in HUNGRIER[0].held
    for before in combinations(UNCHANGED, 3):
        for line in HUNGRIER:
            found = compare_with(line, before, parse_thresholds(["peak:10%"]))
            assert [one.metric for one in found.failing] == [Metric.PEAK]
            assert found.grown[0].name == RUSTC


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"build": "other-linux"}, "nothing was saved of it before"),
        ({"image": "linux:2"}, "saved before with linux:1, now linux:2"),
        ({"machine": "4 cores"}, "saved before on 2 cores, now on 4 cores"),
    ],
)
def test_only_the_same_build_image_and_machine_class_are_compared(changed: dict[str, str], because: str) -> None:
    assert compare(now(**changed), runs(100)).new_because == because


def test_who_grew_is_named_the_most_first() -> None:
    found = compare(now(held={RUSTC: 190 * MIB, "ld -o app": 41 * MIB, "cc1 new.c": 60 * MIB}), runs(100, 100, 100))
    assert [str(growth) for growth in found.grown] == [
        "rustc --crate-name heavy: 190 MiB, before 90 MiB",
        "cc1 new.c: 60 MiB, before not among the largest",
    ]


def test_a_process_that_varies_by_itself_is_not_taken_for_one_that_grew() -> None:
    """cargo asks rustc for its target in a process that lives for some milliseconds: what is seen of it is chance."""
    before = [
        replace(line, held={RUSTC: held * MIB}) for line, held in zip(runs(1, 2, 3).lines, (50, 40, 60), strict=True)
    ]
    assert compare(now(held={RUSTC: 70 * MIB}), History(before)).grown == ()
    assert [growth.name for growth in compare(now(held={RUSTC: 90 * MIB}), History(before)).grown] == [RUSTC]


def test_who_grew_is_named_though_it_had_grown_once_before() -> None:
    before = [
        replace(line, held={RUSTC: (90 + 50 * (n == 4)) * MIB}) for n, line in enumerate(runs(1, 2, 3, 4, 5).lines)
    ]
    assert [growth.name for growth in compare(now(held={RUSTC: 141 * MIB}), History(before)).grown] == [RUSTC]


def test_a_process_by_another_name_is_compared_with_the_one_that_is_gone() -> None:
    """ld ended before its command line was read; its output has a new hash; a crate was renamed."""
    for name in ("ld", "ld -o app-5f01"):
        assert compare(now(held={RUSTC: 90 * MIB, name: 41 * MIB}), runs(100, 100, 100)).grown == ()
        (grown,) = compare(now(held={RUSTC: 90 * MIB, name: 60 * MIB}), runs(100, 100, 100)).grown
        assert str(grown) == f"{name}: 60 MiB, before 40 MiB"
    assert compare(now(held={"rustc --crate-name heavy2": 91 * MIB}), runs(100, 100, 100)).grown == ()
    (new,) = compare(now(held={RUSTC: 90 * MIB, "rustc --crate-name new": 95 * MIB}), runs(100, 100, 100)).grown
    assert str(new) == "rustc --crate-name new: 95 MiB, before not among the largest"


def test_a_process_that_was_not_there_at_the_peak_did_not_make_it() -> None:
    held = {RUSTC: 120 * MIB, "ld -o app": 90 * MIB}
    assert [growth.name for growth in compare(now(held=held), runs(100)).grown] == ["ld -o app", RUSTC]
    assert [growth.name for growth in compare(now(held=held, at_peak=(RUSTC,)), runs(100)).grown] == [RUSTC]
    held[RUSTC] = 90 * MIB
    assert [growth.name for growth in compare(now(held=held, at_peak=(RUSTC,)), runs(100)).grown] == ["ld -o app"]


def test_a_small_process_that_comes_among_the_largest_is_not_taken_for_one_that_grew() -> None:
    assert compare(now(held={RUSTC: 90 * MIB, "as x.s": 41 * MIB}), runs(100, 100, 100)).grown == ()


# -- what is measured ------------------------------------------------------------------------------------

HOLDERS = (
    Holder(pid=9, comm="rustc", cmdline="rustc --crate-name heavy", rss=80),
    Holder(pid=1, comm="sh", cmdline=None, rss=1),
)
PASSED = BuildRecord(
    id="app-linux", project="app", builder="linux", profile="guide", tier="gate", target="linux-x86_64", began=BEGAN,
    verdict=Verdict(outcome=Outcome.PASSED, grade=Grade.KERNEL, summary="Built."),
    memory=Memory(demand_peak=100 * MIB, holders=HOLDERS), time=Time(wall_s=60.0, cpu_s=80.0),
    image=ImageRecord(reference="linux:1", id="i"),
    processes=Processes(top=(
        Process(pid=7, comm="rustc", cmdline="rustc --crate-name heavy", peak_rss=80 * MIB),
        Process(pid=9, comm="rustc", cmdline="rustc --crate-name heavy --test", peak_rss=90 * MIB),
    )),
    artifacts=(Artifact(path="app", size=5, sha256="0", format=Format.ELF, machine=Machine.X86_64),),
)  # fmt: skip


def test_a_build_that_passed_is_measured_with_its_largest_processes_by_their_work() -> None:
    found = Measured.of(PASSED, run="r", machine="m", commit="c")
    assert found is not None
    assert (found.peak, found.time, found.cpu, found.size) == (100 * MIB, 60.0, 80.0, 5)
    assert found.held == {"rustc --crate-name heavy": 90 * MIB}
    assert found.at_peak == ("rustc --crate-name heavy",)


def test_a_build_that_failed_is_measured_as_far_as_it_came() -> None:
    verdict = Verdict(
        outcome=Outcome.OUT_OF_MEMORY, grade=Grade.KERNEL, summary="Killed.", culprit="rustc --crate-name heavy (pid 7)"
    )
    found = Measured.of(replace(PASSED, verdict=verdict, artifacts=None), run="r", machine="m")
    assert found is not None
    assert (found.passed, found.culprit, found.size) == (False, "rustc --crate-name heavy (pid 7)", None)


@pytest.mark.parametrize("outcome", [Outcome.ENGINE_ERROR, Outcome.CANCELLED, Outcome.UNMEASURED])
def test_a_build_of_which_nothing_was_proved_is_not_measured(outcome: Outcome) -> None:
    verdict = Verdict(outcome=outcome, grade=Grade.HARNESS, summary="Gone.")
    assert Measured.of(replace(PASSED, verdict=verdict), run="r", machine="m") is None


def test_an_artifact_without_a_size_leaves_the_sum_unknown() -> None:
    lost = replace(PASSED.artifacts[0], size=None) if PASSED.artifacts else None
    assert lost is not None
    found = Measured.of(replace(PASSED, artifacts=(lost,)), run="r", machine="m")
    assert found is not None
    assert found.size is None


def test_machines_of_nearly_the_same_memory_are_one_class() -> None:
    engine = EngineRecord(
        version="1", api="1", kernel="6", operating_system="Debian", cgroup_version=2, cgroup_driver="systemd",
        storage_driver="overlay2", cores=4, memory=(16 << 30) - 300 * MIB, rootless=False,
    )  # fmt: skip
    assert machine_class(engine) == "4 cores, 16 GiB, cgroup v2"


# -- the file --------------------------------------------------------------------------------------------


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "baseline.jsonl"
    History.add(file, [ONE])
    History.add(file, [now()])
    assert History.read(file).lines == (ONE, now())


def test_no_file_is_an_empty_history(tmp_path: Path) -> None:
    assert History.read(tmp_path / "none.jsonl").lines == ()


def test_of_one_key_the_newest_lines_are_kept_and_other_keys_lose_none(tmp_path: Path) -> None:
    other = replace(ONE, build="other-linux")
    history = History([other]).with_lines(replace(ONE, run=f"r{n}", at=BEGAN + timedelta(n)) for n in range(250))
    assert len(history.lines) == 201
    assert other in history.lines
    assert history.lines[-1].run == "r249"


def test_runs_that_failed_push_out_none_that_passed() -> None:
    failed = (
        replace(ONE, run=f"f{n}", at=BEGAN + timedelta(days=1 + n), outcome=Outcome.BUILD_ERROR) for n in range(250)
    )
    history = History([ONE]).with_lines(failed)
    assert (history.lines[0], len(history.lines)) == (ONE, 201)


def test_a_line_of_the_first_version_is_one_of_a_build_that_passed(tmp_path: Path) -> None:
    file = tmp_path / "baseline.jsonl"
    file.write_text(
        '{"version":1,"at":"2026-03-01T00:00:00Z","run":"r1","build":"app-linux","image":"linux:1","machine":"2 cores",'
        '"peak":104857600,"time":60.0,"cpu":80.0,"size":5242880,"held":{"rustc --crate-name heavy":94371840,'
        '"ld -o app":41943040}}\n'
    )
    assert History.read(file).lines == (replace(ONE, version=1),)


def test_each_line_that_cannot_be_read_is_said_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "baseline.jsonl"
    History.add(file, [ONE])
    good = file.read_text()
    newer = good.replace(f'"version":{VERSION}', '"version":9')
    file.write_text(f'{good}not json\n<<<<<<< ours\n\n{newer}{{"at": 3}}\n')
    with pytest.raises(InputErrors) as caught:
        History.read(file)
    text = str(caught.value)
    for said in (
        "baseline.jsonl:2: ",
        "baseline.jsonl:3: a merge left",
        "baseline.jsonl:5: this line has version 9",
        "baseline.jsonl:6",
    ):
        assert said in text


def test_no_name_of_a_process_makes_a_file_that_cannot_be_read_again(tmp_path: Path) -> None:
    """U+2028 ends a line for some, and so does U+0085; bytes that are no UTF-8 come as halves of surrogate pairs."""
    file = tmp_path / "baseline.jsonl"
    strange = replace(ONE, held={"ld -o a\u2028b": MIB, "cc1 \x85.c": MIB, "cc1 \u202e.c": MIB, "cc1 \udcff.c": MIB})
    History.add(file, [strange])
    History.add(file, [now()])
    *names, no_text = History.read(file).lines[0].held
    assert names == ["ld -o a\u2028b", "cc1 \x85.c", "cc1 \u202e.c"]
    assert re.fullmatch("cc1 [?\ufffd]+\\.c", no_text)
    assert not re.search("[\x85\u2028\u202e]", file.read_text("utf-8"))


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_two_branches_that_both_saved_merge_without_a_conflict(tmp_path: Path) -> None:
    """With the line that docs/baseline.md gives for .gitattributes."""
    file = tmp_path / "buildproof-baseline.jsonl"
    (tmp_path / ".gitattributes").write_text("buildproof-baseline.jsonl merge=union\n")
    git(tmp_path, "init", "-q", "-b", "main")
    History.add(file, [ONE])
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "switch", "-qc", "side")
    History.add(file, [replace(ONE, run="side", at=BEGAN + timedelta(days=2))])
    git(tmp_path, "commit", "-qam", "side")
    git(tmp_path, "switch", "-q", "main")
    History.add(file, [replace(ONE, run="main", at=BEGAN + timedelta(days=1))])
    git(tmp_path, "commit", "-qam", "main")
    git(tmp_path, "merge", "-q", "side")
    assert [line.run for line in History.read(file).lines] == ["r1", "main", "side"]


# -- what is shown ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_shows_each_figure_with_its_change_and_new_builds_with_the_reason(width: int) -> None:
    grown = compare(now(peak=130 * MIB), runs(100, 101, 99), parse_thresholds(["peak:10%"]))
    new = compare(now(build="new-linux"), runs(100))
    text = told([grown, new], width=width, colour=False)
    assert " ".join(text.split()).count("+30.0%") == 2
    assert "new-linux: NEW, nothing was saved of it before" in " ".join(text.split())
    assert "\x1b" not in text
