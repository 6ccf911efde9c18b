"""Limits as asked for against limits as the kernel reports them: in force, provably not, or unknown; never guessed."""

from __future__ import annotations

from typing import Any

import pytest

from buildproof.in_force import compare, rlimits_of
from buildproof.limits import UNLIMITED, Limits, LimitState, show_limit

GIB = 1 << 30
KIB = 1 << 10

PROC_LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max file size             unlimited            unlimited            bytes     
Max data size             unlimited            unlimited            bytes     
Max stack size            8388608              unlimited            bytes     
Max core file size        0                    unlimited            bytes     
Max resident set          unlimited            unlimited            bytes     
Max processes             96365                96365                processes 
Max open files            65536                524288               files     
Max locked memory         unlimited            unlimited            bytes     
Max address space         6442450944           6442450944           bytes     
Max file locks            unlimited            unlimited            locks     
Max pending signals       96365                96365                signals   
Max msgqueue size         819200               819200               bytes     
Max nice priority         0                    0                    
Max realtime priority     0                    0                    
Max realtime timeout      unlimited            unlimited            us        
"""  # noqa: W291 (as the kernel pads it)

GUIDE = Limits(
    memory=6 * GIB,
    memory_swap=8 * GIB,
    shm=GIB,
    cpus=2.0,
    pids=4096,
    swappiness=10,
    oom_kill_disable=False,
    address_space=6 * GIB,
    rlimits={"memlock": (UNLIMITED, UNLIMITED), "nofile": (65536, 524288)},
)
V1_GROUP = {
    "memory": 6 * GIB,
    "memory_swap": 8 * GIB,
    "cpus": 2.0,
    "pids": 4096,
    "swappiness": 10,
    "oom_kill_disable": 0,
}
V2_GROUP = {**V1_GROUP, "swappiness": None, "oom_kill_disable": None}


def report(group: dict[str, Any] | None, version: int | None = 1, rlimits: str | None = PROC_LIMITS) -> dict[str, Any]:
    mounts = [{"mount": "/", "size": 50 * GIB}, {"mount": "/dev/shm", "size": GIB}]
    return {"cgroup": group, "cgroup_version": version, "rlimits": rlimits, "mounts": mounts}


def one(name: str, asked: Limits, *args: Any, host_swap: int | None = 4 * GIB, **options: Any) -> LimitState:
    return compare(asked, report(*args), host_swap=host_swap, **options)[name]


def test_every_row_of_proc_limits_is_read() -> None:
    assert rlimits_of(PROC_LIMITS) == {
        "address_space": (6 * GIB, 6 * GIB),
        "core": (0, -1),
        "cpu": (-1, -1),
        "data": (-1, -1),
        "fsize": (-1, -1),
        "locks": (-1, -1),
        "memlock": (-1, -1),
        "msgqueue": (819200, 819200),
        "nice": (0, 0),
        "nofile": (65536, 524288),
        "nproc": (96365, 96365),
        "rss": (-1, -1),
        "rtprio": (0, 0),
        "rttime": (-1, -1),
        "sigpending": (96365, 96365),
        "stack": (8388608, -1),
    }


def test_rows_that_are_not_there_are_left_out() -> None:
    assert rlimits_of("") == {}
    assert rlimits_of("Max open files            1024                 4096                 files     \n") == {
        "nofile": (1024, 4096)
    }


def test_on_cgroup_v1_the_whole_guide_can_be_in_force() -> None:
    states = compare(GUIDE, report(V1_GROUP), host_swap=4 * GIB)
    assert set(states) == {
        "memory", "memory_swap", "shm", "cpus", "pids", "swappiness", "oom_kill_disable", "address_space",
        "ulimit memlock", "ulimit nofile",
    }  # fmt: skip
    assert all(state.in_force is True and state.why is None for state in states.values()), states
    assert states["memory"] == LimitState(requested=6 * GIB, effective=6 * GIB, in_force=True)


def test_on_cgroup_v2_swappiness_is_not_in_force_and_says_why() -> None:
    states = compare(GUIDE, report(V2_GROUP, 2), host_swap=4 * GIB)
    assert {name for name, state in states.items() if not state.in_force} == {"swappiness"}
    assert states["swappiness"].why == "cgroup v2 has no swappiness of its own; the host's vm.swappiness rules"


def test_the_oom_killer_cannot_be_switched_off_on_cgroup_v2() -> None:
    state = one("oom_kill_disable", Limits(oom_kill_disable=True), V2_GROUP, 2)
    assert (state.effective, state.in_force, state.why) == (False, False, "cgroup v2 cannot switch the OOM killer off")
    assert one("oom_kill_disable", Limits(oom_kill_disable=False), V2_GROUP, 2).in_force is True


@pytest.mark.parametrize(("asked", "got", "holds"), [(True, 1, True), (True, 0, False), (False, 1, False)])
def test_the_oom_killers_switch_is_read_on_cgroup_v1(asked: bool, got: int, holds: bool) -> None:
    state = one("oom_kill_disable", Limits(oom_kill_disable=asked), {**V1_GROUP, "oom_kill_disable": got})
    assert (state.effective, state.in_force) == (bool(got), holds)
    assert state.why == (None if holds else "the kernel's value differs")


def test_limits_that_were_not_asked_for_have_no_state() -> None:
    assert compare(Limits(), report(V1_GROUP), host_swap=None) == {}


def test_a_memory_limit_may_be_rounded_to_a_page_and_no_further() -> None:
    asked = Limits(memory=GIB)
    assert one("memory", asked, {"memory": GIB - 64 * KIB}).in_force is True
    assert one("memory", asked, {"memory": GIB + 64 * KIB}).in_force is True
    smaller = one("memory", asked, {"memory": GIB - 64 * KIB - 1})
    assert (smaller.in_force, smaller.effective) == (False, GIB - 64 * KIB - 1)
    assert smaller.why == "the kernel's value differs"


@pytest.mark.parametrize("group", [None, {}, {"memory": None}])
def test_a_memory_limit_that_the_kernel_does_not_report_is_not_in_force(group: dict[str, Any] | None) -> None:
    state = one("memory", Limits(memory=GIB), group)
    assert (state.in_force, state.effective, state.why) == (False, None, "the kernel reports no limit")


@pytest.mark.parametrize("name", ["shm", "swappiness", "oom_kill_disable", "address_space", "ulimit nofile"])
def test_what_cannot_be_read_is_unknown_and_says_so(name: str) -> None:
    nothing: dict[str, Any] = {"cgroup": None, "cgroup_version": 1, "rlimits": None, "mounts": None}
    state = compare(GUIDE, nothing, host_swap=None)[name]
    assert (state.in_force, state.effective, state.why) == (None, None, "the kernel's value could not be read")


@pytest.mark.parametrize(("name", "other"), [("cpus", 1.5), ("pids", 4095)])
def test_cpus_and_pids_are_compared_as_numbers(name: str, other: float) -> None:
    differs = one(name, GUIDE, {**V1_GROUP, name: other})
    assert (differs.effective, differs.in_force, differs.why) == (other, False, "the kernel's value differs")
    missing = one(name, GUIDE, {**V1_GROUP, name: None})
    assert (missing.effective, missing.in_force, missing.why) == (None, False, "the kernel reports no limit")


def test_cpus_may_differ_by_the_rounding_of_their_quota() -> None:
    assert one("cpus", Limits(cpus=1.3333), {"cpus": 133330 / 100000}).in_force is True


def test_unlimited_pids_are_in_force_where_the_kernel_has_no_limit() -> None:
    asked = Limits(pids=UNLIMITED)
    assert one("pids", asked, {"pids": None}) == LimitState(requested=-1, effective=-1, in_force=True)
    limited = one("pids", asked, {"pids": 512})
    assert (limited.effective, limited.in_force) == (512, False)


# -- swap -----------------------------------------------------------------------------------------------------------


def test_swap_on_a_host_without_swap_is_not_in_force_whatever_the_kernel_says() -> None:
    state = one("memory_swap", GUIDE, V1_GROUP, host_swap=0)
    assert (state.requested, state.effective, state.in_force) == (8 * GIB, 8 * GIB, False)
    assert state.why == "the engine's host has no swap: the 2 GiB beyond memory are not to be had"


def test_no_swap_beyond_memory_is_in_force_on_a_host_without_swap() -> None:
    asked = Limits(memory=6 * GIB, memory_swap=6 * GIB)
    assert one("memory_swap", asked, {"memory_swap": 6 * GIB}, host_swap=0).in_force is True
    assert one("memory_swap", asked, {"memory_swap": None}, host_swap=0).in_force is True


def test_swap_that_the_kernel_does_not_account_is_not_in_force() -> None:
    for host_swap in (None, 4 * GIB):
        state = one("memory_swap", GUIDE, {**V1_GROUP, "memory_swap": None}, host_swap=host_swap)
        assert (state.effective, state.in_force) == (None, False)
        assert "swapaccount=1" in str(state.why)


def test_a_wrong_swap_limit_is_wrong_on_a_host_without_swap_as_well() -> None:
    asked = Limits(memory=6 * GIB, memory_swap=6 * GIB)
    state = one("memory_swap", asked, {"memory_swap": 12 * GIB}, host_swap=0)
    assert (state.effective, state.in_force) == (12 * GIB, False)


def test_swap_without_a_memory_limit_is_compared_all_the_same() -> None:
    assert one("memory_swap", Limits(memory_swap=8 * GIB), {"memory_swap": 8 * GIB}, host_swap=0).in_force is True


def test_another_swap_limit_is_not_the_one_asked_for() -> None:
    state = one("memory_swap", GUIDE, {**V1_GROUP, "memory_swap": 12 * GIB})
    assert (state.in_force, state.why) == (False, "the kernel's value differs")


def test_unlimited_swap_is_in_force_where_the_kernel_has_no_limit() -> None:
    asked = Limits(memory=GIB, memory_swap=UNLIMITED)
    assert one("memory_swap", asked, {"memory_swap": None}) == LimitState(requested=-1, effective=-1, in_force=True)
    limited = one("memory_swap", asked, {"memory_swap": 2 * GIB})
    assert (limited.effective, limited.in_force, limited.why) == (2 * GIB, False, "the kernel has a limit")


# -- shm and rlimits ------------------------------------------------------------------------------------------------


def test_shm_is_the_size_of_the_mount() -> None:
    assert one("shm", Limits(shm=GIB), {}).in_force is True
    state = one("shm", Limits(shm=2 * GIB), {})
    assert (state.effective, state.in_force, state.why) == (GIB, False, "the kernel's value differs")


def test_the_address_space_counts_in_kib_as_ulimit_does() -> None:
    assert one("address_space", Limits(address_space=6 * GIB + 1000), {}).in_force is True
    other = one("address_space", Limits(address_space=6 * GIB + KIB), {})
    assert (other.effective, other.in_force, other.why) == (6 * GIB, False, "the kernel's value differs")


def test_an_unlimited_address_space_is_not_the_one_asked_for() -> None:
    text = PROC_LIMITS.replace("6442450944", "unlimited ")
    state = one("address_space", Limits(address_space=6 * GIB), {}, 1, text)
    assert (state.effective, state.in_force) == (UNLIMITED, False)
    assert show_limit("address_space", state.effective) == "unlimited"


def test_both_values_of_an_rlimit_count() -> None:
    assert one("ulimit nofile", Limits(rlimits={"nofile": (65536, 524288)}), {}).in_force is True
    for pair in ((65536, 65536), (1024, 524288)):
        state = one("ulimit nofile", Limits(rlimits={"nofile": pair}), {})
        assert (state.requested, state.effective, state.in_force) == (pair, (65536, 524288), False)
        assert state.why == "the kernel's value differs"


def test_an_rlimit_that_the_engine_refused_gives_the_engines_reason() -> None:
    asked = Limits(rlimits={"memlock": (1024, 1024), "nofile": (65536, 524288)})
    refused = {"memlock": "the engine may not set it here (operation not permitted)"}
    states = compare(asked, report({}), host_swap=None, refused=refused)
    assert (states["ulimit memlock"].in_force, states["ulimit memlock"].why) == (False, refused["memlock"])
    assert states["ulimit memlock"].effective == (-1, -1)
    assert states["ulimit nofile"].in_force is True


def test_an_rlimit_that_the_engine_refused_and_that_holds_anyway_is_in_force() -> None:
    asked = Limits(rlimits={"memlock": (UNLIMITED, UNLIMITED)})
    state = one("ulimit memlock", asked, {}, refused={"memlock": "not permitted"})
    assert (state.in_force, state.why) == (True, None)


@pytest.mark.parametrize("swap", [None, 0, GIB])
@pytest.mark.parametrize("version", [None, 1, 2])
@pytest.mark.parametrize("group", [None, {}, V1_GROUP, dict.fromkeys(V1_GROUP, 1)])
def test_why_explains_everything_but_a_plain_yes(
    group: dict[str, Any] | None, version: int | None, swap: int | None
) -> None:
    for rlimits in (None, "", PROC_LIMITS):
        states = compare(GUIDE, report(group, version, rlimits), host_swap=swap)
        for name, state in states.items():
            assert (state.why is None) == (state.in_force is True), (name, state)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("memory", 6 * GIB, "6 GiB"),
        ("cpus", 2.0, "2.0"),
        ("ulimit nofile", (65536, 65536), "65536"),
        ("ulimit nofile", (1024, -1), "1024 (hard unlimited)"),
        ("ulimit memlock", (8 << 20, -1), "8 MiB (hard unlimited)"),
        ("memory_swap", -1, "unlimited"),
        ("oom_kill_disable", False, "false"),
        ("pids", None, "unknown"),
    ],
)
def test_limits_are_shown_for_people(name: str, value: Any, shown: str) -> None:
    assert show_limit(name, value) == shown
