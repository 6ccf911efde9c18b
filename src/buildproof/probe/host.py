"""What the engine's host does meanwhile: its swap, and its clocks. No namespace of a container hides these."""

from __future__ import annotations

import os
import time
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def swap_total(meminfo: Path = _MEMINFO) -> int | None:
    """The host's swap space in bytes: SwapTotal of proc_meminfo(5)."""
    return _meminfo(meminfo, "SwapTotal")


def memory_available(meminfo: Path = _MEMINFO) -> int | None:
    """Bytes that new programs of the host can have without swapping: MemAvailable of proc_meminfo(5)."""
    return _meminfo(meminfo, "MemAvailable")


def _meminfo(meminfo: Path, name: str) -> int | None:
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines())
        return int(rows[name].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def swapped(vmstat: Path = Path("/proc/vmstat")) -> int | None:
    """Bytes that the host moved to and from swap since it booted: pswpin and pswpout of proc_vmstat(5)."""
    try:
        rows = dict(line.split(" ", 1) for line in vmstat.read_text("ascii").splitlines())
        return (int(rows["pswpin"]) + int(rows["pswpout"])) * _PAGE
    except (OSError, KeyError, ValueError):
        return None


def busy_s(stat: Path = Path("/proc/stat")) -> float | None:
    """CPU seconds that all CPUs of the host were busy or stolen since it booted: the first line of proc_stat(5)."""
    try:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.read_text("ascii").split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Clocks:
    """How far the clocks of clock_gettime(2) drifted apart: all else is measured with CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._suspended, self._set = self._apart()

    @staticmethod
    def _apart() -> tuple[float, float]:
        awake = time.clock_gettime(time.CLOCK_MONOTONIC)
        with_sleep = time.clock_gettime(time.CLOCK_BOOTTIME)
        wall = time.clock_gettime(time.CLOCK_REALTIME)
        return with_sleep - awake, wall - with_sleep

    def facts(self) -> dict[str, float]:
        """Seconds since this was made: how long the host slept, and by how much its wall clock was set."""
        suspended, wall = self._apart()
        return {"suspended_s": _hundredths(suspended - self._suspended), "clock_step_s": _hundredths(wall - self._set)}


def _hundredths(seconds: float) -> float:
    return round(seconds, 2) + 0.0  # of the two zeros of a float the one that has no sign
