"""Each cause in words: the summary names who and what, the evidence shows it best first, the advice has numbers."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from tests.unit.evidence_sample import (
    BUDGET,
    CUT,
    EMULATED,
    GIB,
    GOOD,
    ICE,
    NO_INODES,
    NO_SPACE,
    OOM_KILL,
    QUOTA,
    SAYS_NO_MEMORY,
    STOPPED,
    end,
    failed,
    found,
    limit,
    remembered,
    signalled,
    with_limit_above,
)

from buildproof.evidence import CutFile, Evidence, Grade, Holder, Process, ProcessEnd, Processes, Stop, Time
from buildproof.verdict import Outcome, Verdict, judge

RUSTC = Holder(pid=61, comm="rustc", cmdline="rustc --crate-name big x.rs", rss=5 * GIB)
LD = Holder(pid=62, comm="ld", cmdline=None, rss=GIB)


def told_of(evidence: Evidence) -> Verdict:
    return judge(evidence, BUDGET)


def texts(verdict: Verdict, grade: Grade | None = None) -> list[str]:
    return [clue.text for clue in verdict.evidence if grade in {None, clue.grade}]


def died(*cuts: CutFile) -> ProcessEnd:
    return replace(end(signal.SIGBUS, "ld"), cut_files=cuts)


# -- SIGBUS ---------------------------------------------------------------------------------------------------------


def test_a_cut_file_is_named_with_both_sizes_and_told_to_be_removed() -> None:
    verdict = told_of(signalled(failed(code=135), died(CUT)))
    assert verdict.summary == (
        "ld (pid 214) died of SIGBUS 12.0 s into the build, and /work/target/libx.rlib is cut short."
    )
    (clue,) = (clue for clue in verdict.evidence if "libx.rlib" in clue.text)
    assert clue.grade is Grade.KERNEL
    assert "100 B" in clue.text
    assert "4 MiB" in clue.text
    assert verdict.advice[0].startswith("Remove /work/target/libx.rlib and build again")


def test_an_empty_file_is_told_to_be_empty() -> None:
    verdict = told_of(signalled(failed(), died(CutFile(path="/work/a.o", size=0))))
    assert verdict.cause == "truncated-file"
    assert any(text.startswith("/work/a.o is empty") for text in texts(verdict))


def test_the_first_cut_file_of_whoever_had_one_is_the_cause() -> None:
    verdict = told_of(signalled(failed(), died(), died(CutFile(path="/work/first", size=1, needed=2), CUT)))
    assert "/work/first" in verdict.summary
    assert "and 1 more" in verdict.summary


def test_an_emulated_cpu_is_named_as_both_cpus() -> None:
    verdict = told_of(replace(signalled(failed(), died()), emulated=EMULATED))
    assert verdict.summary == f"ld (pid 214) died of SIGBUS 12.0 s into the build, and its CPU is emulated: {EMULATED}."
    assert verdict.evidence[0].grade is Grade.HARNESS
    assert "own CPU" in verdict.advice[0]


def test_without_any_cause_the_evidence_says_what_was_looked_for() -> None:
    verdict = told_of(signalled(failed(), died()))
    assert verdict.cause == "unknown"
    assert verdict.summary == "ld (pid 214) died of SIGBUS 12.0 s into the build."
    assert "no file was found cut" in verdict.advice[0]


# -- memory ---------------------------------------------------------------------------------------------------------


def test_a_limit_above_is_named_with_its_size_and_path() -> None:
    verdict = told_of(with_limit_above(replace(OOM_KILL, exit_code=137), 2, own_ooms=0))
    assert verdict.summary == (
        "A limit above the build's own, 4 GiB of cgroup /kubepods/pod7, killed cc1plus (pid 214) 12.0 s into the build"
        " (1 kill counted by the kernel)."
    )
    assert "cgroup /kubepods/pod7: its limit of 4 GiB was hit" in texts(verdict, Grade.KERNEL)
    assert verdict.advice[0].startswith("Raise the limit of /kubepods/pod7 above 4 GiB")


def test_the_nearest_limit_above_that_was_hit_is_the_one() -> None:
    evidence = with_limit_above(OOM_KILL, 2, own_ooms=0)
    (above,) = evidence.memory.ancestors
    nearer, unhit = replace(above, path="/kubepods/pod7/inner", limit=GIB), replace(above, path="/x", limit_hits=0)
    verdict = told_of(remembered(evidence, ancestors=(unhit, nearer, above)))
    assert "1 GiB of cgroup /kubepods/pod7/inner" in verdict.summary


def test_the_host_is_told_with_what_the_build_had() -> None:
    verdict = told_of(remembered(OOM_KILL, own_ooms=0, holders=(RUSTC, LD)))
    assert (verdict.outcome, verdict.cause) == (Outcome.HOST_OUT_OF_MEMORY, "host")
    assert "had only 1.76 GiB of its 6 GiB" in verdict.advice[0]
    assert "resident at the demand peak: rustc --crate-name big (pid 61) 5 GiB, ld (pid 62) 1 GiB" in texts(verdict)


def test_an_address_space_limit_tells_who_mapped_most_of_it() -> None:
    top = (
        Process(pid=8, comm="ld", cmdline=None, peak_rss=GIB),
        Process(pid=9, comm="rustc", cmdline=None, peak_rss=1, peak_address_space=5 * GIB),
    )
    evidence = replace(
        failed(GOOD, 101, SAYS_NO_MEMORY),
        limits={"memory": limit(), "address_space": limit()},
        processes=Processes(exited=3, top=top),
    )
    verdict = told_of(evidence)
    assert "/proc: rustc (pid 9) had mapped 5 GiB of 6 GiB when last seen" in texts(verdict, Grade.KERNEL)
    assert verdict.advice[0].startswith("Raise `address-space` from 6g to 9g")


# -- room -----------------------------------------------------------------------------------------------------------


def test_a_quota_is_told_by_the_log_line_and_no_mount_is_blamed() -> None:
    verdict = told_of(failed(GOOD, 1, found("quota", QUOTA, line=44)))
    assert verdict.summary == (
        f"The build ran out of space: log line 44 says “{QUOTA}”. No mount of the build was seen full."
    )
    assert verdict.advice[0].startswith("A quota of the engine's storage was used up")
    assert verdict.contradictions == ()


def test_a_mount_without_inodes_is_told_with_the_bytes_that_were_left() -> None:
    verdict = told_of(replace(failed(GOOD, 1, found("no-space", NO_SPACE)), space=NO_INODES))
    assert verdict.summary.endswith(". /tmp had no inode left.")
    assert texts(verdict)[0] == "statvfs: /tmp had no inode left, and 512 MiB free"
    assert "`nr_inodes`" in verdict.advice[0]


def test_a_mount_without_inodes_is_not_the_cause_of_a_sigbus() -> None:
    assert told_of(replace(signalled(failed(), died(CUT)), space=NO_INODES)).cause == "truncated-file"


# -- time -----------------------------------------------------------------------------------------------------------


def test_thrashing_is_told_with_the_kernels_pressure_and_the_next_size() -> None:
    verdict = told_of(remembered(STOPPED, saturated=True, stalled_s=600.0))
    assert verdict.summary == (
        "Still building at its time limit of 30 min 00 s, and stopped there: it spent its time reading back what its"
        " memory limit of 6 GiB had no room for."
    )
    assert texts(verdict, Grade.HARNESS) == ["the harness stopped it at 30 min 00 s"]
    assert "memory.pressure: nothing could go on for 10 min 00 s of 30 min 00 s" in texts(verdict, Grade.KERNEL)
    assert verdict.advice == ("Raise `mem_limit` from 6g to 9g, or let fewer jobs run at once.",)


def test_thrashing_without_pressure_is_told_with_the_kernels_faults() -> None:
    verdict = told_of(remembered(STOPPED, saturated=True, refaults=500_000, major_faults=400_000))
    assert (
        "memory.stat: 500000 pages read back soon after they were given up, 400000 major faults in 30 min 00 s"
        in texts(verdict, Grade.KERNEL)
    )


@pytest.mark.parametrize("unknown", ["refaults", "major_faults"])
def test_thrashing_with_one_counter_unknown_does_not_tell_none(unknown: str) -> None:
    counters = {"refaults": 500_000, "major_faults": 500_000, unknown: None}
    verdict = told_of(remembered(STOPPED, saturated=True, **counters))
    assert verdict.cause == "thrashing"
    assert "None" not in " ".join(texts(verdict))


@pytest.mark.parametrize(
    ("time", "advice"),
    [
        (Time(wall_s=1800.0, cpu_s=1700.0), "Raise `time-limit` to 1 h 00 min"),
        (Time(wall_s=1800.0, cpu_s=100.0), "It used 1 min 40 s of CPU time in 30 min 00 s: look in the log"),
        (Time(wall_s=1800.0, cpu_s=1700.0, throttled_s=600.0), "Give the builder more `cpus`"),
        (Time(wall_s=1800.0, cpu_s=1700.0, throttled_s=300.0), "Raise `time-limit` to 1 h 00 min"),
        (Time(wall_s=1800.0), "Raise `time-limit` above 30 min 00 s"),
        (Time(), "Raise `time-limit` above 30 min 00 s"),
    ],
)
def test_a_time_limit_has_the_advice_that_fits_what_took_the_time(time: Time, advice: str) -> None:
    assert told_of(replace(STOPPED, time=time)).advice[0].startswith(advice)


def test_a_build_that_slept_is_not_told_that_others_took_the_cpus() -> None:
    verdict = told_of(replace(STOPPED, time=Time(wall_s=1800.0, cpu_s=1.0), host_busy_s=7000.0, host_cpus=4))
    assert "look in the log" in verdict.advice[0]
    assert not any(text.startswith("/proc/stat: other work") for text in texts(verdict))


@pytest.mark.parametrize(
    ("busy_s", "cpus", "is_told"),
    [(1700.0 + 2880.0, 4, True), (1700.0 + 2879.0, 4, False), (None, 4, False), (9999.0, None, False)],
)
def test_a_host_that_had_much_else_to_do_is_told(busy_s: float | None, cpus: int | None, *, is_told: bool) -> None:
    verdict = told_of(replace(STOPPED, host_busy_s=busy_s, host_cpus=cpus))
    assert verdict.cause == "wall-time"
    assert any(text.startswith("/proc/stat: other work") for text in texts(verdict)) is is_told
    assert ("Run it again while the engine's host has little else to do" in verdict.advice[0]) is is_told


def test_who_is_at_work_at_the_time_limit_is_not_who_held_the_peak() -> None:
    verdict = told_of(remembered(STOPPED, holders=(RUSTC,), demand_peak_at_s=3.0))
    assert "rustc --crate-name big (pid 61) the largest at work" not in verdict.summary


def test_a_silent_build_is_told_with_its_last_line_and_a_number() -> None:
    evidence = replace(STOPPED, stopped=Stop.SILENT, stopped_at_s=90.0, last_lines=("Linking app", "", "  "))
    verdict = told_of(evidence)
    assert verdict.summary == "No output for 1 min 00 s, and stopped 1 min 30 s in."
    assert texts(verdict, Grade.LOG) == ["its last line was “Linking app”"]
    assert texts(verdict, Grade.HARNESS) == ["nothing was printed for 1 min 00 s"]
    assert "raise `silent-limit` from 1 min 00 s" in verdict.advice[0]


# -- trust ----------------------------------------------------------------------------------------------------------


def test_a_swapping_host_is_told_apart_from_the_builds_own_swap() -> None:
    verdict = told_of(remembered(replace(STOPPED, host_swapped=3 * GIB), swap_peak=GIB))
    assert (verdict.outcome, verdict.cause) == (Outcome.UNMEASURED, "host-swapping")
    assert "3 GiB meanwhile, 1 GiB at most of the build's own" in verdict.summary
    assert texts(verdict)[0] == "/proc/vmstat: the host moved 3 GiB to and from swap"


def test_a_build_that_swaps_over_and_over_below_its_own_limit_is_not_the_hosts_affair() -> None:
    evidence = remembered(
        replace(STOPPED, host_swapped=40 * GIB), swap_peak=GIB, saturated=True, stalled_s=900.0, major_faults=10**7
    )
    assert (told_of(evidence).outcome, told_of(evidence).cause) == (Outcome.TIME_LIMIT, "thrashing")


def test_a_starved_probe_is_told_with_its_gap() -> None:
    verdict = told_of(remembered(GOOD, charged_peak=3 * GIB, sample_interval_ms=7500.0))
    assert (verdict.outcome, verdict.cause) == (Outcome.UNMEASURED, "probe-starved")
    assert "the probe could not sample for 7.5 s" in verdict.summary
    assert texts(verdict, Grade.HARNESS) == ["no sample for 7.5 s"]


# -- the compiler ---------------------------------------------------------------------------------------------------


def test_a_compilers_own_bug_is_told_with_who_said_it() -> None:
    child, parent = end(None, "cc1", exit_code=4), replace(end(None, "make", exit_code=2), pid=200, ppid=1)
    evidence = failed(GOOD, 2, found("compiler-bug", ICE))
    verdict = told_of(replace(evidence, processes=Processes(exited=9, failed=(child, parent))))
    assert verdict.summary == f"cc1 (pid 214) stopped with an internal error: log line 7 says “{ICE}”."
    assert verdict.culprit == "cc1 (pid 214)"
    assert [clue.grade for clue in verdict.evidence] == [Grade.KERNEL, Grade.KERNEL, Grade.STATUS, Grade.LOG]


def test_a_compiler_that_was_refused_memory_is_not_told_that_nothing_ran_out() -> None:
    evidence = failed(GOOD, 1, SAYS_NO_MEMORY, found("compiler-bug", "PLEASE submit a bug report to https://x"))
    assert "Nothing ran out" not in " ".join(told_of(evidence).advice)


def test_a_compiler_killed_from_outside_is_not_called_a_bug_for_what_the_log_says() -> None:
    evidence = signalled(failed(GOOD, 137, found("compiler-bug", ICE)), end(signal.SIGKILL))
    assert told_of(evidence).cause == "killed-from-outside"


def test_a_command_that_a_timer_ended_is_told_with_the_signal() -> None:
    ended = replace(end(signal.SIGALRM, "lookup"), pid=21)
    verdict = told_of(signalled(failed(GOOD, 142), ended))
    assert verdict.cause == "exit-status"
    assert (
        verdict.summary == "The command exited with status 142: lookup (pid 21) died of SIGALRM 12.0 s into the build"
    )
    assert any("ended by SIGALRM" in text for text in texts(verdict, Grade.KERNEL))


# -- ranking --------------------------------------------------------------------------------------------------------


SAID = found("compiler-bug", ICE)
RANKED = {
    "own limit": replace(OOM_KILL, exit_code=137),
    "limit above": with_limit_above(OOM_KILL, 2, own_ooms=0),
    "cut file": signalled(failed(GOOD, 1, found("sigbus", "Bus error")), died(CUT)),
    "emulated": replace(signalled(failed(GOOD, 1, found("sigbus", "Bus error")), died()), emulated=EMULATED),
    "no inodes": replace(failed(GOOD, 1, found("no-space", NO_SPACE)), space=NO_INODES),
    "thrashing": remembered(STOPPED, saturated=True, stalled_s=900.0),
    "silent": replace(STOPPED, stopped=Stop.SILENT, stopped_at_s=90.0, last_lines=("x",)),
    "starved": remembered(GOOD, charged_peak=3 * GIB, sample_interval_ms=7500.0),
    "crash": signalled(failed(GOOD, 1, found("segfault", "Segmentation fault"), SAID), end(signal.SIGSEGV)),
    "compiler bug": replace(failed(GOOD, 1, SAID), processes=Processes(exited=1, failed=(end(None, exit_code=1),))),
}


@pytest.mark.parametrize("case", RANKED)
def test_evidence_is_ranked_best_grade_first(case: str) -> None:
    grades = [clue.grade for clue in told_of(RANKED[case]).evidence]
    assert len(grades) >= 2
    assert grades == sorted(grades, key=list(Grade).index)


@pytest.mark.parametrize("case", RANKED)
def test_a_verdict_is_shown_by_evidence_of_its_own_grade(case: str) -> None:
    verdict = told_of(RANKED[case])
    assert verdict.grade in {clue.grade for clue in verdict.evidence}


def test_clues_of_a_death_have_its_moment() -> None:
    clues = told_of(replace(OOM_KILL, exit_code=137)).evidence
    assert [clue.at_s for clue in clues if "SIGKILL" in clue.text] == [12.0]


def test_a_thousand_deaths_are_not_all_told() -> None:
    many = signalled(GOOD, *(end(signal.SIGBUS, at_s=float(at)) for at in range(1000)))
    assert sum("SIGBUS" in text for text in texts(told_of(many))) == 3
    assert len(repr(told_of(many))) < 4000
