"""The golden file of the faults' verdicts: complete, and read as it is meant."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults import golden

from buildproof.evidence import Evidence, Grade, Memory, ProcessEnd, Processes, Space
from buildproof.record import BuildRecord
from buildproof.verdict import Budget, Outcome, Verdict
from buildproof.verdict.outcomes import Clue

FAULTS = Path(__file__).parents[2] / "fixtures" / "faults"


def test_every_failing_fault_and_no_other_has_its_text() -> None:
    expected = {path.parent.name: tomllib.loads(path.read_text("utf-8")) for path in FAULTS.glob("*/expected.toml")}
    failing = {name for name, fault in expected.items() if fault["outcome"] != "passed"}
    assert set(golden.read()) == failing


def test_every_text_says_what_happened_and_what_to_do_next() -> None:
    for name, text in golden.read().items():
        outcome = tomllib.loads((FAULTS / name / "expected.toml").read_text("utf-8"))["outcome"]
        assert text.startswith(f"**{outcome}** ("), name
        assert "\n- *next* " in text, name


def record(text: str, *ends: ProcessEnd) -> BuildRecord:
    verdict = Verdict(
        outcome=Outcome.SIGBUS,
        cause="unknown",
        grade=Grade.KERNEL,
        summary=text,
        evidence=(
            Clue(grade=Grade.KERNEL, text="cgroup: demand peak 9.9 MiB, charged peak 64 MiB, limit 64 MiB", at_s=1.5),
            Clue(grade=Grade.KERNEL, text="/proc/stat: other work on the engine's host took 9.7 s of CPU time"),
        ),
        contradictions=("it exited 0",),
        advice=("Raise it from 64m to 96m.",),
    )
    evidence = Evidence(
        memory=Memory(limit=64 << 20),
        processes=Processes(signalled=ends),
        space={"/scratch": Space(size=4 << 20, min_free=0, min_free_at_s=1.0)},
    )
    planned = BuildRecord(id="x-linux", project="x", builder="linux", profile="default", tier="gate", target="t")
    budgeted = replace(planned, budget=Budget(time_limit=5.0), verdict=verdict)
    return budgeted.with_evidence(evidence)


def said(text: str) -> str:
    first, _, _ = golden.told(record(text)).partition("\n")
    return first.removeprefix("**sigbus** (unknown, grade kernel): ")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("./cc1 a.c (pid 214), child of pid 2, died", "cc1 a.c (pid N), child of pid N, died"),
        ("SIGBUS 12.3 s into the build, when /scratch (4 MiB)", "SIGBUS N s into the build, when /scratch (4 MiB)"),
        ("its time limit of 5.0 s, after 5.0 s", "its time limit of 5.0 s, after N s"),
        ("demand peak 64 MiB, limit 64 MiB, by 3.1 GiB", "demand peak N MiB, limit 64 MiB, by N MiB"),
        ("at the demand peak: ld -o a (pid 9) 1.2 GiB, cc (pid 8) 9 MiB", "at the demand peak: ld -o a (pid N) N MiB"),
        ("9.5 s of CPU time in 5.0 s, throttled for 0.1 s", "N s of CPU time in N s"),
        ("libschema-9cf911ebd98f3392.so at 0x2104, 7976 bytes", "libschema-HASH.so at 0xN, N bytes"),
        ("in buildproof/linux-builder:d4299bd97759ea4a: exit code 3", "in buildproof/linux-builder:HASH: exit code 3"),
        ("refused 1 time; log line 20 says “x”", "refused N times; log line N says “x”"),
    ],
)  # fmt: skip
def test_what_was_measured_is_left_out_and_what_was_set_is_kept(text: str, left: str) -> None:
    assert said(text) == left


def test_a_verdict_is_told_whole_but_for_the_load_of_the_host() -> None:
    assert golden.told(record("It died.")).splitlines() == [
        "**sigbus** (unknown, grade kernel): It died.",
        "",
        "- kernel, N s: cgroup: demand peak N MiB, charged peak N MiB, limit 64 MiB",
        "- *but* it exited 0",
        "- *next* Raise it from 64m to 96m.",
    ]


def test_any_of_the_ways_to_say_a_thing_fits_and_nothing_else_does() -> None:
    build = record("It died.")
    told = golden.told(build)
    assert golden.fitting(build, told) == told.splitlines()
    either = told.replace("- *next* Raise it from 64m to 96m.", "- *next* Wait.\n  or *next* Raise it from 64m to 96m.")
    assert golden.fitting(build, either) == told.splitlines()
    other = told.replace("- *next* Raise it from 64m to 96m.", "- *next* Wait.\n  or *next* Go on.")
    assert golden.fitting(build, other) != told.splitlines()
    assert golden.fitting(build, told + "\n- *next* And more.") != told.splitlines()
    assert golden.fitting(build, "") != told.splitlines()


def test_a_process_that_was_gone_too_soon_is_known_by_its_bare_name() -> None:
    text = golden.told(record("cc1 app.c (pid N) died."))
    end = ProcessEnd(pid=3, ppid=2, comm="cc1", cmdline=None, at_s=1.0, duration_s=0.1, signal=7)
    build = record("cc1 (pid 3) died.", end)
    assert golden.fitting(build, text) == golden.told(build).splitlines()
    met = record("cc1 (pid 3) died.", replace(end, cmdline="cc1 app.c"))
    assert golden.fitting(met, text) != golden.told(met).splitlines()
