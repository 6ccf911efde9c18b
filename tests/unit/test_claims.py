"""One broken promise breaks one claim; the others are held, or undecided with a reason."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from buildproof.evidence import (
    AncestorLimit,
    Artifact,
    Check,
    CheckStatus,
    CutFile,
    Evidence,
    Grade,
    LogFinding,
    Memory,
    ProcessEnd,
    Processes,
    Started,
    Stop,
    Time,
)
from buildproof.limits import LimitState
from buildproof.targets import Format, Machine
from buildproof.verdict import Budget, Outcome, Verdict, judge
from buildproof.verdict.claims import Answer, Case, Claim, Decision, decide

GIB = 1 << 30
BUDGET = Budget(peak_memory=2 * GIB, time_limit=1800, silent_limit=60)
REFUSED = "acct(2): Operation not permitted"


def artifact(status: CheckStatus = CheckStatus.PASS, complaint: str | None = None) -> Artifact:
    return Artifact(
        path="out/app",
        size=4096,
        sha256="00",
        format=Format.ELF,
        machine=Machine.X86_64,
        checks=(Check(id="elf-machine", status=status, message="it is for aarch64"),),
        started=Started(image="debian", argv=("app",), exit_code=0, stdout="", duration_s=1.0, complaint=complaint),
    )


def end(number: int) -> ProcessEnd:
    return ProcessEnd(pid=9, ppid=8, comm="ld", cmdline=None, at_s=3.0, duration_s=1.0, signal=number)


GOOD = Evidence(
    exit_code=0,
    accounting=True,
    limits={"memory": LimitState(requested=6 * GIB, effective=6 * GIB, in_force=True)},
    memory=Memory(
        limit=6 * GIB, charged_peak=GIB, demand_peak=GIB, swap_peak=0, oom_kills=0, limit_hits=0, samples=900
    ),
    time=Time(wall_s=100.0, cpu_s=150.0, limit_s=1800.0),
    processes=Processes(exited=250),
    artifacts=(artifact(),),
)
FAILED = replace(GOOD, exit_code=2, artifacts=None)
STOPPED = replace(GOOD, exit_code=None, artifacts=None, stopped_at_s=1800.0)
DIED = replace(GOOD, processes=Processes(exited=250, signalled=(end(signal.SIGBUS),)))
CRASHED = replace(GOOD, processes=Processes(exited=250, signalled=(end(signal.SIGSEGV),)))
STARVED = replace(GOOD.memory, oom_kills=1, limit_hits=3, charged_peak=6 * GIB)
UNSAMPLED = replace(GOOD.memory, charged_peak=4 * GIB, sample_interval_ms=60_000.0)


def answers(evidence: Evidence, budget: Budget = BUDGET) -> dict[Claim, Decision]:
    case = Case(evidence=evidence, budget=budget, verdict=judge(evidence, budget))
    return {claim: decide(claim, case) for claim in Claim}


def those(decisions: dict[Claim, Decision], answer: Answer) -> set[Claim]:
    return {claim for claim, decision in decisions.items() if decision.answer is answer}


# Evidence -> what is broken, and what cannot be decided; the rest is held.
AFTER_THE_COMMAND = {Claim.ARTIFACTS_VALID, Claim.STARTS}
TO_THE_END = {Claim.PEAK_MEMORY, Claim.TIME_LIMIT, *AFTER_THE_COMMAND}
CASES: dict[str, tuple[Evidence, set[Claim], set[Claim]]] = {
    "all is well": (GOOD, set(), set()),
    "over its memory budget": (
        replace(GOOD, memory=replace(GOOD.memory, demand_peak=3 * GIB, charged_peak=4 * GIB)),
        {Claim.PEAK_MEMORY}, set(),
    ),
    "at its time limit": (
        replace(STOPPED, stopped=Stop.TIME_LIMIT),
        {Claim.TIME_LIMIT},
        {Claim.BUILDS, Claim.NO_SIGBUS, Claim.NO_OOM_KILL, Claim.PEAK_MEMORY, *AFTER_THE_COMMAND},
    ),
    "silent": (
        replace(STOPPED, stopped=Stop.SILENT),
        {Claim.TIME_LIMIT},
        {Claim.BUILDS, Claim.NO_SIGBUS, Claim.NO_OOM_KILL, Claim.PEAK_MEMORY, *AFTER_THE_COMMAND},
    ),
    "killed by its memory limit": (
        replace(FAILED, exit_code=137, memory=STARVED), {Claim.NO_OOM_KILL}, {Claim.BUILDS, *TO_THE_END},
    ),
    "an OOM kill behind exit 0": (replace(GOOD, memory=STARVED), {Claim.NO_OOM_KILL}, set()),
    "an OOM kill, then the time limit": (
        replace(STOPPED, stopped=Stop.TIME_LIMIT, memory=STARVED),
        {Claim.TIME_LIMIT, Claim.NO_OOM_KILL},
        {Claim.BUILDS, Claim.NO_SIGBUS, Claim.PEAK_MEMORY, *AFTER_THE_COMMAND},
    ),
    "SIGBUS": (
        replace(DIED, exit_code=1, artifacts=None), {Claim.NO_SIGBUS}, {Claim.BUILDS, *TO_THE_END},
    ),
    "SIGBUS behind exit 0": (DIED, {Claim.NO_SIGBUS}, set()),
    "SIGBUS, then the time limit": (
        replace(STOPPED, stopped=Stop.TIME_LIMIT, processes=DIED.processes),
        {Claim.TIME_LIMIT, Claim.NO_SIGBUS},
        {Claim.BUILDS, Claim.NO_OOM_KILL, Claim.PEAK_MEMORY, *AFTER_THE_COMMAND},
    ),
    "a compiler error": (FAILED, {Claim.BUILDS}, TO_THE_END),
    "no space": (
        replace(FAILED, findings=(LogFinding(kind="no-space", line=1, text="Disk full?"),)),
        {Claim.BUILDS}, TO_THE_END,
    ),
    "a crash": (replace(CRASHED, exit_code=1, artifacts=None), {Claim.BUILDS}, TO_THE_END),
    "a crash behind exit 0": (CRASHED, {Claim.BUILDS}, set()),
    "refused address space": (
        replace(
            FAILED,
            limits={**GOOD.limits, "address_space": LimitState(requested=GIB, effective=GIB, in_force=True)},
            findings=(LogFinding(kind="no-memory", line=1, text="out of memory"),),
        ),
        {Claim.BUILDS}, TO_THE_END,
    ),
    "a compiler error over the budget": (
        replace(FAILED, memory=replace(GOOD.memory, demand_peak=3 * GIB, charged_peak=3 * GIB)),
        {Claim.BUILDS, Claim.PEAK_MEMORY}, {Claim.TIME_LIMIT, *AFTER_THE_COMMAND},
    ),
    "a damaged artifact": (
        replace(GOOD, artifacts=(artifact(CheckStatus.FAIL),)), {Claim.ARTIFACTS_VALID}, set(),
    ),
    "an artifact that does not start": (
        replace(GOOD, artifacts=(artifact(complaint="exit code 3, expected 0"),)), {Claim.STARTS}, set(),
    ),
    "thrashing at its time limit": (
        replace(
            STOPPED,
            stopped=Stop.TIME_LIMIT,
            memory=replace(GOOD.memory, saturated=True, stalled_s=900.0),
            time=replace(GOOD.time, wall_s=1800.0),
        ),
        {Claim.TIME_LIMIT},
        {Claim.BUILDS, Claim.NO_SIGBUS, Claim.NO_OOM_KILL, Claim.PEAK_MEMORY, *AFTER_THE_COMMAND},
    ),
    "killed by a limit above": (
        replace(
            FAILED,
            exit_code=137,
            memory=replace(
                GOOD.memory,
                oom_kills=1,
                own_ooms=0,
                ancestors=(AncestorLimit(path="/pod", limit=GIB, limit_hits=2),),
            ),
        ),
        {Claim.NO_OOM_KILL}, {Claim.BUILDS, *TO_THE_END},
    ),
    "SIGBUS of a file that was cut": (
        replace(
            FAILED,
            processes=Processes(
                exited=9, signalled=(replace(end(signal.SIGBUS), cut_files=(CutFile(path="/a.o", size=0),)),)
            ),
        ),
        {Claim.NO_SIGBUS}, {Claim.BUILDS, *TO_THE_END},
    ),
    "a compiler's own bug": (
        replace(FAILED, findings=(LogFinding(kind="compiler-bug", line=1, text="internal compiler error"),)),
        {Claim.BUILDS}, TO_THE_END,
    ),
    "a quota": (
        replace(FAILED, findings=(LogFinding(kind="quota", line=1, text="Disk quota exceeded"),)),
        {Claim.BUILDS}, TO_THE_END,
    ),
    "the probe starved, and the kernel's mark proves the budget": (
        replace(GOOD, memory=replace(GOOD.memory, sample_interval_ms=60_000.0)), set(), set(),
    ),
    "the probe starved, and a SIGBUS behind exit 0": (
        replace(DIED, memory=UNSAMPLED), {Claim.NO_SIGBUS}, {Claim.PEAK_MEMORY},
    ),
    "the probe starved, and a compiler error": (replace(FAILED, memory=UNSAMPLED), {Claim.BUILDS}, TO_THE_END),
    "the probe starved, and over its budget all the same": (
        replace(GOOD, memory=replace(UNSAMPLED, demand_peak=3 * GIB)), {Claim.PEAK_MEMORY}, set(),
    ),
    "an artifact that nobody could start": (
        replace(GOOD, artifacts=(replace(artifact(CheckStatus.FAIL), started=None),)),
        {Claim.ARTIFACTS_VALID}, {Claim.STARTS},
    ),
    "accounting refused": (
        replace(GOOD, accounting=False, accounting_refused=REFUSED, processes=Processes()),
        set(), {Claim.NO_SIGBUS},
    ),
    "a signal that nothing names": (
        replace(GOOD, processes=Processes(exited=250, signalled=(replace(end(signal.SIGBUS), signal=None),))),
        set(), {Claim.NO_SIGBUS},
    ),
    "accounting with a gap": (
        replace(GOOD, accounting=False, accounting_refused="the accounting file's file system was nearly full"),
        set(),
        {Claim.NO_SIGBUS},
    ),
    "exit 135 without accounting": (
        replace(FAILED, exit_code=135, accounting=False, accounting_refused=REFUSED, processes=Processes()),
        {Claim.NO_SIGBUS}, {Claim.BUILDS, *TO_THE_END},
    ),
    "the OOM counter unreadable": (
        replace(GOOD, memory=replace(GOOD.memory, oom_kills=None)), set(), {Claim.NO_OOM_KILL},
    ),
    "the engine's OOM flag alone": (
        replace(FAILED, engine_oom_flag=True, memory=replace(GOOD.memory, oom_kills=None)),
        {Claim.NO_OOM_KILL}, {Claim.BUILDS, *TO_THE_END},
    ),
    "memory never sampled": (
        replace(GOOD, memory=replace(GOOD.memory, charged_peak=None, demand_peak=None)),
        set(), {Claim.PEAK_MEMORY},
    ),
    "ended processes never counted": (replace(GOOD, processes=Processes()), set(), {Claim.NO_SIGBUS}),
    "artifacts without a check": (
        replace(GOOD, artifacts=(artifact(), replace(artifact(), checks=()))), set(), {Claim.ARTIFACTS_VALID},
    ),
    "no artifact at all": (replace(GOOD, artifacts=()), set(), AFTER_THE_COMMAND),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_broken_is_broken_and_nothing_else_is(case: str) -> None:
    evidence, broken, undecided = CASES[case]
    decisions = answers(evidence)
    assert those(decisions, Answer.BROKEN) == broken
    assert those(decisions, Answer.UNDECIDED) == undecided


@pytest.mark.parametrize("case", CASES)
def test_every_answer_has_a_reason_without_gaps(case: str) -> None:
    for decision in answers(CASES[case][0]).values():
        assert decision.why.strip()
        assert "None" not in decision.why


@pytest.mark.parametrize("case", CASES)
def test_a_build_that_is_blamed_breaks_a_claim(case: str) -> None:
    evidence = CASES[case][0]
    verdict = judge(evidence, BUDGET)
    assert (verdict.outcome is Outcome.PASSED) == (not those(answers(evidence), Answer.BROKEN))


WITHOUT_TRUST: dict[str, Evidence] = {
    "cancelled": replace(STOPPED, stopped=Stop.CANCELLED),
    "probe lost": replace(STOPPED, stopped=Stop.PROBE_LOST, probe_lost="the probe ended"),
    "host out of memory": replace(FAILED, exit_code=137, memory=replace(GOOD.memory, oom_kills=1)),
    "limit not in force": replace(
        GOOD, limits={"memory": LimitState(requested=GIB, effective=None, in_force=None, why="unreadable")}
    ),
    "probe starved": replace(GOOD, memory=UNSAMPLED),
    "the host swapped": replace(STOPPED, stopped=Stop.TIME_LIMIT, host_swapped=9 * GIB),
    "probe lost after SIGBUS": replace(DIED, exit_code=None, stopped=Stop.PROBE_LOST, probe_lost="the probe ended"),
}


@pytest.mark.parametrize("case", WITHOUT_TRUST)
def test_where_the_measurement_cannot_be_trusted_all_but_that_is_undecided(case: str) -> None:
    decisions = answers(WITHOUT_TRUST[case])
    assert those(decisions, Answer.BROKEN) == {Claim.MEASURED}
    assert those(decisions, Answer.UNDECIDED) == set(Claim) - {Claim.MEASURED}


@pytest.mark.parametrize("outcome", [Outcome.ENGINE_ERROR, Outcome.FETCH_ERROR])
def test_an_engine_that_fails_decides_nothing_about_the_project(outcome: Outcome) -> None:
    verdict = Verdict(outcome=outcome, grade=Grade.HARNESS, summary="the engine went away")
    case = Case(evidence=GOOD, budget=BUDGET, verdict=verdict)
    decisions = {claim: decide(claim, case) for claim in Claim}
    assert those(decisions, Answer.BROKEN) == {Claim.MEASURED}
    assert those(decisions, Answer.HELD) == set()
    assert {decision.why for decision in decisions.values()} == {f"{outcome}: the engine went away"}


def test_a_limit_that_is_not_in_force_breaks_measured_whatever_the_verdict_says() -> None:
    evidence = replace(GOOD, limits=WITHOUT_TRUST["limit not in force"].limits)
    verdict = Verdict(outcome=Outcome.PASSED, grade=Grade.KERNEL, summary="Built")
    decision = decide(Claim.MEASURED, Case(evidence=evidence, budget=BUDGET, verdict=verdict))
    assert decision == Decision(Answer.BROKEN, "the memory limit of 1 GiB is not in force (unreadable)")


def test_without_a_memory_budget_there_is_nothing_to_hold() -> None:
    decisions = answers(GOOD, Budget(time_limit=1800))
    assert decisions[Claim.PEAK_MEMORY] == Decision(Answer.UNDECIDED, "the manifest gives no `peak-memory`")
    assert those(decisions, Answer.HELD) == set(Claim) - {Claim.PEAK_MEMORY}


def test_a_log_that_says_sigbus_breaks_the_claim_only_where_nothing_better_is_known() -> None:
    said = (LogFinding(kind="sigbus", line=4, text="signal: 7, SIGBUS"),)
    unaccounted = replace(FAILED, findings=said, accounting=False, accounting_refused=REFUSED, processes=Processes())
    assert those(answers(unaccounted), Answer.BROKEN) == {Claim.NO_SIGBUS}
    assert those(answers(replace(FAILED, findings=said)), Answer.BROKEN) == {Claim.BUILDS}


def test_answers_say_what_was_seen() -> None:
    good = answers(GOOD)
    assert good[Claim.NO_SIGBUS].why == "none of the 250 processes that ended died of it (grade kernel)"
    assert good[Claim.TIME_LIMIT].why == "1 min 40 s of 30 min 00 s"
    assert good[Claim.PEAK_MEMORY].why.startswith("proved-inside: demand peak 1 GiB")
    assert good[Claim.ARTIFACTS_VALID].why == "out/app: every check passed"
    assert good[Claim.STARTS].why == "out/app started in debian"
    assert answers(DIED)[Claim.NO_SIGBUS].why.endswith("(grade kernel: process accounting)")
    two = replace(GOOD, processes=Processes(exited=9, signalled=(end(signal.SIGBUS), end(signal.SIGBUS))))
    assert answers(two)[Claim.NO_SIGBUS].why == (
        "ld (pid 9) died of SIGBUS 3.0 s into the build (grade kernel: process accounting), and 1 more"
    )
    stopped = answers(replace(STOPPED, stopped=Stop.SILENT))
    assert stopped[Claim.BUILDS].why == "the build was ended for its silence, 30 min 00 s in"
    assert answers(replace(STOPPED, stopped=Stop.TIME_LIMIT))[Claim.NO_OOM_KILL].why == (
        "the build was ended at its time limit, 30 min 00 s in; none until then"
    )


def test_undecided_answers_say_what_is_missing() -> None:
    unaccounted = replace(GOOD, accounting=False, accounting_refused=REFUSED, processes=Processes())
    assert answers(unaccounted)[Claim.NO_SIGBUS].why == f"none was observed, but it is not proved: {REFUSED}"
    unknown = replace(unaccounted, accounting_refused=None)
    assert answers(unknown)[Claim.NO_SIGBUS].why.endswith("not proved: process accounting was not on")
    stopped = answers(replace(STOPPED, stopped=Stop.TIME_LIMIT, memory=STARVED))
    assert stopped[Claim.NO_OOM_KILL].why == "1 kills"
    assert stopped[Claim.PEAK_MEMORY].why.startswith("the build was ended at its time limit, 30 min 00 s in; demand")
    assert answers(FAILED)[Claim.PEAK_MEMORY].why.startswith("the build failed before its end; until then demand")
    unchecked = replace(GOOD, artifacts=(artifact(), replace(artifact(), path="out/b", checks=())))
    assert answers(unchecked)[Claim.ARTIFACTS_VALID].why == "not checked: out/b"
    assert answers(replace(GOOD, artifacts=()))[Claim.ARTIFACTS_VALID].why == "not checked: nothing was collected"


def test_every_broken_check_is_told_with_its_file() -> None:
    broken = artifact(CheckStatus.FAIL)
    why = answers(replace(GOOD, artifacts=(broken, replace(broken, path="out/b"))))[Claim.ARTIFACTS_VALID].why
    assert why.splitlines() == [
        "out/app: elf-machine: it is for aarch64",
        "out/b: elf-machine: it is for aarch64",
    ]


def test_one_artifact_that_starts_does_not_excuse_another_that_does_not() -> None:
    both = (artifact(), replace(artifact(complaint="no"), path="out/b"))
    assert answers(replace(GOOD, artifacts=both))[Claim.STARTS] == Decision(Answer.BROKEN, "out/b in debian: no")


def test_a_build_that_was_stopped_from_outside_kept_its_time_limit_and_that_is_told() -> None:
    held = answers(replace(GOOD, time=replace(GOOD.time, paused_s=90.0)))[Claim.TIME_LIMIT]
    assert held.answer is Answer.HELD
    assert held.why.endswith("stopped from outside for 1 min 30 s of it")
