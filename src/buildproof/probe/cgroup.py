"""One cgroup seen from outside: v1, v2, or not available. A counter that cannot be read is None, never zero."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Usage:
    """One reading. Bytes. `demand` is what cannot be reclaimed; see docs/evidence.md for its terms on v1 and v2."""

    charged: int | None
    demand: int | None
    swap: int | None


class Cgroup(Protocol):
    """What the probe asks of a cgroup."""

    version: int

    def usage(self) -> Usage:
        """A quick reading, taken many times a second."""

    def counters(self) -> dict[str, int | None]:
        """The kernel's own totals and high-water marks, for a few readings a second and one at the end."""

    def limits(self) -> dict[str, int | float | None]:
        """The limits in force."""

    def ancestors(self) -> list[dict[str, str | int | None]]:
        """The memory limits above: path, limit in bytes, and how often each was hit; nearest first."""


@dataclass
class Files:
    """Open descriptors into one controller's folder: kernfs files give fresh content at each pread(2) from zero."""

    folder: Path
    _open: dict[str, int] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The file's content, or None when it is not there, not readable, or its cgroup is gone."""
        try:
            fd = self._open.get(name)
            if fd is None:
                fd = self._open[name] = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(fd, 1 << 16, 0).decode("ascii", "replace")
        except OSError:
            return None

    def number(self, name: str) -> int | None:
        """The file's single number; None for `max` and for what cannot be read."""
        text = self.text(name)
        try:
            return int(text) if text is not None else None
        except ValueError:
            return None

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def table(self, name: str) -> dict[str, int]:
        """A flat keyed file such as memory.events; empty when it cannot be read."""
        rows = (line.rpartition(" ") for line in (self.text(name) or "").splitlines())
        return {key: int(value) for key, _, value in rows if value.isdigit()}

    def some(self, name: str, keys: tuple[str, ...]) -> dict[str, int]:
        """These rows of a long flat keyed file, as far as it has them: it is asked for many times a second."""
        text, found = f"\n{self.text(name) or ''}\n", dict[str, int]()
        for key in keys:
            begin = text.find(f"\n{key} ")
            if begin >= 0:
                value = text[begin + len(key) + 2 : text.find("\n", begin + 1)]
                if value.isdigit():
                    found[key] = int(value)
        return found


def _limits_above(
    folder: Path, root: Path, limit_of: Callable[[Files], int | None], hits_of: Callable[[Files], int | None]
) -> list[dict[str, str | int | None]]:
    """Each folder between `folder` and the hierarchy's `root` that has a limit."""
    found: list[dict[str, str | int | None]] = []
    for above in folder.parents:
        if not above.is_relative_to(root) or above == root:
            break
        files = Files(above)
        limit = limit_of(files)
        if limit is not None:
            found.append({"path": f"/{above.relative_to(root)}", "limit": limit, "limit_hits": hits_of(files)})
        files.close()
    return found


def _sum(*parts: int | None) -> int | None:
    return sum(part for part in parts if part is not None) if all(part is not None for part in parts) else None


V1_UNLIMITED = 0x7FFFFFFFFFFFF000  # PAGE_COUNTER_MAX in bytes on 64-bit
_DEMAND_V1 = ("total_rss", "total_shmem", "total_swap")
_KERNEL_PARTS = ("kernel_stack", "pagetables", "percpu", "sock")  # of those before 5.18, that had no sum
_DEMAND_V2 = (
    *("anon", "shmem", "inactive_anon", "active_anon", "swapcached"),
    *("kernel", "slab_reclaimable", "zswap", *_KERNEL_PARTS),
)


class CgroupV1:
    """cgroup v1; see Documentation/admin-guide/cgroup-v1/memory.rst."""

    version = 1

    def __init__(self, root: Path, paths: dict[str, str]) -> None:
        def mounted(controller: str) -> str:
            return next(
                (n for n in (controller, *paths) if controller in n.split(",") and (root / n).is_dir()), controller
            )

        def files(controller: str) -> Files:
            name = mounted(controller)
            return Files(root / name / paths.get(name, paths.get(controller, "/")).lstrip("/"))

        self._hierarchy = root / mounted("memory")
        self._memory, self._cpu, self._cpuacct, self._pids = map(files, ("memory", "cpu", "cpuacct", "pids"))

    def usage(self) -> Usage:
        """Anonymous, shmem and swap of memory.stat.

        Kernel memory is left out on v1: its counter includes slab that can be reclaimed, and v1 does not say how much.
        """
        stat = self._memory.some("memory.stat", _DEMAND_V1)
        return Usage(
            charged=self._memory.number("memory.usage_in_bytes"),
            demand=_sum(stat.get("total_rss"), stat.get("total_shmem"), stat.get("total_swap", 0)),
            swap=stat.get("total_swap"),
        )

    def counters(self) -> dict[str, int | None]:
        """Totals and marks under the names that v1 and v2 share."""
        cpu = self._cpu.table("cpu.stat")
        stat = self._memory.some("memory.stat", ("workingset_refault_file", "total_pgmajfault"))
        cpu_ns, throttled_ns = self._cpuacct.number("cpuacct.usage"), cpu.get("throttled_time")
        return {
            "charged_peak": self._memory.number("memory.max_usage_in_bytes"),
            "swap_peak": None,  # v1 marks the peak of memory and swap together alone
            # Where memory and memory plus swap have the same limit, the second counter is the one that is hit.
            "limit_hits": _sum(self._memory.number("memory.failcnt"), self._memory.number("memory.memsw.failcnt") or 0),
            "oom_kills": self._memory.table("memory.oom_control").get("oom_kill"),
            "own_ooms": None,  # v1 does not count whose limit it was
            "cpu_us": None if cpu_ns is None else cpu_ns // 1000,
            "throttled_us": None if throttled_ns is None else throttled_ns // 1000,
            "pids_peak": self._pids.number("pids.peak"),  # since kernel 6.6
            "pids_limit_hits": self._pids.table("pids.events").get("max"),
            "refaults": stat.get("workingset_refault_file"),
            "major_faults": stat.get("total_pgmajfault"),
            "memory_stalled_us": None,
        }

    def limits(self) -> dict[str, int | float | None]:
        """Limits in force; None for an unlimited one."""
        quota, period = self._cpu.number("cpu.cfs_quota_us"), self._cpu.number("cpu.cfs_period_us")
        memory, memsw = (self._memory.number(f"memory.{name}") for name in ("limit_in_bytes", "memsw.limit_in_bytes"))
        return {
            "memory": None if memory is None or memory >= V1_UNLIMITED else memory,
            "memory_swap": None if memsw is None or memsw >= V1_UNLIMITED else memsw,
            "cpus": quota / period if quota and period and quota > 0 else None,
            "pids": self._pids.number("pids.max"),
            "swappiness": self._memory.number("memory.swappiness"),
            "oom_kill_disable": self._memory.table("memory.oom_control").get("oom_kill_disable"),
        }

    def ancestors(self) -> list[dict[str, str | int | None]]:
        """Limits of the cgroups above; a charge counts against each of them."""

        def limit(files: Files) -> int | None:
            bound = files.number("memory.limit_in_bytes")
            return None if bound is None or bound >= V1_UNLIMITED else bound

        return _limits_above(self._memory.folder, self._hierarchy, limit, lambda files: files.number("memory.failcnt"))


class CgroupV2:
    """cgroup v2; see Documentation/admin-guide/cgroup-v2.rst."""

    version = 2

    def __init__(self, folder: Path, root: Path) -> None:
        self._files, self._root = Files(folder), root

    def usage(self) -> Usage:
        """Anonymous, shmem, kernel memory that cannot be reclaimed, and what is in swap and not in memory as well."""
        before = self._files.number("memory.swap.current")  # absent when the kernel does not account swap
        stat = self._files.some("memory.stat", _DEMAND_V2)
        swap = self._files.number("memory.swap.current") if before else before
        charged = self._files.number("memory.current")
        in_memory = _sum(stat.get("anon"), stat.get("shmem"))
        if in_memory is None:
            return Usage(charged=charged, demand=None, swap=swap)
        swapped = min(before or 0, swap or 0)  # what moved while `stat` was read must not count twice
        demand = in_memory + swapped - _in_both(stat, in_memory, swapped) + _kernel(stat)
        return Usage(charged=charged, demand=demand, swap=swap)

    def counters(self) -> dict[str, int | None]:
        """Totals and marks under the names that v1 and v2 share."""
        cpu = self._files.table("cpu.stat")
        stat = self._files.some("memory.stat", ("workingset_refault_file", "pgmajfault"))
        events = self._files.table("memory.events")
        return {
            "charged_peak": self._files.number("memory.peak"),  # since kernel 5.19; samples would prove no upper bound
            "swap_peak": self._files.number("memory.swap.peak"),  # since kernel 6.5
            "limit_hits": events.get("max"),
            "oom_kills": events.get("oom_kill"),
            "own_ooms": events.get("oom"),
            "cpu_us": cpu.get("usage_usec"),
            "throttled_us": cpu.get("throttled_usec"),
            "pids_peak": self._files.number("pids.peak"),
            "pids_limit_hits": self._files.table("pids.events").get("max"),
            "refaults": stat.get("workingset_refault_file"),
            "major_faults": stat.get("pgmajfault"),
            "memory_stalled_us": self._pressure_full_us(),
        }

    def _pressure_full_us(self) -> int | None:
        for line in (self._files.text("memory.pressure") or "").splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "full":
                return int(rest.rpartition("total=")[2])
        return None

    def limits(self) -> dict[str, int | float | None]:
        """Limits in force; None for an unlimited one."""
        memory, swap = self._files.number("memory.max"), self._files.number("memory.swap.max")
        quota, _, period = (self._files.text("cpu.max") or "max 1").strip().partition(" ")
        return {
            "memory": memory,
            "memory_swap": _sum(memory, swap),
            "cpus": None if quota == "max" else int(quota) / int(period),
            "pids": self._files.number("pids.max"),
            "swappiness": None,
            "oom_kill_disable": None,
        }

    def ancestors(self) -> list[dict[str, str | int | None]]:
        """Limits of the cgroups above; `memory.events.local` counts what each of them refused itself."""
        return _limits_above(
            self._files.folder,
            self._root,
            lambda files: files.number("memory.max"),
            lambda files: files.table("memory.events.local").get("oom"),
        )


def _kernel(stat: dict[str, int]) -> int:
    """Kernel memory that cannot be reclaimed. What zswap holds compressed is in swap already, at its full size."""
    total = stat.get("kernel")  # since kernel 5.18
    if total is None:
        return sum(stat.get(part, 0) for part in _KERNEL_PARTS)
    return total - stat.get("slab_reclaimable", 0) - stat.get("zswap", 0)


def _in_both(stat: dict[str, int], in_memory: int, swap: int) -> int:
    """How much of `swap` is part of `in_memory`, anonymous and shmem, as well; rather too much than too little.

    A page that was read back keeps its place in swap while that is less than half full, and is charged for both:
    `swapcached` (mm/memcontrol.c, mem_cgroup_swap_full()). Pages on their way out or read ahead are in the swap cache
    too, but mapped by nobody: they are on the anonymous lists, and neither in `anon` nor in `shmem`.
    """
    unmapped = max(0, stat.get("inactive_anon", 0) + stat.get("active_anon", 0) - in_memory)
    cached = stat.get("swapcached")  # since kernel 5.12
    return min(swap, in_memory if cached is None else max(0, cached - unmapped))


def of_process(proc_cgroup: str, root: Path) -> Cgroup | None:
    """The cgroup that `/proc/<pid>/cgroup` names (see cgroups(7)), below the host's hierarchy mounted at `root`."""
    entries = [line.split(":", 2) for line in proc_cgroup.splitlines()]
    v1 = {controller: path for _, names, path in entries if names for controller in (names, *names.split(","))}
    if "memory" in v1:
        return CgroupV1(root, v1)
    unified = next((path for number, names, path in entries if number == "0" and not names), None)
    if unified is None:
        return None
    folder = _below(root, unified)
    return CgroupV2(folder, root) if folder and (folder / "memory.current").exists() else None


def _below(root: Path, path: str) -> Path | None:
    """A cgroup's folder, also where its path is told from a namespace of the probe's own, see cgroup_namespaces(7).

    Podman 5.4 gives no container the host's cgroup namespace that is asked for over the Docker API: a path is then
    `/../other.scope/container`, with no word of what lies above, and its first name has to be looked for.
    """
    names = [name for name in path.split("/") if name]
    if ".." not in names:
        return root.joinpath(*names)
    first, *rest = [name for name in names if name != ".."] or [""]
    return next((found.joinpath(*rest) for found in root.rglob(first)), None) if first else None
