"""Compare the limits a builder asks for with those the kernel says are in force. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from buildproof.limits import UNLIMITED, Limits, LimitState, LimitValue
from buildproof.units import size

_PAGE_SLACK = 1 << 16  # limits are rounded to pages, of up to 64 KiB on arm64
_RLIMIT_ROWS = {
    "address_space": "Max address space",
    "core": "Max core file size",
    "cpu": "Max cpu time",
    "data": "Max data size",
    "fsize": "Max file size",
    "locks": "Max file locks",
    "memlock": "Max locked memory",
    "msgqueue": "Max msgqueue size",
    "nice": "Max nice priority",
    "nofile": "Max open files",
    "nproc": "Max processes",
    "rss": "Max resident set",
    "rtprio": "Max realtime priority",
    "rttime": "Max realtime timeout",
    "sigpending": "Max pending signals",
    "stack": "Max stack size",
}
_RLIMIT_ROW = re.compile(r"^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)", re.MULTILINE)


def rlimits_of(text: str) -> dict[str, tuple[int, int]]:
    """Soft and hard values of a /proc/<pid>/limits text, see proc_pid_limits(5); unlimited is -1."""

    def value(word: str) -> int:
        return UNLIMITED if word == "unlimited" else int(word)

    rows = {title: (value(soft), value(hard)) for title, soft, hard in _RLIMIT_ROW.findall(text)}
    return {name: rows[title] for name, title in _RLIMIT_ROWS.items() if title in rows}


def _state(asked: LimitValue, got: LimitValue | None, holds: bool | None, why: str | None = None) -> LimitState:
    unsaid = "the kernel's value could not be read" if got is None else "the kernel's value differs"
    return LimitState(requested=asked, effective=got, in_force=holds, why=None if holds else why or unsaid)


def _counted(asked: float, got: float | None) -> LimitState:
    """A limit that the kernel reports as a number, or as none at all."""
    if asked == UNLIMITED:
        return _state(asked, UNLIMITED if got is None else got, got is None)
    why = "the kernel reports no limit" if got is None else None
    return _state(asked, got, got is not None and abs(got - asked) < 0.01, why)


def _about(asked: float, got: float | None) -> bool | None:
    return None if got is None else abs(asked - got) <= _PAGE_SLACK


def compare(
    asked: Limits, report: Mapping[str, Any], *, host_swap: int | None, refused: Mapping[str, str] | None = None
) -> dict[str, LimitState]:
    """The state of every limit asked for.

    `report` is the probe's `limits` event, `host_swap` is bytes, None unknown, and `refused` maps the rlimits that
    the engine would not set to the reason.
    """
    group: Mapping[str, Any] = report.get("cgroup") or {}
    version = report.get("cgroup_version")
    states: dict[str, LimitState] = {}
    if asked.memory is not None:
        got = group.get("memory")
        why = "the kernel reports no limit" if got is None else None
        states["memory"] = _state(asked.memory, got, _about(asked.memory, got) or False, why)
    if asked.memory_swap is not None:
        states["memory_swap"] = _memory_swap(asked, group, host_swap)
    if asked.cpus is not None:
        states["cpus"] = _counted(asked.cpus, group.get("cpus"))
    if asked.pids is not None:
        states["pids"] = _counted(asked.pids, group.get("pids"))
    if asked.swappiness is not None:
        states["swappiness"] = _swappiness(asked.swappiness, group.get("swappiness"), version)
    if asked.oom_kill_disable is not None:
        states["oom_kill_disable"] = _oom_kill_disable(asked.oom_kill_disable, group.get("oom_kill_disable"), version)
    mounts = {mount["mount"]: mount for mount in report.get("mounts") or ()}
    if asked.shm is not None:
        got = mounts.get("/dev/shm", {}).get("size")  # noqa: S108 (the build's mount, not a file of ours)
        states["shm"] = _state(asked.shm, got, _about(asked.shm, got))
    states |= _disk(asked.disk, report.get("disk_limit"))
    rlimits = rlimits_of(report["rlimits"]) if report.get("rlimits") else {}
    if asked.address_space is not None:
        got = rlimits.get("address_space", (None,))[0]
        want = asked.address_space // 1024 * 1024  # `ulimit -v` counts in KiB
        states["address_space"] = _state(asked.address_space, got, None if got is None else got == want)
    for name, pair in asked.rlimits.items():
        both = rlimits.get(name)
        reason = (refused or {}).get(name)
        states[f"ulimit {name}"] = _state(pair, both, None if both is None else both == pair, reason)
    return states


def _disk(want: int | None, got: int | None) -> dict[str, LimitState]:
    """What the probe watches: no engine limits a volume."""
    why = "nothing that the build may write is on a disk of its own" if got is None else None
    return {} if want is None else {"disk": _state(want, got, got == want, why)}


def _memory_swap(asked: Limits, group: Mapping[str, Any], host_swap: int | None) -> LimitState:
    want, got = asked.memory_swap or 0, group.get("memory_swap")
    if host_swap == 0 and asked.memory is not None and want > asked.memory:
        room = size(want - asked.memory)
        return _state(want, got, False, f"the engine's host has no swap: the {room} beyond memory are not to be had")
    if want == UNLIMITED:
        return _state(want, got if got is not None else UNLIMITED, got is None, "the kernel has a limit")
    if got is None and host_swap == 0:
        return _state(want, asked.memory, True)
    if got is None:
        return _state(want, got, False, "the kernel does not account swap (boot it with swapaccount=1)")
    return _state(want, got, _about(want, got))


def _swappiness(want: int, got: int | None, version: int | None) -> LimitState:
    if version == 2:
        return _state(want, None, False, why="cgroup v2 has no swappiness of its own; the host's vm.swappiness rules")
    return _state(want, got, None if got is None else got == want)


def _oom_kill_disable(want: bool, got: int | None, version: int | None) -> LimitState:
    if version == 2:
        return _state(want, False, not want, why="cgroup v2 cannot switch the OOM killer off")
    return _state(want, None if got is None else bool(got), None if got is None else bool(got) == want)
