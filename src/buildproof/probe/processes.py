"""The living processes of the namespace: command lines while they can still be read, and high-water marks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_CMDLINE_BYTES = 2048


@dataclass
class Seen:
    """One process as last met. `peak_rss` is bytes, VmHWM of proc_pid_status(5)."""

    pid: int
    ppid: int
    comm: str
    cmdline: str | None
    peak_rss: int = 0
    rss: int = 0
    settled: bool = False  # looked at twice: before its exec(2) a child shows its parent's command line

    def facts(self) -> dict[str, object]:
        """The event form."""
        return {"pid": self.pid, "comm": self.comm, "cmdline": self.cmdline, "peak_rss": self.peak_rss}


def _read(path: str, limit: int = 4096) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, limit)
    except OSError:
        return None
    finally:
        os.close(fd)


def _cmdline(proc: str, pid: int) -> str | None:
    raw = _read(f"{proc}/{pid}/cmdline", _CMDLINE_BYTES)
    return raw.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace") if raw else None


def status_fields(raw: bytes) -> tuple[str, int, int, int]:
    """Name, parent, VmHWM and VmRSS (bytes) of a /proc/<pid>/status text; a zombie has sizes of zero."""
    name, ppid, high, now = "", 0, 0, 0
    for line in raw.split(b"\n"):
        key, _, value = line.partition(b":\t")
        if key == b"Name":
            name = value.decode("utf-8", "replace")
        elif key == b"PPid":
            ppid = int(value)
        elif key == b"VmHWM":
            high = int(value.split()[0]) * 1024
        elif key == b"VmRSS":
            now = int(value.split()[0]) * 1024
            break
    return name, ppid, high, now


class Census:
    """Every process of the namespace but the probe itself, refreshed by scans; `top` outlives its processes."""

    TOP = 12
    REMEMBERED = 256

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = str(proc)
        self.alive: dict[int, Seen] = {}
        self._gone: dict[int, Seen] = {}  # ended since: their accounting records may be read after the scan
        self._top: dict[tuple[int, str], Seen] = {}

    def _pids(self) -> list[int]:
        return [int(name) for name in os.listdir(self._proc) if name.isdigit() and name != "1"]  # noqa: PTH208 (hot path)

    def meet(self) -> None:
        """Note processes not met twice before: cheap, done at every tick so that short-lived ones get their name."""
        pids = self._pids()
        for pid in pids:
            seen = self.alive.get(pid)
            if seen is None or not seen.settled:
                self._look(pid)
        for pid in self.alive.keys() - set(pids):
            self._gone[pid] = self.alive.pop(pid)
            if len(self._gone) > self.REMEMBERED:
                del self._gone[next(iter(self._gone))]

    def measure(self) -> None:
        """Refresh every process's high-water mark, and its command line when exec(2) changed its name."""
        known = set(self.alive)
        self.meet()
        for pid in known & self.alive.keys():  # a second look at once could still come before the exec(2)
            self._look(pid)

    def _look(self, pid: int) -> None:
        raw = _read(f"{self._proc}/{pid}/status", 2048)
        if raw is None:
            return
        comm, ppid, high, now = status_fields(raw)
        seen = self.alive.get(pid)
        if seen is None or seen.comm != comm or not seen.settled:
            settled = seen is not None and seen.comm == comm
            before = seen.peak_rss if seen and settled else 0  # exec(2) starts the mark anew
            cmdline = _cmdline(self._proc, pid) or (seen.cmdline if seen and settled else None)  # a zombie shows none
            seen = Seen(pid, ppid, comm, cmdline, before, settled=settled)
            self.alive[pid] = seen
        seen.peak_rss, seen.rss, seen.ppid = max(seen.peak_rss, high), now, ppid
        self._keep(seen)

    def _keep(self, seen: Seen) -> None:
        self._top[seen.pid, seen.comm] = seen
        if len(self._top) > 4 * self.TOP:
            self._top = {(s.pid, s.comm): s for s in self.top()}

    def top(self) -> list[Seen]:
        """The largest processes of the whole run, largest first."""
        return sorted(self._top.values(), key=lambda s: s.peak_rss, reverse=True)[: self.TOP]

    def cmdline_of(self, pid: int, comm: str) -> str | None:
        """The sampled command line, only if it was read under the name that the process ended with."""
        seen = self.alive.get(pid) or self._gone.get(pid)
        return seen.cmdline if seen and seen.comm[:15] == comm[:15] else None
