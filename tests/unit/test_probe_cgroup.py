"""Counters of cgroup v1 and v2 from trees of files; one that cannot be read is None, never zero."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildproof.probe.cgroup import V1_UNLIMITED, Cgroup, CgroupV1, CgroupV2, Files, Usage, of_process

MIB = 1 << 20
SCOPE = "system.slice/docker-0123abcd.scope"

V2 = {
    "memory.current": f"{900 * MIB}\n",
    "memory.peak": f"{950 * MIB}\n",
    "memory.max": f"{1024 * MIB}\n",
    "memory.swap.max": f"{512 * MIB}\n",
    "memory.swap.current": f"{3 * MIB}\n",
    "memory.swap.peak": f"{9 * MIB}\n",
    "memory.stat": (
        f"anon {400 * MIB}\nfile {300 * MIB}\nkernel {60 * MIB}\nkernel_stack 1000\npagetables 2000\nshmem {20 * MIB}\n"
        f"swapcached 0\nslab_reclaimable {10 * MIB}\nslab_unreclaimable 5\npgmajfault 12\nworkingset_refault_file 34\n"
    ),
    "memory.events": "low 0\nhigh 0\nmax 56\noom 2\noom_kill 1\noom_group_kill 0\n",
    "memory.pressure": (
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=777\nfull avg10=1.50 avg60=0.00 avg300=0.00 total=555\n"
    ),
    "cpu.stat": "usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\nnr_periods 9\nthrottled_usec 250000\n",
    "cpu.max": "200000 100000\n",
    "pids.max": "4096\n",
    "pids.peak": "77\n",
    "pids.events": "max 3\n",
}
V1 = {
    "memory": {
        "memory.usage_in_bytes": f"{900 * MIB}\n",
        "memory.max_usage_in_bytes": f"{950 * MIB}\n",
        "memory.limit_in_bytes": f"{1024 * MIB}\n",
        "memory.memsw.limit_in_bytes": f"{1536 * MIB}\n",
        "memory.failcnt": "50\n",
        "memory.memsw.failcnt": "6\n",
        "memory.swappiness": "10\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "memory.stat": (
            f"cache 1\nrss 2\nshmem 3\nswap 4\nworkingset_refault_file 34\ntotal_cache {300 * MIB}\n"
            f"total_rss {400 * MIB}\ntotal_shmem {20 * MIB}\ntotal_swap {3 * MIB}\ntotal_pgmajfault 12\n"
        ),
    },
    "cpu": {
        "cpu.cfs_quota_us": "150000\n",
        "cpu.cfs_period_us": "100000\n",
        "cpu.stat": "nr_periods 9\nnr_throttled 2\nthrottled_time 250000999\n",
    },
    "cpuacct": {"cpuacct.usage": "5000000999\n"},
    "pids": {"pids.max": "4096\n", "pids.events": "max 3\n"},
}
COUNTERS = {
    "charged_peak": 950 * MIB,
    "swap_peak": 9 * MIB,
    "limit_hits": 56,
    "oom_kills": 1,
    "own_ooms": 2,
    "cpu_us": 5_000_000,
    "throttled_us": 250_000,
    "pids_peak": 77,
    "pids_limit_hits": 3,
    "refaults": 34,
    "major_faults": 12,
    "memory_stalled_us": 555,
}

V1_HAS_NOT = ("swap_peak", "pids_peak", "memory_stalled_us", "own_ooms")  # unknown there, never zero


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def v2(root: Path, *missing: str, **changed: str) -> CgroupV2:
    files = {name: text for name, text in V2.items() if name not in missing}
    changed = {name.replace("__", "."): text for name, text in changed.items()}
    return CgroupV2(write(root / SCOPE, {**files, **changed}), root)


def v1_tree(root: Path, *missing: str) -> Path:
    for controller, files in V1.items():
        write(root / controller / "docker" / "0123", {k: text for k, text in files.items() if k not in missing})
    return root


def v1(root: Path, *missing: str) -> CgroupV1:
    return CgroupV1(v1_tree(root, *missing), dict.fromkeys(V1, "/docker/0123"))


# -- which one it is ------------------------------------------------------------------------------------------------


def test_a_unified_hierarchy_is_v2(tmp_path: Path) -> None:
    v2(tmp_path)
    found = of_process(f"0::/{SCOPE}\n", tmp_path)
    assert isinstance(found, CgroupV2)
    assert (found.version, found.usage().charged) == (2, 900 * MIB)


@pytest.mark.parametrize(
    "text",
    [
        "5:pids:/docker/0123\n4:memory:/docker/0123\n2:cpuacct:/docker/0123\n1:cpu:/docker/0123\n0::/\n",
        "9:name=systemd:/x\n5:pids:/docker/0123\n4:memory:/docker/0123\n2:cpuacct:/docker/0123\n1:cpu:/docker/0123\n",
    ],
)
def test_a_memory_controller_of_its_own_is_v1_even_beside_a_unified_one(tmp_path: Path, text: str) -> None:
    found = of_process(text, v1_tree(tmp_path))
    assert isinstance(found, CgroupV1)
    assert (found.version, found.usage().charged) == (1, 900 * MIB)


@pytest.mark.parametrize("mounted", ["cpu,cpuacct", "cpu", "both with links"])
def test_controllers_that_are_mounted_together_are_found(tmp_path: Path, mounted: str) -> None:
    for controller in ("memory", "pids"):
        write(tmp_path / controller / "docker" / "0123", V1[controller])
    both = {**V1["cpu"], **V1["cpuacct"]}
    if mounted == "cpu":
        write(tmp_path / "cpu" / "docker" / "0123", both)
        write(tmp_path / "cpuacct" / "docker" / "0123", both)
    else:
        write(tmp_path / "cpu,cpuacct" / "docker" / "0123", both)
    if mounted == "both with links":
        (tmp_path / "cpu").symlink_to("cpu,cpuacct")
        (tmp_path / "cpuacct").symlink_to("cpu,cpuacct")
    text = "5:pids:/docker/0123\n4:memory:/docker/0123\n2:cpu,cpuacct:/docker/0123\n"
    found = of_process(text, tmp_path)
    assert found is not None
    assert (found.counters()["cpu_us"], found.counters()["throttled_us"]) == (5_000_000, 250_000)
    assert found.limits()["cpus"] == 1.5


def test_a_path_from_inside_another_cgroup_namespace_is_found_by_its_first_name(tmp_path: Path) -> None:
    """As Podman 5.4 on v2 shows a build to a probe that it did not give the host's namespace."""
    v2(tmp_path / "machine.slice")
    first, *rest = SCOPE.split("/")
    found = of_process(f"0::/../../{'/'.join([first, *rest])}\n", tmp_path)
    assert isinstance(found, CgroupV2)
    assert found.usage().charged == 900 * MIB


@pytest.mark.parametrize("text", ["", f"0::/{SCOPE}/gone\n", "1:cpu:/x\n", "0::/../gone.scope\n", "0::/..\n"])
def test_no_cgroup_is_no_cgroup(tmp_path: Path, text: str) -> None:
    v2(tmp_path)
    assert of_process(text, tmp_path) is None


# -- v2 -------------------------------------------------------------------------------------------------------------


def test_v2_demand_is_what_cannot_be_reclaimed(tmp_path: Path) -> None:
    assert v2(tmp_path).usage() == Usage(charged=900 * MIB, demand=(400 + 20 + 60 - 10 + 3) * MIB, swap=3 * MIB)


def swapping(root: Path, *, swap: int, **stat: int) -> int | None:
    """The demand in MiB of a group with 40 MiB of anonymous memory, 10 of shmem, and 1 of kernel memory."""
    rows = {"anon": 40, "shmem": 10, "kernel": 1, "inactive_anon": 20, "active_anon": 30, **stat}
    text = "".join(f"{name} {value * MIB}\n" for name, value in rows.items() if value >= 0)
    demand = v2(root, memory__stat=text, memory__swap__current=f"{swap * MIB}\n").usage().demand
    return None if demand is None else demand // MIB


def test_v2_what_is_in_memory_and_in_swap_counts_once(tmp_path: Path) -> None:
    assert swapping(tmp_path / "read back", swap=35, swapcached=25) == 40 + 10 + 1 + (35 - 25)
    assert swapping(tmp_path / "all of it", swap=25, swapcached=25) == 40 + 10 + 1


def test_v2_a_page_in_the_swap_cache_that_nobody_maps_is_in_swap_alone(tmp_path: Path) -> None:
    """On its way out or read ahead: it is on the anonymous lists, and not in `anon`."""
    assert swapping(tmp_path / "some", swap=35, swapcached=25, active_anon=30 + 5) == 40 + 10 + 1 + (35 - 20)
    assert swapping(tmp_path / "all", swap=35, swapcached=25, active_anon=30 + 25) == 40 + 10 + 1 + 35


def test_v2_locked_memory_on_no_anonymous_list_makes_the_demand_no_larger(tmp_path: Path) -> None:
    assert swapping(tmp_path, swap=35, swapcached=25, active_anon=0, unevictable=30) == 40 + 10 + 1 + (35 - 25)


def test_v2_counters_that_lag_take_no_more_away_than_there_is(tmp_path: Path) -> None:
    assert swapping(tmp_path, swap=3, swapcached=25) == 40 + 10 + 1


def test_v2_without_a_counter_of_the_swap_cache_the_larger_of_memory_and_swap_counts(tmp_path: Path) -> None:
    """Before kernel 5.12: all of the smaller may be part of the larger."""
    assert swapping(tmp_path / "memory", swap=35) == 40 + 10 + 1
    assert swapping(tmp_path / "swap", swap=80) == 80 + 1


def test_v2_what_zswap_compressed_counts_at_its_full_size_alone(tmp_path: Path) -> None:
    assert swapping(tmp_path, swap=35, swapcached=0, kernel=9, zswap=8, zswapped=35) == 40 + 10 + 1 + 35


def test_v2_pages_that_move_while_the_group_is_read_do_not_count_twice(tmp_path: Path) -> None:
    moving = v2(tmp_path, memory__stat=f"anon {40 * MIB}\nshmem 0\nkernel 0\nswapcached 0\n")
    readings = iter((20 * MIB, 50 * MIB, 50 * MIB, 20 * MIB))
    moving._files.number = lambda name: next(readings) if name == "memory.swap.current" else 1  # type: ignore[method-assign]
    assert [moving.usage().demand for _ in ("out", "in")] == [60 * MIB, 60 * MIB]


def test_v2_without_a_kernel_total_adds_up_its_parts(tmp_path: Path) -> None:
    parts = "kernel_stack 1\npagetables 20\npercpu 300\nsock 4000\nslab_reclaimable 9\n"
    older = f"anon {400 * MIB}\nshmem 0\nswapcached 0\n{parts}"
    assert v2(tmp_path, memory__stat=older).usage().demand == 403 * MIB + 4321


def test_v2_without_swap_accounting_has_unknown_swap_and_still_a_demand(tmp_path: Path) -> None:
    usage = v2(tmp_path, "memory.swap.current").usage()
    assert (usage.swap, usage.demand) == (None, 470 * MIB)


@pytest.mark.parametrize("stat", ["", "file 5\n", f"anon {MIB}\n", f"shmem {MIB}\n"])
def test_v2_demand_is_unknown_when_a_part_of_it_is(tmp_path: Path, stat: str) -> None:
    assert v2(tmp_path, memory__stat=stat).usage().demand is None


def test_v2_counters_are_the_kernels_own(tmp_path: Path) -> None:
    assert v2(tmp_path).counters() == COUNTERS


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("memory.peak", {"charged_peak"}),
        ("memory.swap.peak", {"swap_peak"}),
        ("memory.events", {"limit_hits", "oom_kills", "own_ooms"}),
        ("cpu.stat", {"cpu_us", "throttled_us"}),
        ("pids.peak", {"pids_peak"}),
        ("pids.events", {"pids_limit_hits"}),
        ("memory.stat", {"refaults", "major_faults"}),
        ("memory.pressure", {"memory_stalled_us"}),
    ],
)
def test_v2_a_missing_counter_is_unknown_and_the_others_are_not(tmp_path: Path, name: str, unknown: set[str]) -> None:
    cgroup = v2(tmp_path, name)
    cgroup.usage()
    assert cgroup.counters() == {key: None if key in unknown else value for key, value in COUNTERS.items()}


def test_v2_limits_are_read(tmp_path: Path) -> None:
    assert v2(tmp_path).limits() == {
        "memory": 1024 * MIB,
        "memory_swap": 1536 * MIB,
        "cpus": 2.0,
        "pids": 4096,
        "swappiness": None,
        "oom_kill_disable": None,
    }


def test_v2_unlimited_is_none(tmp_path: Path) -> None:
    cgroup = v2(tmp_path, memory__max="max\n", memory__swap__max="max\n", cpu__max="max 100000\n", pids__max="max\n")
    assert set(cgroup.limits().values()) == {None}


def test_v2_swap_without_accounting_makes_no_limit_of_both(tmp_path: Path) -> None:
    assert v2(tmp_path, "memory.swap.max").limits()["memory_swap"] is None


def test_v2_without_any_file_everything_is_unknown(tmp_path: Path) -> None:
    cgroup = CgroupV2(tmp_path / "gone", tmp_path)
    assert cgroup.usage() == Usage(charged=None, demand=None, swap=None)
    assert set(cgroup.counters().values()) == {None}
    assert set(cgroup.limits().values()) == {None}


# -- v1 -------------------------------------------------------------------------------------------------------------


def test_v1_demand_is_of_the_whole_hierarchy_without_kernel_memory(tmp_path: Path) -> None:
    assert v1(tmp_path).usage() == Usage(charged=900 * MIB, demand=423 * MIB, swap=3 * MIB)


def test_v1_without_swap_accounting_has_unknown_swap_and_still_a_demand(tmp_path: Path) -> None:
    cgroup = v1(tmp_path)
    stat = tmp_path / "memory" / "docker" / "0123" / "memory.stat"
    stat.write_text(stat.read_text().replace(f"total_swap {3 * MIB}\n", ""))
    assert cgroup.usage() == Usage(charged=900 * MIB, demand=420 * MIB, swap=None)


def test_v1_counters_have_the_same_names_as_v2s(tmp_path: Path) -> None:
    assert v1(tmp_path).counters() == {**COUNTERS, **dict.fromkeys(V1_HAS_NOT)}


def test_v1_hits_of_memory_plus_swap_count_where_they_are_counted(tmp_path: Path) -> None:
    assert v1(tmp_path / "a", "memory.memsw.failcnt").counters()["limit_hits"] == 50
    assert v1(tmp_path / "b", "memory.failcnt").counters()["limit_hits"] is None


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("memory.max_usage_in_bytes", {"charged_peak"}),
        ("memory.oom_control", {"oom_kills"}),
        ("cpuacct.usage", {"cpu_us"}),
        ("cpu.stat", {"throttled_us"}),
        ("pids.events", {"pids_limit_hits"}),
        ("memory.stat", {"refaults", "major_faults"}),
    ],
)
def test_v1_a_missing_counter_is_unknown_and_the_others_are_not(tmp_path: Path, name: str, unknown: set[str]) -> None:
    unknown = {*unknown, *V1_HAS_NOT}
    assert v1(tmp_path, name).counters() == {key: None if key in unknown else val for key, val in COUNTERS.items()}


def test_v1_an_older_kernel_does_not_count_oom_kills(tmp_path: Path) -> None:
    cgroup = v1(tmp_path)
    control = tmp_path / "memory" / "docker" / "0123" / "memory.oom_control"
    control.write_text("oom_kill_disable 1\nunder_oom 0\n")
    assert cgroup.counters()["oom_kills"] is None
    assert cgroup.limits()["oom_kill_disable"] == 1


def test_v1_limits_are_read(tmp_path: Path) -> None:
    assert v1(tmp_path).limits() == {
        "memory": 1024 * MIB,
        "memory_swap": 1536 * MIB,
        "cpus": 1.5,
        "pids": 4096,
        "swappiness": 10,
        "oom_kill_disable": 0,
    }


def test_v1_unlimited_is_none(tmp_path: Path) -> None:
    cgroup = v1(tmp_path)
    memory = tmp_path / "memory" / "docker" / "0123"
    for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
        (memory / name).write_text(f"{V1_UNLIMITED}\n")
    (tmp_path / "cpu" / "docker" / "0123" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "pids" / "docker" / "0123" / "pids.max").write_text("max\n")
    limits = cgroup.limits()
    assert [limits[name] for name in ("memory", "memory_swap", "cpus", "pids")] == [None] * 4


def test_v1_one_page_below_unlimited_is_a_limit(tmp_path: Path) -> None:
    cgroup = v1(tmp_path)
    (tmp_path / "memory" / "docker" / "0123" / "memory.limit_in_bytes").write_text(f"{V1_UNLIMITED - 4096}\n")
    assert cgroup.limits()["memory"] == V1_UNLIMITED - 4096


def test_v1_without_any_file_everything_is_unknown(tmp_path: Path) -> None:
    cgroup: Cgroup = CgroupV1(tmp_path, {"memory": "/gone"})
    assert cgroup.usage() == Usage(charged=None, demand=None, swap=None)
    assert set(cgroup.counters().values()) == {None}
    assert set(cgroup.limits().values()) == {None}


# -- the files ------------------------------------------------------------------------------------------------------


def test_a_file_is_read_afresh_each_time(tmp_path: Path) -> None:
    files = Files(write(tmp_path, {"n": "1\n"}))
    assert files.number("n") == 1
    (tmp_path / "n").write_text("22\n")
    assert files.number("n") == 22


def test_a_file_that_appears_later_is_found(tmp_path: Path) -> None:
    files = Files(tmp_path)
    assert files.number("n") is None
    (tmp_path / "n").write_text("1\n")
    assert files.number("n") == 1


@pytest.mark.parametrize("text", ["max\n", "", "1 2\n", "one\n"])
def test_what_is_no_number_is_unknown(tmp_path: Path, text: str) -> None:
    assert Files(write(tmp_path, {"n": text})).number("n") is None


def test_a_table_has_the_rows_that_are_numbers(tmp_path: Path) -> None:
    files = Files(write(tmp_path, {"t": "a 1\nb two\n\nc\n hierarchical 3\nd 4\n"}))
    assert {key: value for key, value in files.table("t").items() if key.strip()} == {
        "a": 1,
        " hierarchical": 3,
        "d": 4,
    }
    assert files.table("none") == {}


# -- limits above ---------------------------------------------------------------------------------------------------


def v2_below(root: Path, *above: dict[str, str]) -> CgroupV2:
    """A cgroup with `above` over it, the outermost first."""
    folder = root
    for index, files in enumerate(above):
        folder = write(folder / f"level{index}.slice", files)
    return CgroupV2(write(folder / "docker-0123.scope", V2), root)


def test_v2_limits_above_are_told_nearest_first_with_their_own_ooms(tmp_path: Path) -> None:
    cgroup = v2_below(
        tmp_path,
        {"memory.max": f"{8192 * MIB}\n", "memory.events.local": "low 0\nhigh 0\nmax 40\noom 0\noom_kill 0\n"},
        {"memory.max": "max\n", "memory.events.local": "max 9\noom 9\n"},
        {"memory.max": f"{512 * MIB}\n", "memory.events.local": "max 77\noom 3\noom_kill 1\n"},
    )
    assert cgroup.ancestors() == [
        {"path": "/level0.slice/level1.slice/level2.slice", "limit": 512 * MIB, "limit_hits": 3},
        {"path": "/level0.slice", "limit": 8192 * MIB, "limit_hits": 0},
    ]


def test_v2_hits_of_a_limit_above_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    cgroup = v2_below(tmp_path, {"memory.max": f"{512 * MIB}\n"})
    assert cgroup.ancestors() == [{"path": "/level0.slice", "limit": 512 * MIB, "limit_hits": None}]


def test_v2_neither_its_own_limit_nor_what_lies_over_the_hierarchy_is_above(tmp_path: Path) -> None:
    write(tmp_path, {"memory.max": "1\n"})
    root = write(tmp_path / "cgroup", {"memory.max": "2\n"})
    assert CgroupV2(write(root / "docker-0123.scope", V2), root).ancestors() == []
    assert v2_below(root, {}).ancestors() == []


def test_v2_counters_above_are_read_afresh(tmp_path: Path) -> None:
    cgroup = v2_below(tmp_path, {"memory.max": "4096\n", "memory.events.local": "oom 0\n"})
    cgroup.ancestors()
    write(tmp_path / "level0.slice", {"memory.events.local": "oom 5\n"})
    assert [above["limit_hits"] for above in cgroup.ancestors()] == [5]


def test_v1_limits_above_are_told_nearest_first_with_their_failed_charges(tmp_path: Path) -> None:
    v1_tree(tmp_path)
    outer = write(
        tmp_path / "memory" / "kubepods", {"memory.limit_in_bytes": f"{V1_UNLIMITED}\n", "memory.failcnt": "5\n"}
    )
    write(outer / "burst", {"memory.limit_in_bytes": f"{512 * MIB}\n", "memory.failcnt": "7\n"})
    write(outer / "burst" / "pod", {"memory.limit_in_bytes": f"{256 * MIB}\n"})
    write(outer / "burst" / "pod" / "0123", V1["memory"])
    write(tmp_path / "memory", {"memory.limit_in_bytes": "1\n", "memory.failcnt": "1\n"})
    cgroup = CgroupV1(tmp_path, dict.fromkeys(V1, "/kubepods/burst/pod/0123"))
    assert cgroup.ancestors() == [
        {"path": "/kubepods/burst/pod", "limit": 256 * MIB, "limit_hits": None},
        {"path": "/kubepods/burst", "limit": 512 * MIB, "limit_hits": 7},
    ]


def test_v1_an_unlimited_parent_is_no_limit_above(tmp_path: Path) -> None:
    cgroup = v1(tmp_path)
    write(tmp_path / "memory" / "docker", {"memory.limit_in_bytes": f"{V1_UNLIMITED}\n"})
    assert cgroup.ancestors() == []


def test_a_cgroup_that_is_gone_has_no_limits_above(tmp_path: Path) -> None:
    assert CgroupV2(tmp_path / "gone" / "deeper", tmp_path).ancestors() == []
    assert CgroupV1(tmp_path, {"memory": "/gone/deeper"}).ancestors() == []


def test_looking_above_leaves_no_descriptor_open(tmp_path: Path) -> None:
    cgroup = v2_below(tmp_path, {"memory.max": "4096\n", "memory.events.local": "oom 0\n"})
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        cgroup.ancestors()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_some_rows_of_a_long_table_are_whole_names_and_numbers_wherever_they_stand(tmp_path: Path) -> None:
    text = "rss 1\ntotal_rss 22\nrss_huge 3\nworkingset two\nlast 4"
    files = Files(write(tmp_path, {"t": text}))
    assert files.some("t", ("rss", "total_rss", "huge", "workingset", "absent", "last")) == {
        "rss": 1,
        "total_rss": 22,
        "last": 4,
    }
    assert files.some("not-there", ("rss",)) == {}
