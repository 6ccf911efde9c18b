"""Free space of the build's writable mounts, through /proc/<pid>/root: CAP_SYS_PTRACE, see proc_pid_root(5)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_PSEUDO = {
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "devpts",
    "mqueue",
    "devtmpfs",
    "securityfs",
    "debugfs",
    "tracefs",
    "bpf",
}
_NOT_FOR_BUILDS = ("/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/proc", "/sys")
_ESCAPE = re.compile(r"\\(\d{3})")


@dataclass
class Mount:
    """One writable mount and the least that was free on it: bytes and inodes."""

    point: str
    kind: str
    size: int = 0
    free: int | None = None
    min_free: int | None = None
    min_free_at_s: float = 0.0
    min_free_inodes: int | None = None

    def facts(self) -> dict[str, object]:
        """The event form."""
        return {"mount": self.point, "kind": self.kind, "size": self.size, "min_free": self.min_free,
                "min_free_at_s": self.min_free_at_s, "min_free_inodes": self.min_free_inodes}  # fmt: skip


def all_points(mounts: str) -> list[str]:
    """The mount points of a /proc/<pid>/mounts text."""
    return [_ESCAPE.sub(lambda match: chr(int(match[1], 8)), line.split(" ")[1]) for line in mounts.splitlines()]


def writable_mounts(mounts: str) -> list[Mount]:
    """The mounts of a /proc/<pid>/mounts text (format: fstab(5), octal escapes) that a build can fill."""
    found = []
    for line in mounts.splitlines():
        _device, point, kind, options, *_ = line.split(" ")
        point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), point)
        hidden = point == "/dev" or any(point == p or point.startswith(p + "/") for p in _NOT_FOR_BUILDS if p != "/dev")
        if kind not in _PSEUDO and "rw" in options.split(",") and not hidden:
            found.append(Mount(point, kind))
    return found


class Watch:
    """Samples the mounts of one process's root. tmpfs is asked at every tick, a disk now and then."""

    DISK_EVERY_S = 0.5

    def __init__(self, pid: int) -> None:
        self._root = f"/proc/{pid}/root"
        self._next_disk = 0.0
        self.mounts: list[Mount] = []
        self.others: list[str] = []
        try:
            with open(f"/proc/{pid}/mounts", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
                text = file.read()
        except OSError:
            return
        self.mounts = writable_mounts(text)
        self.others = [point for point in all_points(text) if point not in self.disks]

    @property
    def disks(self) -> list[str]:
        """The mount points that are no memory; the image's own root, where it is writable, is not the build's alone."""
        return [mount.point for mount in self.mounts if mount.kind != "tmpfs" and mount.point != "/"]

    @property
    def free_on_disks(self) -> int | None:
        """The least that is free on one of them, as last sampled: bytes."""
        known = [mount.free for mount in self.mounts if mount.point in self.disks and mount.free is not None]
        return min(known, default=None)

    def sample(self, now_s: float, *, thorough: bool = False) -> None:
        """Take the minimum over time; `thorough` asks the disks too, whenever they were asked last."""
        disks = thorough or now_s >= self._next_disk
        if disks:
            self._next_disk = now_s + self.DISK_EVERY_S
        for mount in self.mounts:
            if disks or mount.kind == "tmpfs":
                self._sample_one(mount, now_s)

    def _sample_one(self, mount: Mount, now_s: float) -> None:
        try:
            fs = os.statvfs(self._root + mount.point)
        except OSError:
            return
        if not fs.f_blocks:  # a file system without blocks, such as nsfs, is never full
            return
        mount.size, free = fs.f_blocks * fs.f_frsize, fs.f_bavail * fs.f_frsize
        mount.free = free
        if mount.min_free is None or free < mount.min_free:
            mount.min_free, mount.min_free_at_s = free, now_s
        if fs.f_files:
            mount.min_free_inodes = min(
                fs.f_ffree, mount.min_free_inodes if mount.min_free_inodes is not None else fs.f_ffree
            )
