"""The living processes of the namespace: command lines while they can still be read, and high-water marks."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_CMDLINE_BYTES = 1 << 16
_CMDLINE_SHOWN = 2048
_MAPS_BYTES = 1 << 18
_DYING_FLAGS = 0x4 | 0x400  # PF_EXITING and PF_SIGNALED of <linux/sched.h>
_PENDING_SIGKILL = 1 << 8


@dataclass
class Seen:
    """One process as last met. Bytes: VmHWM, VmRSS and VmPeak of proc_pid_status(5).

    `words` is its command line, `mapped` the ends of its mappings of files by path: proc_pid_maps(5).
    """

    pid: int
    ppid: int
    comm: str
    words: tuple[str, ...] = ()
    peak_rss: int = 0
    rss: int = 0
    peak_address_space: int = 0
    cwd: str | None = None
    mapped: dict[str, int] = field(default_factory=dict)
    is_over: bool = False  # ended, and not waited for by its parent yet
    threaded: bool = False  # was met with several threads
    headless: int = 0  # how often it was met when its main thread had ended, and others went on
    settled: bool = False  # looked at twice: before its exec(2) a child shows its parent's command line

    @property
    def is_headless(self) -> bool:
        """Whether it lived on without its main thread, at two looks: a thread may be met right before it is to end."""
        return self.headless > 1

    @property
    def cmdline(self) -> str | None:
        """The command line for people, None when it could not be read."""
        return " ".join(self.words)[:_CMDLINE_SHOWN] or None

    def facts(self) -> dict[str, object]:
        """The event form."""
        return {
            "pid": self.pid,
            "comm": self.comm,
            "cmdline": self.cmdline,
            "peak_rss": self.peak_rss,
            "peak_address_space": self.peak_address_space or None,
        }


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


def _read_on(path: str, limit: int) -> bytes:
    """What several read(2) give: /proc/<pid>/maps hands out a page at a time."""
    parts = b""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return parts
    try:
        while len(parts) < limit and (part := os.read(fd, limit - len(parts))):
            parts += part
    except OSError:
        return parts
    finally:
        os.close(fd)
    return parts


def _words(proc: str, pid: int) -> tuple[str, ...]:
    raw = _read(f"{proc}/{pid}/cmdline", _CMDLINE_BYTES)
    return tuple(raw.rstrip(b"\0").decode("utf-8", "replace").split("\0")) if raw else ()


@dataclass(frozen=True)
class Status:
    """What is used of a /proc/<pid>/status text. Bytes; a zombie has sizes of zero."""

    comm: str = ""
    ppid: int = 0
    is_over: bool = False
    threads: int = 1
    headless: bool = False
    peak_address_space: int = 0
    peak_rss: int = 0
    rss: int = 0


_RIGHTS = {"Uid", "CapBnd", "NoNewPrivs", "Seccomp"}
_STATUS_SIZES = {b"VmPeak": "peak_address_space", b"VmHWM": "peak_rss", b"VmRSS": "rss"}


def status_of(raw: bytes) -> Status:
    """Read a /proc/<pid>/status text, proc_pid_status(5).

    A process whose main thread has ended while others go on shows the state of a zombie, and is not over.
    """
    comm, ppid, is_over, headless, sizes = "", 0, False, False, dict[str, int]()
    count = raw.partition(b"\nThreads:\t")[2].partition(b"\n")[0]
    threads = int(count) if count.isdigit() else 1
    for line in raw.split(b"\n"):
        key, _, value = line.partition(b":\t")
        if key == b"Name":
            comm = value.decode("utf-8", "replace")
        elif key == b"State":
            ended = value[:1] in b"ZX"
            is_over, headless = ended and threads == 1, ended and threads > 1
        elif key == b"PPid":
            ppid = int(value)
        elif key in _STATUS_SIZES:
            sizes[_STATUS_SIZES[key]] = int(value.split()[0]) * 1024
            if key == b"VmRSS":
                break
    return Status(comm=comm, ppid=ppid, is_over=is_over, threads=threads, headless=headless, **sizes)


def rights_of(pid: int) -> dict[str, str] | None:
    """The rows of a /proc/<pid>/status text, proc_pid_status(5), that say what a process may do."""
    raw = _read(f"/proc/{pid}/status", 4096)
    rows = (line.partition(":") for line in raw.decode("ascii", "replace").splitlines()) if raw else ()
    return {name: value.strip() for name, _, value in rows if name in _RIGHTS} or None


def mapped_files(raw: bytes) -> dict[str, int]:
    """Where the mappings of each file end in it, bytes, of a /proc/<pid>/maps text; removed files are left out."""
    ends: dict[str, int] = {}
    for line in raw.split(b"\n"):
        path = line.partition(b"/")[2]
        if not path or path.endswith(b" (deleted)"):
            continue
        span, _, offset = line.split(b" ", 3)[:3]
        start, _, end = span.partition(b"-")
        name = "/" + path.decode("utf-8", "replace")
        ends[name] = max(ends.get(name, 0), int(offset, 16) + int(end, 16) - int(start, 16))
    return ends


class Census:
    """Every process of the namespace but the probe itself, refreshed by scans; `top` outlives its processes."""

    TOP = 12
    REMEMBERED = 256

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = str(proc)
        self.alive: dict[int, Seen] = {}
        self._fresh: set[int] = set()
        self._gone: dict[int, Seen] = {}  # ended since: their accounting records may be read after the scan
        self._top: dict[tuple[int, str], Seen] = {}
        self._over: deque[int] = deque(maxlen=self.REMEMBERED)
        self._newest: int | None = None

    def _pids(self) -> list[int]:
        return [int(name) for name in os.listdir(self._proc) if name.isdigit() and name != "1"]  # noqa: PTH208 (hot path)

    def _may_be_others(self) -> bool:
        """Whether a process or a thread may have begun since the last call.

        The last field of /proc/loadavg is the newest pid of the reader's namespace, proc_loadavg(5). To read it costs a
        tenth of a listing. Where pids have begun anew, or something else answers for the kernel, it proves nothing.
        """
        raw = _read(f"{self._proc}/loadavg", 128)
        last = raw.rpartition(b" ")[2].strip() if raw else b""
        newest = int(last) if last.isdigit() else None
        before, self._newest = self._newest, newest
        return newest is None or newest != before or newest < max(self.alive, default=1)

    def meet(self, *, thoroughly: bool = False) -> None:
        """Note processes not met twice before: cheap, done at every tick so that short-lived ones get their name.

        Who has ended is noticed when others begin, or, for the price of a listing, `thoroughly`.
        """
        pids = self._pids() if self._may_be_others() or thoroughly else list(self.alive)
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
        self.meet(thoroughly=True)
        for pid in known & self.alive.keys():  # a second look at once could still come before the exec(2)
            self._look(pid, may_count=True)

    def note_mappings(self, is_noted: Callable[[str], bool], *, of_all: bool = True) -> None:
        """Remember which files each process has mapped, for the day when one of them dies of SIGBUS.

        Not `of_all`: of those that have settled since the last call.
        """
        asked = self.alive if of_all else {pid: self.alive[pid] for pid in self._fresh & self.alive.keys()}
        self._fresh.clear()
        for seen in asked.values():
            if raw := self._maps(seen):
                seen.mapped = {path: end for path, end in mapped_files(raw).items() if is_noted(path)}

    def _maps(self, seen: Seen) -> bytes:
        """A /proc/<pid>/maps text; that of a thread that goes on where the main thread has ended and shows none."""
        process = f"{self._proc}/{seen.pid}"
        raw = _read_on(f"{process}/maps", _MAPS_BYTES)
        if raw or not seen.threaded:
            return raw
        try:
            threads = os.listdir(f"{process}/task")  # noqa: PTH208
        except OSError:
            return b""
        return next(filter(None, (_read_on(f"{process}/task/{thread}/maps", _MAPS_BYTES) for thread in threads)), b"")

    def _look(self, pid: int, *, may_count: bool = False) -> None:
        raw = _read(f"{self._proc}/{pid}/status", 2048)
        if raw is None:
            return
        status = status_of(raw)
        seen = self.alive.get(pid)
        if seen is None or seen.comm != status.comm or not seen.settled or self.has_words_of(seen, seen.ppid):
            again = seen if seen and seen.comm == status.comm else None
            words = _words(self._proc, pid)
            before = again if again and words in {(), again.words} else None  # exec(2) starts the marks anew
            words = words or (before.words if before else ())  # a zombie shows none
            seen = Seen(pid, status.ppid, status.comm, words, cwd=self._cwd(pid), settled=again is not None)
            if before:
                seen.peak_rss, seen.peak_address_space = before.peak_rss, before.peak_address_space
                seen.cwd, seen.mapped = seen.cwd or before.cwd, before.mapped
                seen.threaded, seen.headless = before.threaded, before.headless
            if again and not (before and before.settled):
                self._fresh.add(pid)
            self.alive[pid] = seen
        seen.peak_rss = max(seen.peak_rss, status.peak_rss)
        seen.peak_address_space = max(seen.peak_address_space, status.peak_address_space)
        seen.rss, seen.ppid, seen.is_over = status.rss, status.ppid, status.is_over
        seen.threaded = seen.threaded or status.threads > 1
        seen.headless += may_count and status.headless and self._goes_on(pid)
        self._keep(seen)

    def _goes_on(self, pid: int) -> bool:
        """Whether a thread besides the main one is to live: exit_group(2) and signals leave SIGKILL pending for all.

        Fields `flags` and `signal` of proc_pid_stat(5), each thread's own.
        """
        try:
            threads = os.listdir(f"{self._proc}/{pid}/task")  # noqa: PTH208
        except OSError:
            return False
        for thread in threads:
            raw = _read(f"{self._proc}/{pid}/task/{thread}/stat") if thread != str(pid) else None
            fields = raw.rpartition(b")")[2].split() if raw else []
            if fields and not int(fields[6]) & _DYING_FLAGS and not int(fields[28]) & _PENDING_SIGKILL:
                return True
        return False

    def has_words_of(self, seen: Seen, parent: int) -> bool:
        """Whether it shows its parent's name and words: until its exec(2), which waits for a CPU like all else."""
        above = self.met(parent)
        return above is not None and bool(seen.words) and (seen.comm, seen.words) == (above.comm, above.words)

    def _cwd(self, pid: int) -> str | None:
        try:
            return os.readlink(f"{self._proc}/{pid}/cwd")  # noqa: PTH115 (hot path)
        except OSError:
            return None

    def _keep(self, seen: Seen) -> None:
        self._top[seen.pid, seen.comm] = seen
        if len(self._top) > 4 * self.TOP:
            self._top = {(s.pid, s.comm): s for s in self.top()}

    def childrens_faults(self, pid: int) -> int | None:
        """The minor page faults of the children that a process has waited for: `cminflt` of proc_pid_stat(5).

        No program starts without some.
        """
        raw = _read(f"{self._proc}/{pid}/stat")
        return int(raw.rpartition(b")")[2].split()[8]) if raw else None

    def note_end(self, pid: int) -> None:
        """Its end was read: should it be met once more it is on its way out.

        do_exit() of the kernel writes the accounting record before exit_notify() makes a zombie of the process, and on
        a busy machine it may wait for a CPU in between.
        """
        self._over.append(pid)

    def left(self) -> list[Seen]:
        """Who is alive and has not ended."""
        return [seen for seen in self.alive.values() if not seen.is_over and seen.pid not in self._over]

    def top(self) -> list[Seen]:
        """The largest processes of the whole run, largest first."""
        return sorted(self._top.values(), key=lambda s: s.peak_rss, reverse=True)[: self.TOP]

    def ended(self, pid: int, comm: str) -> Seen | None:
        """An ended process as last met, None where it may have called exec(2) since: `comm` is another name then.

        Of several threads the last to end gives the accounting record its own name: acct_process() writes current's,
        and rustc, node and others name theirs. No such process calls exec(2) as a rule, so it is the one that was met.
        """
        seen = self.met(pid)
        return seen if seen and (seen.threaded or seen.comm[:15] == comm[:15]) else None

    def look_up(self, pid: int, comm: str) -> Seen | None:
        """As `ended`, for one that may be alive: it is looked at now if it was not met before."""
        self.find(pid)
        return self.ended(pid, comm)

    def find(self, pid: int) -> Seen | None:
        """As `met`; one that was not met before is looked at now."""
        if self.met(pid) is None:
            self._look(pid)
        return self.met(pid)

    def met(self, pid: int) -> Seen | None:
        """A process as last met, alive or ended since, whatever it ran then."""
        return self.alive.get(pid) or self._gone.get(pid)
