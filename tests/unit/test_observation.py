"""The probe's events, folded into evidence: the last truth counts, and what was not told is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from buildproof.evidence import AncestorLimit, CutFile, Holder, Memory, Process, Processes, Space
from buildproof.observation import Observation

GIB = 1 << 30
HELLO = {"event": "hello", "protocol": 1, "accounting_refused": None, "kernel": "6.12", "host_swap": 4 * GIB}
LIMITS = {"event": "limits", "found": True, "cgroup_version": 2, "cgroup": {"memory": 6 * GIB}, "mounts": []}
STATE: dict[str, Any] = {
    "event": "state",
    "final": False,
    "at_s": 1.0,
    "command": None,
    "exited": 4,
    "accounting_suspended": False,
    "accounting_unreadable": 0,
    "demand_peak": GIB,
    "demand_peak_at_s": 0.8,
    "swap_peak": 0,
    "samples": 20,
    "longest_gap_ms": 51.5,
    "counters": {
        "charged_peak": 2 * GIB,
        "limit_hits": 12,
        "oom_kills": 3,
        "cpu_us": 2_500_000,
        "throttled_us": 250_000,
        "pids_peak": 17,
        "pids_limit_hits": 5,
    },
    "counters_at_start": {
        "charged_peak": 1000,
        "limit_hits": 2,
        "oom_kills": 1,
        "cpu_us": 500_000,
        "throttled_us": 0,
        "pids_peak": 2,
        "pids_limit_hits": 1,
    },
    "peak_pids": 9,
    "top": [
        {
            "pid": 5,
            "comm": "cc1",
            "cmdline": "cc1 a.c",
            "peak_rss": GIB,
            "peak_address_space": 2 * GIB,
            "more": "from a newer probe",
        }
    ],
    "leftover": [{"pid": 6, "comm": "sccache", "cmdline": None, "peak_rss": 100, "peak_address_space": None}],
    "space": [
        {"mount": "/", "kind": "overlay", "size": 50, "min_free": 7, "min_free_at_s": 0.12345, "min_free_inodes": None},
        {"mount": "/x", "kind": "tmpfs", "size": 9, "min_free": None, "min_free_at_s": 0.0, "min_free_inodes": None},
    ],
    "probe_cpu_s": 0.02,
}
COMMAND = {"pid": 3, "signal": None, "exit_code": 0, "elapsed_s": 62.17}


def ended(kind: str, pid: int, at_s: float = 1.0, **changes: Any) -> dict[str, Any]:
    facts = {"pid": pid, "ppid": 2, "comm": "ld", "cmdline": None, "at_s": at_s, "duration_s": 0.5}
    how: dict[str, Any] = {"signal": 7, "exit_code": None} if kind == "signalled" else {"signal": None, "exit_code": 1}
    return {"event": kind, **facts, **how, "core_dumped": False, "cut_files": [], **changes}


def seen(*events: dict[str, Any]) -> Observation:
    observation = Observation()
    for event in events:
        observation.feed(event)
    return observation


def state(**changes: Any) -> dict[str, Any]:
    return {**STATE, **changes}


def counted(*, counters: dict[str, Any] | None = None, at_start: dict[str, Any] | None = None) -> Memory:
    changed = state(
        counters={**STATE["counters"], **(counters or {})},
        counters_at_start={**STATE["counters_at_start"], **(at_start or {})},
    )
    return seen(HELLO, LIMITS, changed).memory()


def test_before_any_event_everything_is_unknown() -> None:
    nothing = Observation()
    assert nothing.memory() == Memory()
    assert nothing.processes() == Processes()
    assert nothing.space() == {}
    assert (nothing.final, nothing.started, nothing.accounting_refused, nothing.accounting_gap) == (
        False, False, None, None,
    )  # fmt: skip
    time = nothing.time(wall_s=5.0, limit_s=60.0)
    assert (time.wall_s, time.cpu_s, time.throttled_s, time.limit_s) == (5.0, None, None, 60.0)


def test_the_last_state_is_the_truth_and_only_the_final_one_is_final() -> None:
    observation = seen(HELLO, {"event": "started"}, state(), state(exited=9, samples=44))
    assert observation.started
    assert not observation.final
    assert (observation.processes().exited, observation.memory().samples) == (9, 44)
    observation.feed(state(final=True, command=COMMAND))
    assert observation.final


def test_a_probe_lost_in_the_middle_leaves_its_last_state_behind() -> None:
    observation = seen(HELLO, LIMITS, state(), ended("signalled", 77))
    assert not observation.final
    assert observation.memory().charged_peak == 2 * GIB
    assert [end.pid for end in observation.processes().signalled] == [77]


def test_unknown_events_are_passed_over() -> None:
    observation = seen({"event": "telepathy", "x": 1}, {}, HELLO, state(), {"event": None})
    assert observation.memory() == seen(HELLO, state()).memory()


def test_memory_is_what_the_kernel_counted_since_the_start() -> None:
    assert seen(HELLO, LIMITS, state()).memory() == Memory(
        limit=6 * GIB,
        charged_peak=2 * GIB,
        demand_peak=GIB,
        demand_peak_at_s=0.8,
        swap_peak=0,
        oom_kills=2,
        limit_hits=10,
        saturated=True,
        sample_interval_ms=51.5,
        samples=20,
    )


@pytest.mark.parametrize("name", ["oom_kills", "limit_hits"])
def test_a_counter_that_cannot_be_read_is_unknown_never_zero(name: str) -> None:
    assert getattr(counted(counters={name: None}), name) is None
    assert getattr(counted(at_start={name: None}), name) is None
    assert getattr(counted(at_start={name: STATE["counters"][name]}), name) == 0


@pytest.mark.parametrize(
    ("hits", "charged", "saturated"),
    [(2, 2 * GIB, False), (3, 2 * GIB, True), (2, 6 * GIB, True), (None, 2 * GIB, None), (None, 6 * GIB, True)],
)
def test_memory_is_saturated_when_it_touched_the_limit(hits: int | None, charged: int, saturated: bool | None) -> None:
    assert counted(counters={"limit_hits": hits, "charged_peak": charged}).saturated is saturated


@pytest.mark.parametrize(
    ("limit", "charged", "saturated"),
    [
        (6 * GIB, 6 * GIB - (2 << 20), True),
        (6 * GIB, 6 * GIB - (2 << 20) - 1, False),
        (64 << 20, (63 << 20), True),
        (64 << 20, (63 << 20) - 1, False),
    ],
)
def test_a_charge_that_was_refused_whole_leaves_the_mark_a_little_below_the_limit(
    limit: int, charged: int, saturated: bool
) -> None:
    limits = {**LIMITS, "cgroup": {"memory": limit}}
    counters = {"charged_peak": charged, "limit_hits": 2}
    assert seen(HELLO, limits, state(counters=counters)).memory().saturated is saturated


def test_without_a_limit_only_the_counter_tells_of_saturation() -> None:
    no_hits = state(counters={"charged_peak": 9 * GIB, "limit_hits": 2})
    assert seen(HELLO, no_hits).memory().saturated is False


def test_swap_that_is_not_accounted_is_zero_only_where_the_host_has_none() -> None:
    unaccounted = state(swap_peak=None)
    assert seen(HELLO, unaccounted).memory().swap_peak is None
    assert seen({**HELLO, "host_swap": None}, unaccounted).memory().swap_peak is None
    assert seen({**HELLO, "host_swap": 0}, unaccounted).memory().swap_peak == 0
    assert seen({**HELLO, "host_swap": 0}, state(swap_peak=5)).memory().swap_peak == 5


def test_the_kernels_own_mark_of_swap_is_an_upper_bound_and_comes_before_samples() -> None:
    marked = {**STATE["counters"], "swap_peak": 9}
    assert seen(HELLO, state(swap_peak=5, counters=marked)).memory().swap_peak == 9
    assert seen(HELLO, state(swap_peak=5, counters={**marked, "swap_peak": None})).memory().swap_peak == 5


def test_swap_is_unknown_before_the_first_state_and_without_a_hello() -> None:
    assert seen({**HELLO, "host_swap": 0}).memory().swap_peak is None
    assert seen(state(swap_peak=None)).memory().swap_peak is None


def test_a_state_with_gaps_is_unknown_where_they_are() -> None:
    memory = seen(LIMITS, state(counters={"limit_hits": 3}, counters_at_start=None)).memory()
    assert (memory.charged_peak, memory.limit_hits, memory.saturated) == (None, None, None)
    processes = seen(state(command=COMMAND, leftover=None, top=None)).processes()
    assert (processes.leftover, processes.top) == ((), ())


def test_wall_time_is_the_kernels_where_the_commands_record_is_in() -> None:
    assert seen(state()).time(wall_s=99.0, limit_s=None).wall_s == 99.0
    time = seen(state(command=COMMAND)).time(wall_s=99.0, limit_s=1800.0)
    assert (time.wall_s, time.limit_s) == (62.17, 1800.0)


def test_cpu_time_is_counted_from_the_start_in_seconds() -> None:
    time = seen(state()).time(wall_s=9.0, limit_s=None)
    assert (time.cpu_s, time.throttled_s) == (2.0, 0.25)
    unknown = seen(state(counters={}, counters_at_start={})).time(wall_s=9.0, limit_s=None)
    assert (unknown.cpu_s, unknown.throttled_s) == (None, None)


def test_ends_after_the_harness_began_to_end_the_build_were_its_own_doing() -> None:
    observation = seen(state(), ended("signalled", 1, 9.5), ended("failed", 4, 9.0))
    observation.is_being_ended = True
    observation.feed(ended("signalled", 2, 9.6))
    observation.feed(ended("failed", 5, 9.6))
    observation.feed(state(exited=7))
    own = observation.processes()
    assert [end.pid for end in own.signalled] == [1]
    assert [end.pid for end in own.failed] == [4]
    assert own.exited == 7


def test_of_many_that_failed_orphans_are_forgotten_first() -> None:
    events = [ended("failed", 14, ppid=13), *(ended("failed", pid, ppid=1) for pid in range(50, 100))]
    failed = seen(*events).processes().failed
    assert [end.pid for end in failed] == [14, *range(81, 100)]


@pytest.mark.parametrize(("code", "signal"), [(135, 7), (137, 9), (1, None), (128, None)])
def test_a_signal_that_no_record_names_is_told_by_the_status_of_the_parent(code: int, signal: int | None) -> None:
    unnamed = ended("signalled", 5, ppid=3, signal=None)
    processes = seen(state(), unnamed, ended("failed", 3, exit_code=code)).processes()
    assert [end.signal for end in processes.signalled] == [signal]


def test_every_signalled_process_and_the_last_twenty_that_failed_are_kept() -> None:
    events = [ended(kind, pid) for pid in range(50) for kind in ("signalled", "failed")]
    processes = seen(*events).processes()
    assert [end.pid for end in processes.signalled] == list(range(50))
    assert [end.pid for end in processes.failed] == list(range(30, 50))
    assert (processes.signalled[0].signal, processes.signalled[0].exit_code) == (7, None)
    assert (processes.failed[0].signal, processes.failed[0].exit_code) == (None, 1)


def test_what_is_left_over_is_known_only_when_the_command_has_ended() -> None:
    assert seen(state()).processes().leftover == ()
    leftover = seen(state(command=COMMAND)).processes().leftover
    assert leftover == (Process(pid=6, comm="sccache", cmdline=None, peak_rss=100),)


def test_the_largest_processes_come_without_what_a_newer_probe_adds() -> None:
    assert seen(state()).processes().top == (
        Process(pid=5, comm="cc1", cmdline="cc1 a.c", peak_rss=GIB, peak_address_space=2 * GIB),
    )


def test_the_peak_of_pids_is_the_kernels_or_else_the_sampled_one() -> None:
    assert seen(state()).processes().peak_pids == 17
    assert seen(state(counters={"pids_peak": None})).processes().peak_pids == 9
    assert seen(state(counters={}, peak_pids=None)).processes().peak_pids is None


def test_forks_that_the_limit_refused_are_counted_since_the_start_or_unknown() -> None:
    assert seen(state()).processes().limit_hits == 4
    unreadable = {**STATE["counters"], "pids_limit_hits": None}
    assert seen(state(counters=unreadable)).processes().limit_hits is None


def test_exited_is_unknown_where_accounting_was_refused() -> None:
    assert seen(state(exited=None)).processes().exited is None


def test_mounts_never_sampled_are_left_out() -> None:
    assert seen(state()).space() == {"/": Space(size=50, min_free=7, min_free_at_s=0.123, kind="overlay")}


def test_refused_accounting_gives_the_kernels_reason() -> None:
    assert seen({**HELLO, "accounting_refused": "acct(2): nope"}).accounting_refused == "acct(2): nope"
    assert seen(HELLO).accounting_refused is None


@pytest.mark.parametrize(
    ("changes", "gap"),
    [
        ({}, None),
        ({"accounting_suspended": None, "accounting_unreadable": None}, None),
        ({"accounting_suspended": True}, "nearly full"),
        ({"accounting_unreadable": 3}, "3 accounting records were of an unknown version"),
    ],
)
def test_a_gap_in_accounting_is_told(changes: dict[str, Any], gap: str | None) -> None:
    told = seen(HELLO, state(**changes)).accounting_gap
    assert told is None if gap is None else gap in str(told)


# -- who held it, whose limit it was, which file was cut ---------------------------------------------------------------


def test_holders_of_the_peak_are_in_the_memory_part_largest_first() -> None:
    told = [
        {"pid": 61, "comm": "rustc", "cmdline": "rustc x.rs", "rss": GIB},
        {"pid": 60, "comm": "ld", "cmdline": None, "rss": 7},
    ]
    assert seen(state(holders=told)).memory().holders == (
        Holder(pid=61, comm="rustc", cmdline="rustc x.rs", rss=GIB),
        Holder(pid=60, comm="ld", cmdline=None, rss=7),
    )
    assert seen(state(holders=None)).memory().holders == ()
    assert seen(state()).memory().holders == ()


@pytest.mark.parametrize("where", ["holders", "cut_files"])
def test_what_a_newer_probe_adds_is_passed_over_everywhere(where: str) -> None:
    holder = {"pid": 61, "comm": "rustc", "cmdline": None, "rss": GIB, "more": "from a newer probe"}
    cut = {"path": "/a.o", "size": 1, "needed": 2, "more": "from a newer probe"}
    if where == "holders":
        assert seen(state(holders=[holder])).memory().holders[0].pid == 61
    else:
        assert seen(ended("signalled", 7, cut_files=[cut])).processes().signalled[0].cut_files


def test_files_that_were_cut_come_with_the_end_that_they_explain() -> None:
    cut = [{"path": "/work/a.o", "size": 100, "needed": 400}, {"path": "/work/b", "size": 0, "needed": None}]
    first, second = seen(ended("signalled", 7, cut_files=cut), ended("signalled", 8)).processes().signalled
    assert first.cut_files == (
        CutFile(path="/work/a.o", size=100, needed=400), CutFile(path="/work/b", size=0, needed=None),
    )  # fmt: skip
    assert second.cut_files == ()


def above(hits: int | None, path: str = "/docker", limit: int = GIB) -> dict[str, Any]:
    return {"path": path, "limit": limit, "limit_hits": hits}


@pytest.mark.parametrize(
    ("before", "now", "hits"),
    [
        ([above(3)], [above(10)], 7),
        ([above(3)], [above(3)], 0),
        ([above(None)], [above(3)], None),
        ([above(3)], [above(None)], None),
        ([], [above(3)], None),
        (None, [above(3)], None),
        ([above(9, "/other")], [above(3)], None),
    ],
)
def test_hits_of_a_limit_above_count_since_the_start_or_are_unknown(
    before: list[dict[str, Any]] | None, now: list[dict[str, Any]], hits: int | None
) -> None:
    memory = seen(state(ancestors=now, ancestors_at_start=before)).memory()
    assert memory.ancestors == (AncestorLimit(path="/docker", limit=GIB, limit_hits=hits),)


def test_limits_above_keep_their_order_and_their_present_size() -> None:
    states = state(
        ancestors=[above(5, "/a/b", 9), above(2, "/a", 11)],
        ancestors_at_start=[above(1, "/a", 99), above(1, "/a/b", 99), above(1, "/gone", 1)],
    )
    assert seen(states).memory().ancestors == (
        AncestorLimit(path="/a/b", limit=9, limit_hits=4), AncestorLimit(path="/a", limit=11, limit_hits=1),
    )  # fmt: skip


def test_without_limits_above_there_are_none() -> None:
    assert seen(state(ancestors=None)).memory().ancestors == ()


def test_pressure_and_faults_count_since_the_start_in_seconds_and_pages() -> None:
    memory = counted(
        counters={"memory_stalled_us": 3_500_000, "major_faults": 90, "refaults": 1000, "own_ooms": 4},
        at_start={"memory_stalled_us": 1_000_000, "major_faults": 20, "refaults": 400, "own_ooms": 1},
    )
    assert (memory.stalled_s, memory.major_faults, memory.refaults, memory.own_ooms) == (2.5, 70, 600, 3)


@pytest.mark.parametrize(
    ("counter", "field"),
    [
        ("memory_stalled_us", "stalled_s"), ("major_faults", "major_faults"), ("refaults", "refaults"),
        ("own_ooms", "own_ooms"),
    ],
)  # fmt: skip
def test_pressure_and_faults_that_were_not_read_at_both_ends_are_unknown(counter: str, field: str) -> None:
    assert getattr(counted(counters={counter: 5}, at_start={counter: 5}), field) == 0
    assert getattr(counted(counters={counter: None}, at_start={counter: 5}), field) is None
    assert getattr(counted(counters={counter: 5}, at_start={counter: None}), field) is None
    assert getattr(counted(), field) is None


# -- clocks and the work of the moment --------------------------------------------------------------------------------


def test_what_the_clocks_did_is_in_the_time_part_or_unknown() -> None:
    time = seen(state(clocks={"suspended_s": 12.5, "clock_step_s": -3.0})).time(wall_s=1.0, limit_s=None)
    assert (time.suspended_s, time.clock_step_s) == (12.5, -3.0)
    for changed in (state(clocks=None), state(clocks={}), state()):
        time = seen(changed).time(wall_s=1.0, limit_s=None)
        assert (time.suspended_s, time.clock_step_s) == (None, None)


def known(pid: int, comm: str, cmdline: str | None = None) -> dict[str, Any]:
    return {"event": "process", "pid": pid, "comm": comm, "cmdline": cmdline}


def sample(largest: int | None) -> dict[str, Any]:
    return {"event": "sample", "at_s": 1.0, "demand": 5, "largest": largest}


def test_at_work_is_the_largest_process_of_the_last_sample() -> None:
    rustc, ld = known(60, "rustc", "rustc x.rs"), known(61, "ld")
    assert seen(rustc, sample(60)).at_work == ("rustc", "rustc x.rs")
    assert seen(rustc, sample(60), ld, sample(61)).at_work == ("ld", None)
    assert seen(rustc, ld, sample(61), sample(60)).at_work == ("rustc", "rustc x.rs")


def test_a_pid_that_was_used_again_or_that_ran_another_program_has_its_last_name() -> None:
    assert seen(known(60, "sh"), sample(60), known(60, "cc1", "cc1 a.c"), sample(60)).at_work == ("cc1", "cc1 a.c")


@pytest.mark.parametrize(
    "events", [(), (sample(None),), (sample(60),), (known(60, "cc1"),), (known(60, "cc1"), sample(61)), (sample(0),)]
)
def test_nobody_is_at_work_where_no_sample_names_one_that_is_known(events: tuple[dict[str, Any], ...]) -> None:
    assert seen(*events).at_work is None


def test_the_tightest_mount_is_the_one_with_the_least_share_free_when_it_is_nearly_full() -> None:
    seen = Observation()
    assert seen.tightest is None
    mounts = [{"mount": "/", "size": 1000}, {"mount": "/tmp", "size": 10}, {"mount": "/x"}]
    seen.feed({"event": "limits", "mounts": mounts})
    seen.feed({"event": "sample", "free": [400, 1, 0]})
    assert seen.tightest is None
    seen.feed({"event": "sample", "free": [90, 1, 0]})
    assert seen.tightest == ("/", 90)
