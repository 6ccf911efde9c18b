"""BSD process accounting, acct(2): the kernel's own record of every process that ends in this PID namespace."""

from __future__ import annotations

import ctypes
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# struct acct_v3 of <linux/acct.h>, 64 bytes: flag, version, tty, exitcode, uid, gid, pid, ppid, btime, etime
# (a float on 64-bit), utime and seven more comp_t, comm. See acct(5).
RECORD = struct.Struct("=BBHIIIIIIf8H16s")
HERTZ = 100.0  # AHZ of include/linux/acct.h on x86 and arm: the unit of etime and of the comp_t times
_FORKED_ONLY = 0x01  # AFORK: has executed fork, but no exec
_DUMPED_CORE = 0x08  # ACORE
_SIGNALLED = 0x10  # AXSIG: of any thread, those that exit_group(2) ended among them


@dataclass(frozen=True)
class Record:
    """One ended process. `status` is a wait status as in wait(2); times are seconds.

    It is the main thread's: acct_collect() takes no other's, so where that one ended before the process did, how the
    process ended is not in the record, but for `thread_signalled`. `comm` is the name of the last thread.
    """

    pid: int
    ppid: int
    uid: int
    comm: str
    status: int
    began_unix_s: int
    elapsed_s: float
    cpu_s: float
    forked_only: bool
    dumped_core: bool
    thread_signalled: bool = False

    @property
    def signal(self) -> int | None:
        """The signal that ended the process, or None when it exited."""
        return self.status & 0x7F or None

    @property
    def exit_code(self) -> int | None:
        """The exit status, or None when a signal ended the process."""
        return None if self.status & 0x7F else (self.status >> 8) & 0xFF


def comp_t(value: int) -> int:
    """Decode a comp_t: 3-bit base-8 exponent, 13-bit fraction, see acct(5)."""
    return (value & 0x1FFF) << (3 * (value >> 13))


def parse(raw: bytes) -> Record:
    """Read one 64-byte version-3 record; ValueError when the kernel wrote another version."""
    flag, version, _tty, status, uid, _gid, pid, ppid, btime, etime, utime, stime, *_, comm = RECORD.unpack(raw)
    if version & 0x0F != 3:
        raise ValueError(f"process accounting record of version {version & 0x0F}, expected 3")
    return Record(
        pid=pid,
        ppid=ppid,
        uid=uid,
        comm=comm.split(b"\0", 1)[0].decode("utf-8", "replace"),
        status=status,
        began_unix_s=btime,
        elapsed_s=etime / HERTZ,
        cpu_s=(comp_t(utime) + comp_t(stime)) / HERTZ,
        forked_only=bool(flag & _FORKED_ONLY),
        dumped_core=bool(flag & _DUMPED_CORE),
        thread_signalled=bool(flag & _SIGNALLED),
    )


def _acct(path: Path | None) -> None:
    """acct(2); raises OSError with the kernel's errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = None if path is None else os.fsencode(path)
    if libc.acct(name) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Journal:
    """The accounting file, read as it grows and replaced before it can fill its file system.

    The kernel suspends accounting when less than 2% of the file system is free (kernel.acct of proc(5)); `suspended`
    says whether free space ever came near that, in which case exits may be missing.
    """

    ROTATE_AT = 4 << 20
    NEARLY_FULL = 0.05
    POLL_S = 0.5

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._generation = 0
        self._offset = 0
        self._next_space_check = 0.0
        self.suspended = False
        self.unreadable = 0
        self._path = self._open_next()

    def _open_next(self) -> Path:
        self._generation += 1
        path = self._folder / f"acct.{self._generation}"
        path.touch(mode=0o600)
        _acct(path)
        self._fd = os.open(path, os.O_RDONLY)
        self._offset = 0
        return path

    def drain(self) -> Iterator[Record]:
        """The records written since the last call, in the kernel's order."""
        yield from self._read_on()
        if self._offset >= self.ROTATE_AT:
            old_fd, old_path, old_offset = self._fd, self._path, self._offset
            self._path = self._open_next()
            new_fd = self._fd
            # What was written to the old file between the last read and acct(2) on the new one.
            self._fd, self._offset = old_fd, old_offset
            yield from self._read_on()
            os.close(old_fd)
            old_path.unlink()
            self._fd, self._offset = new_fd, 0
        now = time.monotonic()
        if now >= self._next_space_check:
            self._next_space_check = now + self.POLL_S
            space = os.statvfs(self._folder)
            if space.f_bavail < space.f_blocks * self.NEARLY_FULL:
                self.suspended = True

    def _read_on(self) -> Iterator[Record]:
        while raw := os.pread(self._fd, RECORD.size * 1024, self._offset):
            whole = len(raw) - len(raw) % RECORD.size
            if not whole:
                return
            self._offset += whole
            for start in range(0, whole, RECORD.size):
                try:
                    yield parse(raw[start : start + RECORD.size])
                except ValueError:
                    self.unreadable += 1
