"""The mounts that a build can fill, and the least that was free on them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from buildproof.probe.space import Mount, Watch, writable_mounts

MOUNTS = """\
overlay / overlay rw,relatime,lowerdir=/l,upperdir=/u,workdir=/w 0 0
proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0
tmpfs /dev tmpfs rw,nosuid,size=65536k,mode=755 0 0
devpts /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666 0 0
sysfs /sys sysfs ro,nosuid,nodev,noexec,relatime 0 0
cgroup /sys/fs/cgroup cgroup ro,nosuid,nodev,noexec,relatime 0 0
mqueue /dev/mqueue mqueue rw,nosuid,nodev,noexec,relatime 0 0
shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=1048576k 0 0
/dev/vda1 /etc/hosts ext4 rw,relatime 0 0
/dev/vda1 /etc/resolv.conf ext4 rw,relatime 0 0
/dev/vda1 /etc/hostname ext4 rw,relatime 0 0
/dev/vda1 /buildproof/src ext4 rw,relatime 0 0
/dev/vda1 /buildproof/cache ext4 ro,relatime 0 0
tmpfs /proc/acpi tmpfs ro,relatime 0 0
tmpfs /proc/kcore tmpfs rw,nosuid,size=65536k,mode=755 0 0
tmpfs /sys/firmware tmpfs rw,relatime 0 0
tmpfs /with\\040space\\011tab\\134 tmpfs rw,relatime 0 0
/dev/vda1 /etc/hosts.d ext4 rw,relatime 0 0
tmpfs /devices tmpfs rw,relatime 0 0
/dev/vda1 /errors ext4 ro,errors=remount-rw 0 0
"""


def test_what_a_build_can_fill_is_writable_and_neither_the_kernels_nor_the_engines() -> None:
    assert [(mount.point, mount.kind) for mount in writable_mounts(MOUNTS)] == [
        ("/", "overlay"),
        ("/dev/shm", "tmpfs"),
        ("/buildproof/src", "ext4"),
        ("/with space\ttab\\", "tmpfs"),
        ("/etc/hosts.d", "ext4"),
        ("/devices", "tmpfs"),
    ]


def test_no_mounts_are_no_mounts() -> None:
    assert writable_mounts("") == []


class Disks:
    """Stands in for statvfs(2): free blocks and inodes by path, and what was asked."""

    def __init__(self) -> None:
        self.free: dict[str, tuple[int, int | None]] = {}
        self.asked: list[str] = []
        self.blocks = 100

    def statvfs(self, path: str) -> SimpleNamespace:
        self.asked.append(path)
        if path not in self.free:
            raise FileNotFoundError(path)
        free, inodes = self.free[path]
        files = 0 if inodes is None else 1000
        return SimpleNamespace(
            f_blocks=self.blocks, f_frsize=4096, f_bsize=1, f_bavail=free, f_bfree=10**9, f_files=files, f_ffree=inodes
        )


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    disks = Disks()
    monkeypatch.setattr(os, "statvfs", disks.statvfs)
    return disks


def watch(*mounts: Mount) -> Watch:
    found = Watch(0)  # no process has this number
    assert found.mounts == []
    found.mounts = list(mounts)
    return found


def test_the_least_free_bytes_and_their_moment_are_kept(disks: Disks) -> None:
    mount = Mount("/dev/shm", "tmpfs")
    found = watch(mount)
    for now_s, free in ((0.1, 50), (0.2, 10), (0.3, 10), (0.4, 90)):
        disks.free["/proc/0/root/dev/shm"] = (free, None)
        found.sample(now_s)
    assert mount.facts() == {
        "mount": "/dev/shm", "kind": "tmpfs", "size": 100 * 4096, "min_free": 10 * 4096, "min_free_at_s": 0.2,
        "min_free_inodes": None,
    }  # fmt: skip


def test_the_least_free_inodes_are_kept_down_to_zero(disks: Disks) -> None:
    mount = Mount("/x", "tmpfs")
    found = watch(mount)
    for inodes, least in ((500, 500), (0, 0), (700, 0)):
        disks.free["/proc/0/root/x"] = (50, inodes)
        found.sample(1.0)
        assert mount.min_free_inodes == least


def test_tmpfs_is_asked_at_every_tick_and_a_disk_now_and_then(disks: Disks) -> None:
    disks.free = {"/proc/0/root/": (5, None), "/proc/0/root/shm": (5, None)}
    found = watch(Mount("/", "overlay"), Mount("/shm", "tmpfs"))
    for now_s in (0.0, 0.1, 0.4, 0.5, 0.6):
        found.sample(now_s)
    assert disks.asked.count("/proc/0/root/shm") == 5
    assert disks.asked.count("/proc/0/root/") == 2
    found.sample(0.7, thorough=True)
    assert disks.asked.count("/proc/0/root/") == 3


def test_a_mount_that_cannot_be_asked_is_unknown_never_full(disks: Disks) -> None:
    mount = Mount("/gone", "tmpfs")
    watch(mount).sample(0.0)
    assert (mount.min_free, mount.size) == (None, 0)


def test_a_file_system_without_blocks_is_never_full(disks: Disks) -> None:
    disks.blocks = 0
    disks.free = {"/proc/0/root/run": (0, 0)}
    mount = Mount("/run", "nsfs")
    watch(mount).sample(0.0)
    assert (mount.min_free, mount.min_free_inodes) == (None, None)


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="needs Linux")
def test_the_mounts_of_a_living_process_are_read() -> None:
    found = Watch(os.getpid())
    points = [mount.point for mount in found.mounts]
    assert points
    found.sample(0.0)
    assert any(mount.min_free is not None for mount in found.mounts)
