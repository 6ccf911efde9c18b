"""The bare run of a benchmark is the record's own `docker run`, and times nothing but the command."""

from __future__ import annotations

import pytest
from benchmarks.bare import Bare, flags_of, rights_of
from benchmarks.repeat import Time, lines_of

from buildproof.box import Box
from buildproof.limits import LimitState
from buildproof.record import BuildRecord

LINE = (
    "docker run --rm -it --memory=1024 --ulimit=nofile=1:2 --ulimit=core=0:0 --tmpfs=/x:size=4m -e 'A=b c' "
    "-v /home/me/project:/mnt/source:ro -w /buildproof/src buildproof/linux-builder:1 /bin/sh -c 'cp -a . && make'"
)


def record(**limits: bool) -> BuildRecord:
    states = {
        name.replace("_", " "): LimitState(requested=1, effective=1, in_force=held) for name, held in limits.items()
    }
    return BuildRecord(
        id="x", project="x", builder="x", profile="x", tier="gate", target="linux-x86_64", reproduce=LINE, limits=states
    )


def test_the_bare_container_is_that_of_the_record_without_its_sources_and_command() -> None:
    expected = "--memory=1024 --ulimit=nofile=1:2 --ulimit=core=0:0 --tmpfs=/x:size=4m -e A=b_c -w /buildproof/src"
    flags = flags_of(record())
    assert [flag.replace(" ", "_") for flag in flags] == [*expected.split(), "buildproof/linux-builder:1"]


def test_what_the_engine_refused_to_set_is_not_asked_of_it_again() -> None:
    flags = flags_of(record(ulimit_nofile=False, ulimit_core=True))
    assert "--ulimit=core=0:0" in flags
    assert not any("nofile" in flag for flag in flags)


@pytest.mark.parametrize(
    ("output", "wall_s", "cpu_s"),
    [
        ("built\n\nbuildproof-bare 1000000000 3500000000 4200000000\n", 2.5, 4.2),
        ("\nbuildproof-bare 1000000000 3500000000 \n", 2.5, None),
        ("Killed\n", None, None),
    ],
)
def test_the_times_are_what_the_shell_told(output: str, wall_s: float | None, cpu_s: float | None) -> None:
    found = Bare(exit_code=0, oom_flag=False, output=output)
    assert (found.wall_s, found.cpu_s) == (wall_s, cpu_s)


@pytest.mark.parametrize(
    ("box", "flags"),
    [
        (Box(), "--user=1000:1000 --cap-drop=ALL --security-opt=no-new-privileges --read-only"),
        (Box(user="7:8", read_only=False), "--user=7:8 --cap-drop=ALL --security-opt=no-new-privileges"),
    ],
)
def test_in_its_box_a_bare_build_has_the_rights_that_it_has_in_a_pod(box: Box, flags: str) -> None:
    assert rights_of(box) == flags.split()


def once(build: str, outcome: str, *, wall_s: float | None = 1.0) -> Time:
    return Time(build=build, outcome=outcome, cause=None, grade="kernel", wall_s=wall_s, load=1.0, commit="abc")


def test_verdicts_are_counted_for_each_build_the_most_frequent_first() -> None:
    times = [
        once("a", "passed"),
        once("a", "sigbus", wall_s=None),
        once("a", "passed", wall_s=3.0),
        once("b", "passed"),
    ]
    rows = [line for line in lines_of(times, None, 0.0) if line.startswith(("| a |", "| b |"))]
    assert rows == [
        "| a | passed, grade kernel | 2 of 3 | 2.00 (1.00 to 3.00) |",
        "| a | sigbus, grade kernel | 1 of 3 | unknown |",
        "| b | passed, grade kernel | 1 of 1 | 1.00 (1.00 to 1.00) |",
    ]
