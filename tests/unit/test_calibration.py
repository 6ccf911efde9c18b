"""The calibration's data and its judgement: what agrees passes, and nothing that is off does."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from buildproof import cli
from buildproof.artifacts import Expectation, examine
from buildproof.calibration import LOADS, MANIFEST, show
from buildproof.calibration.loads import Interval, Load
from buildproof.calibration.project import load as program
from buildproof.calibration.trial import MARK, SLACK, Calibration, Trial, Truth, compare, errors_of, truth_in
from buildproof.discovery import discover, load
from buildproof.engine import Engine
from buildproof.errors import ExitCode
from buildproof.evidence import CheckStatus, Grade, Memory, Process, Processes
from buildproof.limits import LimitState
from buildproof.preflight import Finding, Level
from buildproof.record import BuildRecord
from buildproof.targets import Target
from buildproof.verdict import Outcome, Verdict

MIB = 1 << 20
HELD = Truth(anonymous=200 * MIB, shared=6 * MIB, page_tables=1 * MIB, held_ms=100.0)
CLOSE = Load(name="close", says="close", interval=Interval.CLOSE)
CONTAINS = replace(CLOSE, interval=Interval.CONTAINS)


def record(
    *, outcome: Outcome = Outcome.PASSED, cause: str | None = None, culprit: str | None = None, **memory: Any
) -> BuildRecord:
    known = {"demand_peak": 206 * MIB, "charged_peak": 215 * MIB, "sample_interval_ms": 70.0, **memory}
    return BuildRecord(
        id="x",
        project="x",
        builder="x",
        profile="default",
        tier="gate",
        target="linux-x86_64",
        memory=Memory(**known),
        verdict=Verdict(outcome=outcome, cause=cause, grade=Grade.KERNEL, summary="So it was.", culprit=culprit),
    )


def trial(load: Load, found: BuildRecord, truth: Truth | None = HELD, version: int = 1) -> Trial:
    return compare(load, found, truth, cgroup_version=version)


def test_every_load_has_its_build_and_every_build_its_load() -> None:
    builds = load([MANIFEST])
    assert [build.builder.name for build in builds] == [known.name for known in LOADS]


def test_what_a_load_is_called_is_what_it_does() -> None:
    for build in load([MANIFEST]):
        word, _, numbers = build.builder.name.partition("-")
        if word in {"hold", "share", "split"}:
            digits = "".join(char if char.isdigit() else " " for char in numbers)
            assert build.command.split()[2:] == [word, *digits.split()]
        else:
            assert build.command.split()[2] == build.builder.name
        assert build.command.split()[2] in program.LOADS


def test_no_search_takes_the_calibration_for_a_project_of_the_users() -> None:
    assert MANIFEST.name not in {path.name for path in discover([MANIFEST.parents[4] / "fixtures"])}
    assert not list(MANIFEST.parents[1].rglob("buildproof.toml"))


def test_what_a_load_leaves_is_a_sound_executable(tmp_path: Any) -> None:
    path = tmp_path / "app"
    path.write_bytes(program.executable())
    checks = examine(path, Expectation(target=Target.LINUX_X86_64), "app").checks
    assert checks
    assert {check.status for check in checks} <= {CheckStatus.PASS, CheckStatus.NOT_APPLICABLE}


_DAEMON = f"""
import os, pathlib, time
from {program.__name__} import daemon
fork, at_once, children = os.fork, os.execvp, []
def slowly(*words):
    time.sleep(0.3)
    at_once(*words)
def noted():
    children.append(fork())
    return children[-1]
os.fork, os.execvp = noted, slowly
daemon()
print(pathlib.Path(f"/proc/{{children[0]}}/comm").read_text())
os.kill(children[0], 9)
"""


def test_the_daemon_is_what_it_is_to_be_before_its_load_goes() -> None:
    """Otherwise what is left behind may be a python3 that waits for a CPU before its exec(2)."""
    done = subprocess.run((sys.executable, "-c", _DAEMON), capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "sleep"


def test_the_load_and_the_comparison_mean_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    program.tell(anonymous=5, shared=6, page_tables=7, held_s=0.1)
    assert truth_in("noise\n" + capsys.readouterr().out) == Truth(anonymous=5, shared=6, page_tables=7, held_ms=100.0)
    assert truth_in(f"echo {MARK}{{}}\n") is None


def test_page_tables_are_demand_on_v2_alone() -> None:
    assert HELD.demand(1) == 206 * MIB
    assert HELD.demand(2) == 207 * MIB


def test_agreement_passes() -> None:
    found = trial(CLOSE, record())
    assert found.wrong == ()
    assert found.error == 0.0


@pytest.mark.parametrize(
    ("load", "memory", "complaint"),
    [
        (CLOSE, {"demand_peak": 199 * MIB}, "below 206 MiB; the longest gap between two samples was 70 ms"),
        (CLOSE, {"demand_peak": 206 * MIB + SLACK + 1}, "above the truth"),
        (CONTAINS, {"demand_peak": 206 * MIB + SLACK + 1}, "above the truth"),
        (CONTAINS, {"charged_peak": 206 * MIB - 1}, "the charged peak 206 MiB is below the truth"),
        (CONTAINS, {"charged_peak": None}, "the interval is unknown"),
        (CONTAINS, {"demand_peak": None}, "the interval is unknown"),
        (replace(CLOSE, saturated=True), {"saturated": False}, "saturated is False"),
        (replace(CLOSE, saturated=True), {"saturated": None}, "saturated is None"),
        (replace(CLOSE, leftover="sleep"), {}, "left behind was no process, not sleep"),
        (replace(CLOSE, outcome=Outcome.SIGBUS), {}, "the verdict is passed, not sigbus: So it was."),
        (replace(CLOSE, cause="own-limit"), {}, "the cause is None, not own-limit"),
        (replace(CLOSE, culprit="ld"), {}, "the culprit is not named, not ld"),
    ],
)
def test_what_is_off_is_said(load: Load, memory: dict[str, Any], complaint: str) -> None:
    (wrong,) = trial(load, record(**memory)).wrong
    assert complaint in wrong


def test_a_process_that_was_not_left_behind_must_not_be_found_alive() -> None:
    stayed = replace(record(), processes=Processes(leftover=(Process(pid=7, comm="sh", cmdline=None, peak_rss=1),)))
    assert trial(CLOSE, stayed).wrong == ("left behind was sh, not nothing",)


def test_a_short_plateau_may_be_missed_but_not_overstated() -> None:
    assert trial(CONTAINS, record(demand_peak=50 * MIB)).wrong == ()


def test_what_was_swapped_out_is_held_all_the_same() -> None:
    assert trial(CONTAINS, record(charged_peak=200 * MIB, swap_peak=6 * MIB)).wrong == ()


SWAPS = next(load for load in LOADS if load.without_swap)


def boxed(found: BuildRecord, *, swap_in_force: bool) -> BuildRecord:
    return replace(
        found, limits={"memory_swap": LimitState(requested=256 * MIB, effective=None, in_force=swap_in_force)}
    )


def test_a_load_that_swaps_has_to_pass_where_there_is_swap() -> None:
    held = record(charged_peak=64 * MIB, swap_peak=200 * MIB, saturated=True)
    assert trial(SWAPS, boxed(held, swap_in_force=True)).wrong == ()
    both_counted = replace(held, memory=replace(held.memory, demand_peak=260 * MIB))
    (wrong,) = trial(SWAPS, boxed(both_counted, swap_in_force=True)).wrong
    assert "the demand peak 260 MiB is above the truth" in wrong


def test_a_load_that_swaps_has_to_be_killed_where_there_is_none() -> None:
    how: dict[str, Any] = {"outcome": Outcome.OUT_OF_MEMORY, "cause": "own-limit", "culprit": "python3 load.py swap"}
    killed = record(**how, swap_peak=0, saturated=True)
    found = trial(SWAPS, boxed(killed, swap_in_force=False), truth=None)
    assert (found.wrong, found.load) == ((), SWAPS.without_swap)
    assert trial(SWAPS, boxed(killed, swap_in_force=True), truth=None).wrong


def test_swap_that_nobody_accounts_is_no_excuse() -> None:
    """The build swapped, and the interval is wrong: that has to be seen."""
    unaccounted = record(demand_peak=60 * MIB, charged_peak=64 * MIB, swap_peak=None, saturated=True)
    wrong = " ".join(trial(SWAPS, boxed(unaccounted, swap_in_force=False)).wrong)
    assert "the charged peak 64 MiB is below the truth" in wrong


def test_a_load_that_says_nothing_is_off() -> None:
    assert trial(CONTAINS, record(), truth=None).wrong == ("the load did not say what it held",)
    assert trial(replace(CONTAINS, interval=Interval.ANY), record(), truth=None).wrong == ()


def test_a_build_without_a_verdict_is_off() -> None:
    assert trial(CLOSE, replace(record(), verdict=None)).wrong == ("there is no verdict",)


def test_one_bad_round_of_many_is_shown_and_makes_the_calibration_fail() -> None:
    good, bad = trial(CLOSE, record()), trial(CLOSE, record(demand_peak=100 * MIB))
    calibration = Calibration(engine=None, trials=(good, bad, good), folders=("a", "b", "c"))
    assert not calibration.holds
    median, worst = errors_of(calibration.trials) or (None, None)
    assert median == 0.0
    assert worst == pytest.approx(-106 / 206)
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(show.table(calibration))
    text = console.export_text()
    assert "OFF close passed, 206.0 MiB ±3% passed, 100.0 to 215.0 MiB +0.00% -51.46%" in " ".join(text.split())
    assert "close: the demand peak 100 MiB is 51.5% below 206 MiB" in text
    assert "1 of 3 trials of 1 loads are off" in text


@pytest.mark.parametrize(("demand", "code"), [(206 * MIB, 0), (100 * MIB, int(ExitCode.UNMEASURED))])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_exit_code_says_whether_it_holds(
    monkeypatch: pytest.MonkeyPatch, demand: int, code: int, options: list[str]
) -> None:
    found = Calibration(engine=None, trials=(trial(CLOSE, record(demand_peak=demand)),), folders=("a",))
    monkeypatch.setattr(cli, "calibrate", lambda **_: found)
    result = CliRunner().invoke(cli.app, ["doctor", "--calibrate", *options])
    assert result.exit_code == code
    if options:
        assert json.loads(result.stdout)["holds"] is (code == 0)
    else:
        assert ("ok" if code == 0 else "OFF") in result.stdout.split()
        assert "record: a/record.json" in result.stdout


def test_repeating_nothing_is_refused() -> None:
    result = CliRunner().invoke(cli.app, ["doctor", "--repeat", "3"])
    assert result.exit_code == 2  # click's own code for a wrong option
    assert "has a meaning with --calibrate alone" in " ".join(result.output.split())


@pytest.mark.parametrize(("level", "code"), [(Level.OK, 0), (Level.STOP, int(ExitCode.UNMEASURED))])
def test_the_doctor_speaks_to_programs_too(monkeypatch: pytest.MonkeyPatch, level: Level, code: int) -> None:
    engine = SimpleNamespace(things=lambda _label: [])
    monkeypatch.setattr(Engine, "connect", lambda: nullcontext(engine))
    monkeypatch.setattr(cli, "diagnose", lambda *_: [Finding(level, "disk", "12 GiB are free", "make room")])
    result = CliRunner().invoke(cli.app, ["doctor", "--json"])
    assert result.exit_code == code
    assert json.loads(result.stdout) == [
        {"level": level.value, "what": "disk", "found": "12 GiB are free", "mend": "make room"}
    ]


def test_nothing_tried_is_nothing_proved() -> None:
    assert not Calibration(engine=None, trials=()).holds


def test_the_data_can_be_read_back() -> None:
    stayed = replace(record(), processes=Processes(leftover=(Process(pid=7, comm="sleep", cmdline=None, peak_rss=1),)))
    calibration = Calibration(
        engine=None,
        trials=(trial(CLOSE, record()), trial(replace(CLOSE, name="b", leftover="sleep"), stayed)),
        folders=("a",),
    )
    told = json.loads(json.dumps(show.data(calibration)))
    assert told["holds"] is True
    assert [row["name"] for row in told["loads"]] == ["close", "b"]
    assert told["loads"][0]["trials"][0]["demand_peak"] == 206 * MIB
    assert told["loads"][0]["worst_error"] == 0.0
    assert told["loads"][1]["observed"] == "passed, sleep found alive, 206.0 to 215.0 MiB"
