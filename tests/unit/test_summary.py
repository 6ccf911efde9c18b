"""What the terminal shows of a record: everything that failed, on any width, with or without colour."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from buildproof.errors import ExitCode
from buildproof.evidence import Artifact, Grade, Memory, Started, Time
from buildproof.limits import LimitState
from buildproof.record import BuildRecord, RunRecord
from buildproof.summary import exit_code_of, told
from buildproof.targets import Format, Machine
from buildproof.verdict import Budget, Outcome, Verdict
from buildproof.verdict.outcomes import Clue

GIB = 1 << 30
FOLDER = Path("/somewhere/with/a/rather/long/path/.buildproof/20260102-030405-abcdef")
STARTED = Started(image="wine", argv=("app",), exit_code=0, stdout="", duration_s=1.0)
ARTIFACT = Artifact(
    path="target/x86_64-pc-windows-gnu/release/launcher.exe",
    size=5 << 20,
    sha256="00",
    format=Format.PE,
    machine=Machine.X86_64,
    started=STARTED,
)
PASSED = Verdict(outcome=Outcome.PASSED, grade=Grade.KERNEL, summary="Built in 8 min.")
KILLED = Verdict(
    outcome=Outcome.OUT_OF_MEMORY,
    cause="own-limit",
    grade=Grade.KERNEL,
    summary="The build's limit of 6 GiB killed rustc --crate-name launcher (pid 214) (1 kill counted by the kernel).",
    evidence=(
        Clue(grade=Grade.KERNEL, text="cgroup: 1 OOM kill"),
        Clue(grade=Grade.STATUS, text="the command exited with status 137", at_s=61.25),
    ),
    contradictions=("the log says otherwise",),
    advice=("Raise `mem_limit` above 6 GiB; demand reached at least 5.9 GiB.", "Or need less at once: fewer jobs."),
)
GOOD = BuildRecord(
    id="launcher-windows-4g",
    project="launcher",
    builder="windows",
    profile="4g",
    tier="gate",
    target="windows-x86_64",
    budget=Budget(peak_memory=2 * GIB, time_limit=900.0),
    verdict=PASSED,
    memory=Memory(charged_peak=3 * GIB, demand_peak=GIB),
    time=Time(wall_s=492.0, limit_s=900.0),
    artifacts=(ARTIFACT,),
)
BAD = replace(GOOD, id="launcher-linux", verdict=KILLED, artifacts=None, log="launcher-linux/build.log")


def run(*builds: BuildRecord) -> RunRecord:
    return RunRecord(buildproof="0", id=FOLDER.name, command=(), began=datetime.now(UTC), builds=builds)


def shown(*builds: BuildRecord, width: int = 200, colour: bool = False) -> list[str]:
    return told(run(*builds), FOLDER, width=width, colour=colour).splitlines()


def words(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def test_a_passing_build_is_one_row() -> None:
    head, row, place = shown(GOOD)
    assert head.split() == ["build", "verdict", "peak", "budget", "limit", "time", "artifact"]
    assert " ".join(row.split()) == (
        "launcher-windows-4g passed 1 GiB to 3 GiB 2 GiB unknown 8:12 of 15:00 launcher.exe 5 MiB, starts"
    )
    assert place == f"record: {FOLDER}/record.json"


def test_a_failing_verdict_is_told_in_full() -> None:
    lines = shown(GOOD, BAD)
    at = lines.index("launcher-linux: out-of-memory (own-limit)")
    assert [" ".join(line.split()) for line in lines[at + 1 : at + 8]] == [
        KILLED.summary,
        "kernel cgroup: 1 OOM kill",
        "status 61.2 s the command exited with status 137",
        "but the log says otherwise",
        f"next {KILLED.advice[0]}",
        f"next {KILLED.advice[1]}",
        f"log: {FOLDER}/launcher-linux/build.log",
    ]
    assert sum(line.startswith("launcher-windows-4g") for line in lines) == 1


@pytest.mark.parametrize("width", [1, 60, 80, 100, 108, 110, 120])
def test_nothing_is_lost_on_a_narrow_terminal(width: int) -> None:
    limits = {
        "swappiness": LimitState(requested=10, effective=None, in_force=False, why="cgroup v2 has none of its own")
    }
    lines = shown(replace(GOOD, limits=limits), BAD, width=width)
    for line in lines:
        assert len(line) <= max(60, width) or line.strip().startswith(("record:", "log:")), line
        assert line == line.rstrip()
    text = words(lines)
    for part in (
        "launcher-windows-4g", "passed", "out-of-memory (own-limit)", "launcher.exe", "starts",
            KILLED.summary, *KILLED.advice, *KILLED.contradictions,
            *(clue.text for clue in KILLED.evidence), "cgroup v2 has none of its own",
        f"{FOLDER}/record.json",
    ):  # fmt: skip
        assert part in text, part
    for word in ("1", "GiB", "3", "8:12 of 15:00", "5", "MiB"):  # cells that may wrap, but for the time
        assert re.search(rf"\b{word}\b", text), word


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_figure_stays_with_its_unit_and_a_time_is_one(width: int) -> None:
    busy = replace(GOOD, memory=Memory(charged_peak=847_000_000, demand_peak=345_000_000))
    lines = shown(busy, BAD, width=width)
    table = lines[: lines.index("")]
    assert sum(line.count("8:12 of 15:00") for line in table) == 2
    assert not any(re.search(r"\s[\d.]+$|^\s*[KMG]iB", line) for line in table if "launcher" not in line), table


def test_the_table_of_a_log_is_as_wide_as_it_has_to_be() -> None:
    text = told(run(GOOD, BAD), FOLDER, width=80, colour=False, is_log=True).splitlines()
    assert [line.split()[0] for line in text[:3]] == ["build", "launcher-windows-4g", "launcher-linux"]
    assert text[1].endswith("launcher.exe 5 MiB, starts")
    assert all(len(line) <= 80 for line in text[4:] if not line.strip().startswith(("record:", "log:")))


def test_paths_are_never_broken_so_that_they_can_be_clicked() -> None:
    lines = shown(BAD, width=60)
    assert f"  log: {FOLDER}/launcher-linux/build.log" in lines
    assert f"record: {FOLDER}/record.json" in lines


def test_there_is_no_escape_sequence_without_colour_and_one_with_it() -> None:
    assert not any("\x1b" in line for line in shown(GOOD, BAD, width=60))
    coloured = "\n".join(shown(GOOD, BAD, colour=True))
    assert "\x1b[32mpassed" in coloured
    assert "\x1b[31mout-of-memory" in coloured


def test_names_are_no_markup() -> None:
    odd = replace(ARTIFACT, path="out/app[bold]-[0-9].exe", started=None)
    assert "app[bold]-[0-9].exe 5 MiB" in words(shown(replace(GOOD, artifacts=(odd,))))


def test_what_is_unknown_is_shown_as_unknown() -> None:
    blank = replace(GOOD, memory=Memory(), time=Time(), budget=Budget(), artifacts=None)
    assert shown(blank)[1].split() == [
        *("launcher-windows-4g", "passed", "unknown", "none", "unknown", "unknown", "of", "unknown", "-")
    ]
    half = replace(GOOD, memory=Memory(demand_peak=GIB))
    assert "1 GiB to unknown" in words(shown(half))


def test_only_an_artifact_that_started_well_starts() -> None:
    silent = replace(ARTIFACT, started=None)
    broken = replace(ARTIFACT, started=replace(STARTED, complaint="exit code 3"))
    assert "starts" not in words(shown(replace(GOOD, artifacts=(silent, broken))))


def test_builds_that_were_not_run_are_named() -> None:
    waiting = replace(GOOD, verdict=None)
    assert "not run: a, b" in shown(GOOD, replace(waiting, id="a"), replace(waiting, id="b"))


def test_a_limit_that_is_not_in_force_is_told_once_with_its_builds() -> None:
    def limited(name: str, *, swap: bool, pids: bool | None = True) -> BuildRecord:
        limits = {
            "memory": LimitState(requested=6 * GIB, effective=6 * GIB, in_force=True),
            "memory_swap": LimitState(requested=8 * GIB, effective=None, in_force=swap, why="no swap on the host"),
            "pids": LimitState(requested=4096, effective=None, in_force=pids),
        }
        return replace(GOOD, id=name, limits=limits)

    lines = shown(limited("a", swap=False), limited("b", swap=False))
    assert lines[lines.index("limits not in force:") + 1 :][:1] == [
        "  memory swap 8 GiB  no swap on the host (all builds)"
    ]
    lines = shown(limited("a", swap=False), limited("b", swap=True, pids=None))
    assert "  memory swap 8 GiB  no swap on the host (a)" in lines
    assert "  pids 4096          unknown why (b)" in lines
    assert not any("memory 6 GiB" in line for line in lines)
    assert "limits not in force:" not in shown(limited("a", swap=True))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_reason_that_takes_several_rows_stays_in_its_column(width: int) -> None:
    why = "the engine may not set it here (operation not permitted: it lacks CAP_SYS_RESOURCE)"
    limits = {"ulimit nofile": LimitState(requested=(65536, 65536), effective=None, in_force=False, why=why)}
    lines = shown(replace(GOOD, limits=limits), width=width)
    rows = lines[lines.index("limits not in force:") + 1 : -1]
    column = rows[0].index("the engine")
    assert len(rows) > 1
    assert all(row[:column].strip() == "" and len(row) <= width for row in rows[1:])
    assert words(rows).endswith(f"{why} (all builds)")


def test_a_lower_grade_is_told_once_with_its_builds() -> None:
    refused = "acct(2): Operation not permitted"

    def unwatched(name: str, reason: str | None) -> BuildRecord:
        ended = replace(GOOD.ended, accounting=reason is None, accounting_refused=reason)
        return replace(GOOD, id=name, ended=ended)

    told_so = "not every process's end was seen, so “no SIGBUS” is not proved"
    lines = shown(unwatched("a", refused), unwatched("b", refused))
    assert lines[lines.index("grade lowered:") + 1] == f"  {told_so}: {refused} (all builds)"
    lines = shown(unwatched("a", refused), unwatched("b", None))
    assert f"  {told_so}: {refused} (a)" in lines
    assert "grade lowered:" not in shown(unwatched("a", None))


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], ExitCode.PASSED),
        ([Outcome.PASSED], ExitCode.PASSED),
        ([Outcome.PASSED, Outcome.UNMEASURED], ExitCode.UNMEASURED),
        ([Outcome.UNMEASURED, Outcome.ENGINE_ERROR], ExitCode.INFRASTRUCTURE),
        ([Outcome.ENGINE_ERROR, Outcome.SIGBUS], ExitCode.RESOURCE),
        ([Outcome.SIGBUS, Outcome.BUILD_ERROR, Outcome.PASSED], ExitCode.PROJECT),
    ],
)
def test_the_gravest_build_decides_the_exit_code(outcomes: list[Outcome], code: ExitCode) -> None:
    builds = [
        replace(GOOD, id=outcome, verdict=Verdict(outcome=outcome, grade=Grade.KERNEL, summary="x"))
        for outcome in outcomes
    ]
    assert exit_code_of(run(*builds, replace(GOOD, id="planned", verdict=None))) is code
