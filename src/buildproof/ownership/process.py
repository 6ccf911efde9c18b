"""This process and the others of its host, as proc(5) tells of them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from buildproof.ownership.judgement import Here
from buildproof.ownership.mark import Process

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"  # random(4): another one after each boot
_OVER = frozenset({"Z", "X", "x"})  # proc(5), stat: a zombie runs no more, its parent only did not ask yet


def start_time(pid: int, proc: Path = _PROC) -> int | None:
    """When a process started, in clock ticks since boot; None when there is none, or only its zombie.

    Source: proc(5), /proc/pid/stat, fields 3 and 22. The second field, its name, may contain anything.
    """
    try:
        fields = (proc / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in _OVER else int(fields[19])


def this_host() -> str:
    """The boot and the PID namespace that this process's id belongs to; empty without a Linux /proc."""
    try:
        return f"{_BOOT_ID.read_text().strip()}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def this_process() -> Process:
    """The process that calls."""
    host = this_host()
    return Process(pid=os.getpid(), started=(start_time(os.getpid()) or 0) if host else 0, host=host)


def here() -> Here:
    """What can be known from this process of others, now."""
    return Here(host=this_host(), started=start_time, now=time.time())
