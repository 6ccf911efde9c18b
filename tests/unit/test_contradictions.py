"""What the evidence says against itself is told, each in a sentence; a clean build has nothing of it."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from tests.unit.evidence_sample import (
    BUDGET,
    CAUGHT,
    FULL_SHM,
    GOOD,
    ICE,
    NO_SPACE,
    OOM_KILL,
    QUOTA,
    STOPPED,
    UNACCOUNTED,
    end,
    failed,
    found,
    remembered,
    signalled,
)

from buildproof.evidence import Evidence
from buildproof.verdict import judge

TEXTS = {
    "sigbus": ("checking for SIGBUS", "SIGBUS"),
    "segfault": ("Segmentation fault (core dumped)", "SIGSEGV"),
    "killed": ("sh: line 1: 42 Killed", "SIGKILL"),
    "abort": ("Aborted (core dumped)", "SIGABRT"),
}


def against(evidence: Evidence) -> tuple[str, ...]:
    return judge(evidence, BUDGET).contradictions


CLEAN = {
    "built": GOOD,
    "built, accounting refused": UNACCOUNTED,
    "failed": failed(code=1),
    "at its time limit": STOPPED,
    "OOM kill": replace(OOM_KILL, exit_code=137, engine_oom_flag=True, findings=(found("killed", "Killed"),)),
    "SIGBUS": signalled(failed(GOOD, 135, found("sigbus", "Bus error")), end(signal.SIGBUS)),
    "SIGBUS that was caught": failed(GOOD, 1, found("sigbus-caught", CAUGHT), found("sigbus", CAUGHT)),
    "no space": failed(GOOD, 1, found("no-space", NO_SPACE)),
    "no space, a mount was full": replace(failed(GOOD, 1, found("no-space", NO_SPACE)), space=FULL_SHM),
    "quota": failed(GOOD, 1, found("quota", QUOTA)),
    "compiler bug": failed(GOOD, 1, found("compiler-bug", ICE)),
    "no flag and no counter": remembered(GOOD, oom_kills=None),
    "clocks that stood still": replace(GOOD, time=replace(GOOD.time, suspended_s=0.0, clock_step_s=0.0)),
    "clocks that went a little apart": replace(GOOD, time=replace(GOOD.time, suspended_s=1.0, clock_step_s=-1.0)),
    "an exit status of its own": failed(code=200),
    "exit 128": failed(code=128),
}


@pytest.mark.parametrize("case", CLEAN)
def test_evidence_that_agrees_has_no_contradiction(case: str) -> None:
    assert against(CLEAN[case]) == ()


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("code", [0, 1])
def test_text_of_a_death_that_the_kernel_has_not_seen_is_told(kind: str, code: int) -> None:
    text, name = TEXTS[kind]
    evidence = replace(GOOD, exit_code=code, findings=(found(kind, text, line=31), found(kind, "again", line=40)))
    assert against(evidence) == (
        f"log line 31 says “{text}”, but the kernel's records have no process that died of {name}",
    )


@pytest.mark.parametrize("kind", TEXTS)
def test_text_of_a_death_that_the_kernel_has_seen_is_no_contradiction(kind: str) -> None:
    text, name = TEXTS[kind]
    assert against(signalled(failed(GOOD, 1, found(kind, text)), end(signal.Signals[name]))) == ()


@pytest.mark.parametrize("kind", TEXTS)
def test_without_accounting_there_is_nothing_to_speak_against_the_log(kind: str) -> None:
    assert against(failed(UNACCOUNTED, 1, found(kind, TEXTS[kind][0]))) == ()


def test_a_segmentation_fault_that_a_compiler_caught_is_no_contradiction() -> None:
    text = "main.c:1:1: internal compiler error: Segmentation fault"
    assert against(failed(GOOD, 1, found("segfault", text), found("compiler-bug", text))) == ()


@pytest.mark.parametrize(("code", "name"), [(135, "SIGBUS"), (137, "SIGKILL"), (139, "SIGSEGV"), (129, "SIGHUP")])
def test_an_exit_status_that_stands_for_a_signal_nobody_died_of_is_told(code: int, name: str) -> None:
    told = (
        f"the command's exit status {code} stands for {name}, but the kernel's records have no process that died of it"
    )
    assert against(failed(code=code)) == (told,)
    assert against(failed(UNACCOUNTED, code)) == ()
    assert told not in against(signalled(failed(code=code), end(code - 128)))


def test_the_engines_flag_against_the_kernels_counter_is_told() -> None:
    assert against(replace(GOOD, engine_oom_flag=True)) == (
        "the engine says that the container ran out of memory, but the kernel's counter of OOM kills did not move",
    )
    assert against(remembered(replace(GOOD, engine_oom_flag=True), oom_kills=None)) == ()


def test_text_about_space_without_a_full_mount_is_told_unless_it_is_the_verdict() -> None:
    said = (found("no-space", NO_SPACE, line=5),)
    told = (f"log line 5 says “{NO_SPACE}”, but no mount of the build was seen full",)
    assert against(replace(GOOD, findings=said)) == told
    assert against(signalled(failed(GOOD, 1, *said), end(signal.SIGSEGV))) == told
    assert against(replace(GOOD, findings=said, space=FULL_SHM)) == ()


@pytest.mark.parametrize(
    ("suspended_s", "step_s", "parts"),
    [
        (3600.0, None, ["slept for 1 h 00 min"]),
        (None, 7.5, ["was set by +7.5 s"]),
        (None, -7.5, ["was set by -7.5 s"]),
        (90.0, 2.0, ["slept for 1 min 30 s", "was set by +2.0 s"]),
    ],
)
def test_clocks_that_moved_are_told(suspended_s: float | None, step_s: float | None, parts: list[str]) -> None:
    told = against(replace(GOOD, time=replace(GOOD.time, suspended_s=suspended_s, clock_step_s=step_s)))
    assert len(told) == len(parts)
    assert all(part in sentence for part, sentence in zip(parts, told, strict=True))


def test_time_in_which_the_build_was_stopped_from_outside_is_told() -> None:
    told = against(replace(GOOD, time=replace(GOOD.time, paused_s=90.0)))
    assert told == ("the build was stopped from outside for 1 min 30 s meanwhile; no limit counts that time",)


def test_several_contradictions_are_all_told_as_sentences_without_a_full_stop() -> None:
    evidence = replace(
        failed(GOOD, 139, found("sigbus", "SIGBUS"), found("killed", "Killed")),
        engine_oom_flag=True,
        time=replace(GOOD.time, suspended_s=30.0),
    )
    told = against(evidence)
    assert len(told) == 5
    assert not any(sentence.endswith(".") for sentence in told)
