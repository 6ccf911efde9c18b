"""From evidence to a verdict: every outcome, its cause and grade, and which fact goes before which."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.evidence_sample import (
    ADDRESS_SPACE,
    BUDGET,
    CAUGHT,
    CUT,
    EMULATED,
    FULL_SHM,
    GIB,
    GOOD,
    ICE,
    MIB,
    NO_INODES,
    NO_SPACE,
    OOM_KILL,
    QUOTA,
    SAYS_NO_MEMORY,
    STOPPED,
    UNACCOUNTED,
    artifact,
    end,
    failed,
    forked,
    found,
    limit,
    remembered,
    signalled,
    with_limit_above,
)

from buildproof.errors import ExitCode
from buildproof.evidence import (
    CheckStatus,
    Evidence,
    Grade,
    Process,
    Processes,
    Space,
    Stop,
    Time,
)
from buildproof.units import parse_size
from buildproof.verdict import Budget, Family, Outcome, Verdict, gravest, judge

CASES: dict[str, tuple[Evidence, Outcome, str | None, Grade]] = {
    "built inside its budgets": (GOOD, Outcome.PASSED, None, Grade.KERNEL),
    "built, accounting refused": (UNACCOUNTED, Outcome.PASSED, None, Grade.STATUS),
    "cancelled": (
        replace(GOOD, exit_code=None, stopped=Stop.CANCELLED, stopped_at_s=5.0),
        Outcome.CANCELLED, "cancelled", Grade.HARNESS,
    ),
    "memory limit not in force": (
        replace(GOOD, limits={"memory": limit(in_force=False)}),
        Outcome.UNMEASURED, "limits-not-in-force", Grade.KERNEL,
    ),
    "memory limit unreadable": (
        replace(GOOD, limits={"memory": limit(in_force=None)}),
        Outcome.UNMEASURED, "limits-not-in-force", Grade.KERNEL,
    ),
    "another limit not in force": (
        replace(GOOD, limits={"memory": limit(), "swappiness": limit(in_force=False)}),
        Outcome.PASSED, None, Grade.KERNEL,
    ),
    "no memory limit asked for": (replace(GOOD, limits={}), Outcome.PASSED, None, Grade.KERNEL),
    "probe lost": (
        replace(GOOD, exit_code=None, stopped=Stop.PROBE_LOST, probe_lost="the probe ended 3.0 s into the build"),
        Outcome.UNMEASURED, "probe-lost", Grade.HARNESS,
    ),
    "wall limit": (
        replace(GOOD, exit_code=None, stopped=Stop.TIME_LIMIT, stopped_at_s=1800.0),
        Outcome.TIME_LIMIT, "wall-time", Grade.HARNESS,
    ),
    "silent": (
        replace(GOOD, exit_code=None, stopped=Stop.SILENT, stopped_at_s=90.0),
        Outcome.SILENT, "no-output", Grade.HARNESS,
    ),
    "OOM kill, exit 137": (replace(OOM_KILL, exit_code=137), Outcome.OUT_OF_MEMORY, "own-limit", Grade.KERNEL),
    "OOM kill behind exit 0": (OOM_KILL, Outcome.OUT_OF_MEMORY, "own-limit", Grade.KERNEL),
    "OOM kill at the limit, hits unreadable": (
        remembered(GOOD, oom_kills=1, limit_hits=None, charged_peak=6 * GIB),
        Outcome.OUT_OF_MEMORY, "own-limit", Grade.KERNEL,
    ),
    "OOM kill far below the limit": (
        signalled(remembered(failed(code=137), oom_kills=1), end(signal.SIGKILL)),
        Outcome.HOST_OUT_OF_MEMORY, "host", Grade.KERNEL,
    ),
    "engine's flag alone": (
        remembered(replace(failed(code=137), engine_oom_flag=True), oom_kills=None),
        Outcome.OUT_OF_MEMORY, "own-limit", Grade.STATUS,
    ),
    "engine's flag against the kernel's counter": (
        replace(GOOD, engine_oom_flag=True), Outcome.PASSED, None, Grade.KERNEL,
    ),
    "counter unreadable, no flag": (remembered(GOOD, oom_kills=None), Outcome.PASSED, None, Grade.KERNEL),
    "SIGBUS in a grandchild behind exit 0": (
        signalled(GOOD, end(signal.SIGBUS)), Outcome.SIGBUS, "unknown", Grade.KERNEL,
    ),
    "SIGBUS with a full /dev/shm": (
        replace(signalled(failed(), end(signal.SIGBUS)), space=FULL_SHM),
        Outcome.SIGBUS, "full-mount", Grade.KERNEL,
    ),
    "SIGBUS and no inode left": (
        replace(
            signalled(failed(), end(signal.SIGBUS)),
            space={"/tmp": Space(size=GIB, min_free=GIB, min_free_at_s=1.0, min_free_inodes=0)},
        ),
        Outcome.SIGBUS, "unknown", Grade.KERNEL,
    ),
    "a compiler caught SIGBUS and exited in its own way": (
        failed(GOOD, 1, found("sigbus-caught", CAUGHT), found("sigbus", CAUGHT)), Outcome.SIGBUS, "unknown", Grade.LOG,
    ),
    "a compiler said so, exit 0": (
        replace(GOOD, findings=(found("sigbus-caught", CAUGHT),)), Outcome.PASSED, None, Grade.KERNEL,
    ),
    "exit 135, accounting refused": (failed(UNACCOUNTED, 135), Outcome.SIGBUS, "unknown", Grade.STATUS),
    "exit 135, but nothing died": (failed(code=135), Outcome.BUILD_ERROR, "exit-status", Grade.STATUS),
    "log says SIGBUS, accounting refused": (
        failed(UNACCOUNTED, 101, found("sigbus", "(signal: 7, SIGBUS: access to undefined memory)")),
        Outcome.SIGBUS, "unknown", Grade.LOG,
    ),
    "log says SIGBUS, nothing died": (
        replace(GOOD, findings=(found("sigbus", "checking for SIGBUS... yes"),)),
        Outcome.PASSED, None, Grade.KERNEL,
    ),
    "log says SIGBUS, exit 0, accounting refused": (
        replace(UNACCOUNTED, findings=(found("sigbus", "checking for SIGBUS... yes"),)),
        Outcome.PASSED, None, Grade.STATUS,
    ),
    "log says SIGBUS, but accounting saw none": (
        failed(GOOD, 1, found("sigbus", "checking for SIGBUS... yes")),
        Outcome.BUILD_ERROR, "exit-status", Grade.STATUS,
    ),
    "no space, a mount was full": (
        replace(failed(GOOD, 1, found("no-space", NO_SPACE)), space=FULL_SHM),
        Outcome.NO_SPACE, "full-mount", Grade.KERNEL,
    ),
    "no space, no mount seen full": (
        failed(GOOD, 1, found("no-space", NO_SPACE)), Outcome.NO_SPACE, "unknown", Grade.LOG,
    ),
    "no space said, exit 0": (
        replace(GOOD, findings=(found("no-space", NO_SPACE),)), Outcome.PASSED, None, Grade.KERNEL,
    ),
    "a full mount alone": (replace(GOOD, space=FULL_SHM), Outcome.PASSED, None, Grade.KERNEL),
    "crash behind exit 0": (signalled(GOOD, end(signal.SIGSEGV)), Outcome.CRASHED, "SIGSEGV", Grade.KERNEL),
    "exit 139, accounting refused": (failed(UNACCOUNTED, 139), Outcome.CRASHED, "SIGSEGV", Grade.STATUS),
    "log says SIGSEGV, accounting refused": (
        failed(UNACCOUNTED, 1, found("segfault", "ld terminated with signal 11")),
        Outcome.CRASHED, "SIGSEGV", Grade.LOG,
    ),
    "log says Aborted, exit 0, accounting refused": (
        replace(UNACCOUNTED, findings=(found("abort", "Aborted"),)), Outcome.PASSED, None, Grade.STATUS,
    ),
    "exit 139, but nothing died": (failed(code=139), Outcome.BUILD_ERROR, "exit-status", Grade.STATUS),
    "SIGPIPE is no crash": (signalled(GOOD, end(signal.SIGPIPE, "yes")), Outcome.PASSED, None, Grade.KERNEL),
    "an allocation refused under the address-space limit": (
        replace(failed(GOOD, 1, SAYS_NO_MEMORY), limits=ADDRESS_SPACE),
        Outcome.OUT_OF_MEMORY, "address-space", Grade.LOG,
    ),
    "an allocation refused: rustc then aborts": (
        replace(signalled(failed(GOOD, 101, SAYS_NO_MEMORY), end(signal.SIGABRT, "rustc")), limits=ADDRESS_SPACE),
        Outcome.OUT_OF_MEMORY, "address-space", Grade.LOG,
    ),
    "an allocation refused, and a segmentation fault": (
        replace(signalled(failed(GOOD, 101, SAYS_NO_MEMORY), end(signal.SIGSEGV)), limits=ADDRESS_SPACE),
        Outcome.CRASHED, "SIGSEGV", Grade.KERNEL,
    ),
    "an allocation refused, and the shell tells of the abort": (
        replace(failed(GOOD, 134, SAYS_NO_MEMORY), limits=ADDRESS_SPACE),
        Outcome.OUT_OF_MEMORY,
        "address-space",
        Grade.LOG,
    ),
    "an allocation refused, and a helper killed on the way": (
        replace(signalled(failed(GOOD, 1, SAYS_NO_MEMORY), end(signal.SIGKILL, "timeout")), limits=ADDRESS_SPACE),
        Outcome.OUT_OF_MEMORY,
        "address-space",
        Grade.LOG,
    ),
    "an allocation refused, and killed": (
        replace(signalled(failed(GOOD, 128, SAYS_NO_MEMORY), end(signal.SIGKILL)), limits=ADDRESS_SPACE),
        Outcome.BUILD_ERROR,
        "exit-status",
        Grade.STATUS,
    ),
    "another error under the address-space limit": (
        replace(failed(), limits=ADDRESS_SPACE),
        Outcome.BUILD_ERROR,
        "exit-status",
        Grade.STATUS,
    ),
    "an allocation refused without an address-space limit": (
        failed(GOOD, 1, SAYS_NO_MEMORY), Outcome.BUILD_ERROR, "exit-status", Grade.STATUS,
    ),
    "an allocation refused, the limit not in force": (
        replace(failed(GOOD, 1, SAYS_NO_MEMORY), limits={"address_space": limit(in_force=False)}),
        Outcome.BUILD_ERROR, "exit-status", Grade.STATUS,
    ),
    "no more processes allowed": (
        forked(failed(), hits=3), Outcome.BUILD_ERROR, "pids-limit", Grade.KERNEL,
    ),
    "no more processes allowed: the linker then aborts": (
        signalled(forked(failed(), hits=3), end(signal.SIGABRT)), Outcome.BUILD_ERROR, "pids-limit", Grade.KERNEL,
    ),
    "no more processes allowed, and a segmentation fault": (
        signalled(forked(failed(), hits=3), end(signal.SIGSEGV)), Outcome.CRASHED, "SIGSEGV", Grade.KERNEL,
    ),
    "no more processes allowed, exit 0": (forked(GOOD, hits=3), Outcome.PASSED, None, Grade.KERNEL),
    "refused forks unknown": (forked(failed(), hits=None), Outcome.BUILD_ERROR, "exit-status", Grade.STATUS),
    "refused forks without a limit of ours": (
        replace(forked(failed(), hits=3), limits={"memory": limit()}), Outcome.BUILD_ERROR, "exit-status", Grade.STATUS,
    ),
    "killed, and no limit did it": (
        signalled(failed(code=137), end(signal.SIGKILL)), Outcome.BUILD_ERROR, "killed-from-outside", Grade.KERNEL,
    ),
    "a helper killed on the way": (
        signalled(failed(code=1), end(signal.SIGKILL, "timeout")), Outcome.BUILD_ERROR, "exit-status", Grade.STATUS,
    ),
    "a helper killed, exit 0": (signalled(GOOD, end(signal.SIGKILL)), Outcome.PASSED, None, Grade.KERNEL),
    "compiler error": (failed(), Outcome.BUILD_ERROR, "exit-status", Grade.STATUS),
    "compiler error, accounting refused": (failed(UNACCOUNTED), Outcome.BUILD_ERROR, "exit-status", Grade.STATUS),
    "artifacts not collected": (replace(GOOD, artifacts=None), Outcome.PASSED, None, Grade.KERNEL),
    "damaged artifact": (
        replace(GOOD, artifacts=(artifact(), artifact(CheckStatus.FAIL))),
        Outcome.BAD_ARTIFACT, "pe-machine", Grade.HARNESS,
    ),
    "a warning about an artifact": (
        replace(GOOD, artifacts=(artifact(CheckStatus.WARNING), artifact(CheckStatus.NOT_APPLICABLE))),
        Outcome.PASSED, None, Grade.KERNEL,
    ),
    "does not start": (
        replace(GOOD, artifacts=(artifact(complaint="exit code 3, expected 0"),)),
        Outcome.BAD_ARTIFACT, "does-not-start", Grade.STATUS,
    ),
    "over its memory budget": (
        remembered(GOOD, demand_peak=2 * GIB + 1, charged_peak=3 * GIB),
        Outcome.OVER_BUDGET, "peak-memory", Grade.KERNEL,
    ),
    "over with page cache alone": (
        remembered(GOOD, charged_peak=6 * GIB, limit_hits=500), Outcome.PASSED, None, Grade.KERNEL,
    ),
    "SIGBUS and a file that was cut": (
        signalled(failed(), replace(end(signal.SIGBUS), cut_files=(CUT,))),
        Outcome.SIGBUS, "truncated-file", Grade.KERNEL,
    ),
    "SIGBUS, a file that was cut, and a full mount": (
        replace(signalled(failed(), replace(end(signal.SIGBUS), cut_files=(CUT,))), space=FULL_SHM),
        Outcome.SIGBUS, "full-mount", Grade.KERNEL,
    ),
    "SIGBUS under an emulated CPU": (
        replace(signalled(failed(), end(signal.SIGBUS)), emulated=EMULATED),
        Outcome.SIGBUS, "emulated-cpu", Grade.KERNEL,
    ),
    "SIGBUS, a file that was cut, under an emulated CPU": (
        replace(signalled(failed(), replace(end(signal.SIGBUS), cut_files=(CUT,))), emulated=EMULATED),
        Outcome.SIGBUS, "truncated-file", Grade.KERNEL,
    ),
    "an emulated CPU alone": (replace(GOOD, emulated=EMULATED), Outcome.PASSED, None, Grade.KERNEL),
    "v2: the OOM kill was of the build's own limit": (
        with_limit_above(OOM_KILL, 5, own_ooms=1), Outcome.OUT_OF_MEMORY, "own-limit", Grade.KERNEL,
    ),
    "v2: the OOM kill was of a limit above": (
        with_limit_above(OOM_KILL, 2, own_ooms=0, charged_peak=6 * GIB),
        Outcome.OUT_OF_MEMORY, "parent-limit", Grade.KERNEL,
    ),
    "v2: the OOM kill was of no limit": (
        with_limit_above(OOM_KILL, 0, own_ooms=0, charged_peak=6 * GIB),
        Outcome.HOST_OUT_OF_MEMORY, "host", Grade.KERNEL,
    ),
    "v2: it is not known whether the limit above was hit": (
        with_limit_above(OOM_KILL, None, own_ooms=0), Outcome.HOST_OUT_OF_MEMORY, "host", Grade.KERNEL,
    ),
    "v1: a limit above was hit, its own never": (
        with_limit_above(OOM_KILL, 2, limit_hits=0), Outcome.OUT_OF_MEMORY, "parent-limit", Grade.KERNEL,
    ),
    "v1: a limit above was hit, the mark is far below its own": (
        with_limit_above(OOM_KILL, 2, limit_hits=9), Outcome.OUT_OF_MEMORY, "parent-limit", Grade.KERNEL,
    ),
    "v1: a limit above was hit, the mark stands at its own": (
        with_limit_above(OOM_KILL, 2, charged_peak=6 * GIB), Outcome.OUT_OF_MEMORY, "own-limit", Grade.KERNEL,
    ),
    "v1: the limit above was never hit": (
        with_limit_above(OOM_KILL, 0), Outcome.OUT_OF_MEMORY, "own-limit", Grade.KERNEL,
    ),
    "a limit above that was hit, and no kill": (with_limit_above(GOOD, 7), Outcome.PASSED, None, Grade.KERNEL),
    "a quota was used up": (failed(GOOD, 1, found("quota", QUOTA)), Outcome.NO_SPACE, "quota", Grade.LOG),
    "a quota said, a mount was full": (
        replace(failed(GOOD, 1, found("quota", QUOTA)), space=FULL_SHM),
        Outcome.NO_SPACE, "full-mount", Grade.KERNEL,
    ),
    "a quota said, exit 0": (replace(GOOD, findings=(found("quota", QUOTA),)), Outcome.PASSED, None, Grade.KERNEL),
    "no inode was left": (
        replace(failed(GOOD, 1, found("no-space", NO_SPACE)), space=NO_INODES),
        Outcome.NO_SPACE, "no-inodes", Grade.KERNEL,
    ),
    "stalled for want of memory": (
        remembered(STOPPED, saturated=True, stalled_s=400.0), Outcome.TIME_LIMIT, "thrashing", Grade.HARNESS,
    ),
    "stalled for a fifth of the time": (
        remembered(STOPPED, saturated=True, stalled_s=360.0), Outcome.TIME_LIMIT, "thrashing", Grade.HARNESS,
    ),
    "stalled for less than a fifth": (
        remembered(STOPPED, saturated=True, stalled_s=359.0, major_faults=10**9, refaults=10**9),
        Outcome.TIME_LIMIT, "wall-time", Grade.HARNESS,
    ),
    "stalled, but the limit was never touched": (
        remembered(STOPPED, saturated=False, stalled_s=900.0), Outcome.TIME_LIMIT, "wall-time", Grade.HARNESS,
    ),
    "stalled, and nobody knows whether the limit was touched": (
        remembered(STOPPED, saturated=None, stalled_s=900.0), Outcome.TIME_LIMIT, "wall-time", Grade.HARNESS,
    ),
    "pages read back over and over, no PSI": (
        remembered(STOPPED, saturated=True, major_faults=180_000, refaults=180_000),
        Outcome.TIME_LIMIT, "thrashing", Grade.HARNESS,
    ),
    "some pages read back, no PSI": (
        remembered(STOPPED, saturated=True, major_faults=180_000, refaults=179_999),
        Outcome.TIME_LIMIT, "wall-time", Grade.HARNESS,
    ),
    "neither PSI nor faults could be read": (
        remembered(STOPPED, saturated=True), Outcome.TIME_LIMIT, "wall-time", Grade.HARNESS,
    ),
    "a build that thrashed and built": (
        remembered(GOOD, saturated=True, stalled_s=90.0), Outcome.PASSED, None, Grade.KERNEL,
    ),
    "at its time limit while the host swapped": (
        replace(STOPPED, host_swapped=256 * MIB), Outcome.UNMEASURED, "host-swapping", Grade.KERNEL,
    ),
    "at its time limit while the host swapped a little": (
        replace(STOPPED, host_swapped=256 * MIB - 1), Outcome.TIME_LIMIT, "wall-time", Grade.HARNESS,
    ),
    "at its time limit, and what swapped was the build's own": (
        remembered(replace(STOPPED, host_swapped=GIB), swap_peak=GIB),
        Outcome.TIME_LIMIT, "wall-time", Grade.HARNESS,
    ),
    "built while the host swapped": (replace(GOOD, host_swapped=GIB), Outcome.PASSED, None, Grade.KERNEL),
    "silent while the host swapped": (
        replace(STOPPED, stopped=Stop.SILENT, host_swapped=GIB), Outcome.SILENT, "no-output", Grade.HARNESS,
    ),
    "the probe could not sample": (
        remembered(GOOD, charged_peak=3 * GIB, sample_interval_ms=2001.0),
        Outcome.UNMEASURED, "probe-starved", Grade.HARNESS,
    ),
    "the probe could not sample for a moment": (
        remembered(GOOD, charged_peak=3 * GIB, sample_interval_ms=2000.0), Outcome.PASSED, None, Grade.KERNEL,
    ),
    "the probe could not sample, but the kernel's mark proves the budget": (
        remembered(GOOD, sample_interval_ms=60_000.0), Outcome.PASSED, None, Grade.KERNEL,
    ),
    "the probe could not sample, and was over all the same": (
        remembered(GOOD, demand_peak=3 * GIB, charged_peak=3 * GIB, sample_interval_ms=60_000.0),
        Outcome.OVER_BUDGET, "peak-memory", Grade.KERNEL,
    ),
    "the probe could not sample, and the build failed": (
        remembered(failed(), charged_peak=3 * GIB, sample_interval_ms=60_000.0),
        Outcome.BUILD_ERROR, "exit-status", Grade.STATUS,
    ),
    "a compiler says that it has a bug": (
        failed(GOOD, 1, found("compiler-bug", ICE)), Outcome.CRASHED, "compiler-bug", Grade.LOG,
    ),
    "a compiler says that it has a bug, accounting refused": (
        failed(UNACCOUNTED, 1, found("compiler-bug", ICE)), Outcome.CRASHED, "compiler-bug", Grade.LOG,
    ),
    "a compiler says so, exit 0": (
        replace(GOOD, findings=(found("compiler-bug", ICE),)), Outcome.PASSED, None, Grade.KERNEL,
    ),
    "a compiler says so, and died of it": (
        signalled(failed(GOOD, 1, found("compiler-bug", ICE)), end(signal.SIGSEGV)),
        Outcome.CRASHED, "SIGSEGV", Grade.KERNEL,
    ),
    "a compiler says so, and its memory limit killed": (
        replace(OOM_KILL, exit_code=1, findings=(found("compiler-bug", ICE),)),
        Outcome.OUT_OF_MEMORY, "own-limit", Grade.KERNEL,
    ),
    "a compiler says so, and a mount was full": (
        replace(failed(GOOD, 1, found("compiler-bug", ICE), found("no-space", NO_SPACE)), space=FULL_SHM),
        Outcome.NO_SPACE, "full-mount", Grade.KERNEL,
    ),
    "peak unknown": (remembered(GOOD, charged_peak=None, demand_peak=None), Outcome.PASSED, None, Grade.KERNEL),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_evidence_has_its_verdict(case: str) -> None:
    evidence, outcome, cause, grade = CASES[case]
    verdict = judge(evidence, BUDGET)
    assert (verdict.outcome, verdict.cause, verdict.grade) == (outcome, cause, grade), verdict.summary


def test_every_outcome_that_evidence_can_have_is_in_the_table() -> None:
    from_the_runner = {Outcome.ENGINE_ERROR, Outcome.FETCH_ERROR, Outcome.HOST_NO_SPACE}
    assert {case[1] for case in CASES.values()} == set(Outcome) - from_the_runner


@pytest.mark.parametrize("case", CASES)
def test_a_failing_verdict_is_a_sentence_with_a_next_step(case: str) -> None:
    verdict = judge(CASES[case][0], BUDGET)
    assert verdict.summary.strip()
    told = (verdict.summary, *verdict.advice, *verdict.contradictions, *(clue.text for clue in verdict.evidence))
    assert "None" not in " ".join(told)
    assert all(text.strip() == text for text in told)
    if verdict.outcome not in {Outcome.PASSED, Outcome.CANCELLED}:
        assert verdict.advice
        assert all(verdict.advice)
        assert verdict.evidence or verdict.cause in {"limits-not-in-force", "probe-lost"}


# From the weakest to the strongest: each is laid over all before it, and takes over.
LAYERS: list[tuple[Outcome, str, Callable[[Evidence], Evidence]]] = [
    (
        Outcome.UNMEASURED,
        "probe-starved",
        lambda e: remembered(e, charged_peak=5 * GIB, sample_interval_ms=5000.0),
    ),
    (Outcome.OVER_BUDGET, "peak-memory", lambda e: remembered(e, demand_peak=5 * GIB, charged_peak=5 * GIB)),
    (Outcome.BAD_ARTIFACT, "does-not-start", lambda e: replace(e, artifacts=(artifact(complaint="no"),))),
    (Outcome.BAD_ARTIFACT, "pe-machine", lambda e: replace(e, artifacts=(artifact(CheckStatus.FAIL, "no"),))),
    (Outcome.BUILD_ERROR, "exit-status", lambda e: replace(e, exit_code=101)),
    (Outcome.CRASHED, "compiler-bug", lambda e: replace(e, findings=(found("compiler-bug", ICE),))),
    (
        Outcome.OUT_OF_MEMORY,
        "address-space",
        lambda e: replace(e, findings=(SAYS_NO_MEMORY,), limits={**e.limits, "address_space": limit()}),
    ),
    (Outcome.BUILD_ERROR, "killed-from-outside", lambda e: signalled(replace(e, exit_code=137), end(signal.SIGKILL))),
    (Outcome.BUILD_ERROR, "pids-limit", lambda e: forked(e, hits=3)),
    (Outcome.CRASHED, "SIGSEGV", lambda e: signalled(e, end(signal.SIGSEGV))),
    (
        Outcome.NO_SPACE,
        "full-mount",
        lambda e: replace(e, space=FULL_SHM, findings=(*e.findings, found("no-space", NO_SPACE))),
    ),
    (Outcome.SIGBUS, "full-mount", lambda e: signalled(e, end(signal.SIGBUS))),
    (Outcome.OUT_OF_MEMORY, "own-limit", lambda e: remembered(e, oom_kills=2, limit_hits=4)),
    (Outcome.SILENT, "no-output", lambda e: replace(e, stopped=Stop.SILENT, stopped_at_s=99.0)),
    (Outcome.TIME_LIMIT, "wall-time", lambda e: replace(e, stopped=Stop.TIME_LIMIT, stopped_at_s=1800.0)),
    (Outcome.UNMEASURED, "host-swapping", lambda e: replace(e, host_swapped=9 * GIB)),
    (Outcome.TIME_LIMIT, "thrashing", lambda e: remembered(e, saturated=True, stalled_s=99.0)),
    (Outcome.UNMEASURED, "probe-lost", lambda e: replace(e, probe_lost="the probe ended")),
    (
        Outcome.UNMEASURED,
        "limits-not-in-force",
        lambda e: replace(e, limits={**e.limits, "memory": limit(in_force=False)}),
    ),
    (Outcome.CANCELLED, "cancelled", lambda e: replace(e, stopped=Stop.CANCELLED)),
]


def test_each_stronger_fact_takes_over_from_all_weaker_ones() -> None:
    evidence, told = GOOD, []
    for _, _, lay in LAYERS:
        evidence = lay(evidence)
        verdict = judge(evidence, BUDGET)
        told.append((verdict.outcome, verdict.cause))
    assert told == [(outcome, cause) for outcome, cause, _ in LAYERS]


def test_text_about_space_alone_does_not_outrank_a_signal() -> None:
    said = failed(GOOD, 101, found("no-space", NO_SPACE))
    assert judge(said, BUDGET).outcome is Outcome.NO_SPACE
    assert judge(signalled(said, end(signal.SIGSEGV)), BUDGET).outcome is Outcome.CRASHED


def told_of(evidence: Evidence, budget: Budget = BUDGET) -> Verdict:
    return judge(evidence, budget)


def test_an_oom_kill_hidden_behind_exit_0_is_told_as_such() -> None:
    verdict = told_of(OOM_KILL)
    assert verdict.summary == (
        "The build's limit of 6 GiB killed cc1plus (pid 214) 12.0 s into the build (1 kill counted by the kernel)."
        " The build went on and exited 0 all the same."
    )
    assert verdict.culprit == "cc1plus (pid 214)"
    assert verdict.advice[0].startswith("Raise `mem_limit` from 6g to 9g")
    assert [(clue.grade, clue.text) for clue in verdict.evidence] == [
        (Grade.KERNEL, "cgroup: demand peak 1.46 GiB, charged peak 1.76 GiB, limit 6 GiB, 1 OOM kill"),
        (
            Grade.KERNEL,
            "process accounting: cc1plus (pid 214), child of pid 200, ended by SIGKILL after 2.0 s",
        ),
        (Grade.STATUS, "the command exited with status 0"),
    ]


def test_an_oom_kill_that_ended_the_build_is_told_without_a_but() -> None:
    verdict = told_of(replace(remembered(OOM_KILL, oom_kills=2), exit_code=137))
    assert verdict.summary == (
        "The build's limit of 6 GiB killed cc1plus (pid 214) 12.0 s into the build (2 kills counted by the kernel)."
    )


def test_counters_that_say_nothing_of_the_limit_do_not_stop_the_verdict() -> None:
    for changes in ({"charged_peak": None}, {"limit": None}):
        verdict = told_of(remembered(GOOD, oom_kills=1, limit_hits=None, **changes))
        assert verdict.outcome in {Outcome.OUT_OF_MEMORY, Outcome.HOST_OUT_OF_MEMORY}


def test_several_oom_kills_are_counted_and_three_are_named() -> None:
    names = ("cc1", "cc2", "cc3", "cc4")
    verdict = told_of(signalled(remembered(GOOD, oom_kills=4, limit_hits=4), *(end(9, name) for name in names)))
    assert verdict.culprit == "cc1 (pid 214), cc2 (pid 214), cc3 (pid 214)"
    assert "4 kills" in verdict.summary


def test_an_oom_kill_without_accounting_names_nobody() -> None:
    assert "accounting did not name" in told_of(remembered(UNACCOUNTED, oom_kills=1, limit_hits=1)).summary


def test_the_host_is_blamed_only_where_the_builds_own_limit_was_not_touched() -> None:
    just_below = remembered(GOOD, oom_kills=1, limit_hits=0, charged_peak=int(6 * GIB * 0.97))
    at_limit = remembered(GOOD, oom_kills=1, limit_hits=0, charged_peak=6 * GIB)
    hit = remembered(GOOD, oom_kills=1, limit_hits=1, charged_peak=GIB)
    assert [told_of(e).outcome for e in (just_below, at_limit, hit)] == [
        Outcome.HOST_OUT_OF_MEMORY, Outcome.OUT_OF_MEMORY, Outcome.OUT_OF_MEMORY,
    ]  # fmt: skip


def test_a_sigbus_says_who_died_when_and_which_mount_was_full() -> None:
    evidence = replace(signalled(GOOD, end(signal.SIGBUS, "ld", at_s=12.5)), space=FULL_SHM)
    verdict = told_of(evidence)
    assert verdict.summary == (
        "ld (pid 214) died of SIGBUS 12.5 s into the build, when /dev/shm (64 MiB) was full."
        " The build exited 0 all the same."
    )
    assert verdict.advice == ("Raise `shm_size` from 64m to 256m, or point TMPDIR elsewhere.",)


def test_a_caught_sigbus_says_who_caught_it_and_quotes_the_line() -> None:
    child, parent = end(None, "cc1", exit_code=4), replace(end(None, "make", exit_code=2), pid=200, ppid=1)
    evidence = failed(GOOD, 2, found("sigbus-caught", CAUGHT), found("sigbus", CAUGHT))
    verdict = told_of(replace(evidence, processes=Processes(exited=9, failed=(child, parent))))
    assert verdict.culprit == "cc1 (pid 214)"
    assert verdict.summary == f"cc1 (pid 214) caught SIGBUS (log line 7 says “{CAUGHT}”)."


def test_refused_forks_are_counted_in_the_summary() -> None:
    once, often = told_of(forked(failed(), hits=1)), told_of(forked(failed(), hits=40))
    assert "refused a new one 2 times" in told_of(forked(failed(), hits=2)).summary
    assert once.summary == (
        "The limit of 4096 processes and threads refused a new one 1 time, and the command exited with status 2."
    )
    assert "refused a new one 40 times" in often.summary
    assert often.advice[0].startswith("Raise `pids_limit` above 4096")


def test_a_sigbus_that_was_seen_needs_no_quote_and_was_not_caught() -> None:
    caught = failed(GOOD, 1, found("sigbus-caught", CAUGHT), found("sigbus", CAUGHT))
    verdict = told_of(signalled(caught, end(signal.SIGBUS)))
    assert verdict.summary == "cc1plus (pid 214) died of SIGBUS 12.0 s into the build."
    (advice,) = verdict.advice
    assert "no file was found cut" in advice
    assert "replaced while it was mapped" in advice


def test_a_mount_without_inodes_is_not_told_to_grow() -> None:
    space = {"/tmp": Space(size=GIB, min_free=GIB, min_free_at_s=1.0, min_free_inodes=0)}
    verdict = told_of(replace(failed(GOOD, 1, found("no-space", NO_SPACE)), space=space))
    assert verdict.advice == (
        "/tmp had no inode left: let the build keep fewer files there, or raise its `nr_inodes`.",
    )


def test_the_smallest_full_mount_is_the_cause() -> None:
    space = {
        "/": Space(size=50 * GIB, min_free=4096, min_free_at_s=1.0),
        "/build/out": Space(size=8 * MIB, min_free=4096, min_free_at_s=2.0, kind="tmpfs"),
        "/small": Space(size=MIB, min_free=4097, min_free_at_s=2.0),
    }
    verdict = told_of(replace(signalled(failed(), end(signal.SIGBUS), end(signal.SIGBUS)), space=space))
    assert "/build/out (8 MiB) was full" in verdict.summary
    assert "and 1 more" in verdict.summary
    (advice,) = verdict.advice
    assert advice.startswith("Give /build/out more than 8 MiB: `size=32m` in the builder's `tmpfs`; or point")
    clue = verdict.evidence[-2]
    assert (clue.text, clue.at_s) == ("statvfs: /build/out (tmpfs of 8 MiB) had 4 KiB free", 2.0)


def test_no_space_quotes_the_log_line() -> None:
    verdict = told_of(failed(GOOD, 1, found("no-space", f"  {NO_SPACE}  ", line=812)))
    assert f"log line 812 says “{NO_SPACE}”. No mount of the build was seen full." in verdict.summary


def test_no_space_names_the_full_mount_and_what_to_raise() -> None:
    verdict = told_of(replace(failed(GOOD, 1, found("no-space", NO_SPACE)), space=FULL_SHM))
    assert verdict.summary.endswith("/dev/shm (64 MiB) was full.")
    assert verdict.advice == ("Raise `shm_size` from 64m to 256m, or point TMPDIR elsewhere.",)


def test_log_grade_verdicts_quote_their_line() -> None:
    sigbus = told_of(failed(UNACCOUNTED, 101, found("sigbus", "signal: 7, SIGBUS", line=99)))
    assert "log line 99 says “signal: 7, SIGBUS”" in sigbus.summary.lower().replace("sigbus", "SIGBUS")
    crash = told_of(failed(UNACCOUNTED, 1, found("abort", "Aborted (core dumped)", line=4)))
    assert (crash.cause, crash.grade) == ("SIGABRT", Grade.LOG)
    assert "log line 4 says “Aborted (core dumped)”" in crash.summary


@pytest.mark.parametrize("number", [4, 5, 6, 8, 11, 31])
def test_every_crash_signal_is_a_crash_at_both_grades(number: int) -> None:
    name = signal.Signals(number).name
    assert told_of(signalled(failed(), end(number))).cause == name
    verdict = told_of(failed(UNACCOUNTED, 128 + number))
    assert (verdict.outcome, verdict.cause, verdict.grade) == (Outcome.CRASHED, name, Grade.STATUS)


def test_a_single_crash_is_told_without_a_but() -> None:
    verdict = told_of(signalled(failed(), end(signal.SIGSEGV)))
    assert verdict.summary == "cc1plus (pid 214) died of SIGSEGV 12.0 s into the build."


def test_the_first_crash_is_named_and_the_others_counted() -> None:
    first, second = end(signal.SIGSEGV, "rustc", at_s=61.0), end(signal.SIGABRT, "cc1")
    verdict = told_of(signalled(GOOD, first, second))
    assert verdict.summary == (
        "rustc (pid 214) died of SIGSEGV 1 min 01 s into the build, and 1 more processes crashed."
        " The build exited 0 all the same."
    )


LAST_LINES = {
    ("   Compiling thiserror v1.0.50", "   Compiling error-chain v0.12.4", "done"): "",
    ("   Compiling thiserror v1.0.50", "error[E0432]: unresolved import"): ": error[E0432]: unresolved import",
    ("main.c:3:5: error: expected ';'", "make: *** [all] Error 1"): ": main.c:3:5: error: expected ';'",
    ("3 errors generated.", "make: *** [Makefile:2: all] Error 2"): ": make: *** [Makefile:2: all] Error 2",
    ("CMake Error at CMakeLists.txt:3 (find_package):",): ": CMake Error at CMakeLists.txt:3 (find_package):",
    ("  ERROR: no such package  ",): ": ERROR: no such package",
}


@pytest.mark.parametrize("lines", LAST_LINES)
def test_a_build_error_quotes_the_first_line_that_is_an_error(lines: tuple[str, ...]) -> None:
    verdict = told_of(replace(failed(code=101), last_lines=lines))
    assert verdict.summary == f"The command exited with status 101{LAST_LINES[lines]}"


def test_the_culprit_of_a_build_error_is_who_failed_first_with_a_status_of_its_own() -> None:
    ends = (end(None, "make", exit_code=2), end(None, "cc1", exit_code=1), end(None, "as", exit_code=1))
    evidence = replace(failed(), processes=Processes(exited=9, failed=ends))
    assert (told_of(evidence).culprit, told_of(evidence).cause) == ("cc1 (pid 214)", "exit-status")
    alone = replace(failed(), processes=Processes(exited=9, failed=ends[:1]))
    assert told_of(alone).culprit == "make (pid 214)"
    assert told_of(failed()).culprit is None


def test_a_time_limit_says_how_busy_the_build_was_unless_that_is_unknown() -> None:
    stopped = replace(GOOD, exit_code=None, stopped=Stop.TIME_LIMIT, stopped_at_s=1800.0)
    busy = told_of(replace(stopped, time=Time(wall_s=1800.0, cpu_s=1700.0)))
    assert busy.summary == "Still building at its time limit of 30 min 00 s, and stopped there."
    assert [clue.text for clue in busy.evidence][:2] == [
        "the harness stopped it at 30 min 00 s", "cgroup: 28 min 20 s of CPU time in 30 min 00 s",
    ]  # fmt: skip
    assert busy.advice == ("Raise `time-limit` to 1 h 00 min: it was at work all the time.",)
    unknown = told_of(replace(stopped, time=Time(wall_s=1800.0, cpu_s=None)))
    assert "CPU" not in " ".join((unknown.summary, *unknown.advice, *(clue.text for clue in unknown.evidence)))


def test_a_cancelled_run_says_when_if_it_had_begun() -> None:
    cancelled = replace(GOOD, exit_code=None, stopped=Stop.CANCELLED)
    assert told_of(cancelled).summary == "The run was cancelled."
    assert told_of(replace(cancelled, stopped_at_s=5.0)).summary == "The run was cancelled 5.0 s into the build."
    ended = replace(cancelled, exit_code=0, stopped_at_s=24.0)
    assert told_of(ended).summary == (
        "The run was cancelled when the command had exited 0, before its outputs were examined."
    )


def test_without_a_memory_budget_no_peak_is_too_high() -> None:
    huge = remembered(GOOD, demand_peak=100 * GIB, charged_peak=100 * GIB)
    assert told_of(huge, Budget(time_limit=1800)).outcome is Outcome.PASSED


def test_an_exceeded_budget_names_the_largest_process() -> None:
    top = (Process(pid=9, comm="rustc", cmdline="rustc --crate-name big x.rs", peak_rss=2 * GIB),)
    evidence = remembered(GOOD, demand_peak=3 * GIB, charged_peak=4 * GIB)
    verdict = told_of(replace(evidence, processes=Processes(exited=1, top=top)))
    assert verdict.culprit == "rustc --crate-name big (pid 9)"
    assert "The largest process was rustc --crate-name big (pid 9) with 2 GiB resident." in verdict.summary
    (advice,) = verdict.advice
    told = re.match(r"Set `peak-memory` to (\w+) if 3 GiB is what it needs", advice)
    assert told, advice
    assert 3 * GIB < parse_size(told[1]) <= 4 * GIB


def test_families_have_an_exit_code_of_their_own_and_the_projects_own_failures_come_first() -> None:
    assert len({family.exit_code for family in Family}) == len(Family)
    assert {outcome.family for outcome in Outcome} == set(Family)
    order = [
        Outcome.CRASHED, Outcome.SIGBUS, Outcome.HOST_OUT_OF_MEMORY, Outcome.UNMEASURED, Outcome.PASSED,
    ]  # fmt: skip
    for index, outcome in enumerate(order):
        assert gravest(list(reversed(order[index:]))) is outcome.family
    assert gravest([]).exit_code is ExitCode.PASSED


@pytest.mark.parametrize(
    "outcome", [Outcome.HOST_OUT_OF_MEMORY, Outcome.ENGINE_ERROR, Outcome.FETCH_ERROR, Outcome.CANCELLED]
)
def test_infrastructure_is_never_blamed_on_the_project(outcome: Outcome) -> None:
    assert outcome.family is Family.INFRASTRUCTURE


OVER_DISK = replace(GOOD, disk_used=2 * GIB + 1, limits={"memory": limit(), "disk": limit(2 * GIB)})


def test_a_build_that_was_stopped_for_its_disk_limit_says_how_much_it_took() -> None:
    verdict = told_of(replace(OVER_DISK, exit_code=None, stopped=Stop.DISK_LIMIT, stopped_at_s=7.0))
    assert (verdict.outcome, verdict.cause, verdict.grade) == (Outcome.NO_SPACE, "disk-limit", Grade.HARNESS)
    assert verdict.summary.startswith("The build's files went beyond its disk limit of 2 GiB by 1 B; it was stopped")
    assert verdict.advice[0].startswith("Raise `disk-limit` above 2 GiB")


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_build_that_ended_above_its_disk_limit_before_it_was_stopped_is_no_better(exit_code: int) -> None:
    verdict = told_of(replace(OVER_DISK, exit_code=exit_code))
    assert (verdict.outcome, verdict.cause, verdict.grade) == (Outcome.NO_SPACE, "disk-limit", Grade.KERNEL)


def test_what_fits_into_the_disk_limit_passes() -> None:
    assert judge(replace(OVER_DISK, disk_used=2 * GIB), BUDGET).outcome is Outcome.PASSED
    assert judge(replace(OVER_DISK, disk_used=None), BUDGET).outcome is Outcome.PASSED


def test_a_file_that_grew_past_its_limit_is_named_with_who_wrote_it() -> None:
    fsize = replace(limit(), requested=(MIB, MIB), effective=(MIB, MIB))
    evidence = replace(
        signalled(failed(), end(signal.SIGXFSZ, "ld")), limits={"memory": limit(), "ulimit fsize": fsize}
    )
    verdict = told_of(evidence)
    assert (verdict.outcome, verdict.cause, verdict.grade) == (Outcome.NO_SPACE, "file-size-limit", Grade.KERNEL)
    assert "was ended by SIGXFSZ: it made a file larger than 1 MiB" in verdict.summary
    assert "ld" in str(verdict.culprit)


@pytest.mark.parametrize("name", ["user", "capabilities", "no_new_privileges"])
def test_nothing_is_run_in_a_box_that_is_not_shut(name: str) -> None:
    evidence = replace(GOOD, limits={"memory": limit(), name: limit(1000, in_force=False)})
    verdict = told_of(evidence)
    assert (verdict.outcome, verdict.cause) == (Outcome.UNMEASURED, "limits-not-in-force")
    assert "the box is not shut" in verdict.summary
    assert name.replace("_", " ") in verdict.summary
