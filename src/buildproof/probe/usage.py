"""How much a build has on its disks: its files, and those that are removed but still held by a process.

No engine counts this for a volume. A pass over all files takes long where there are many, and the probe has memory to
sample meanwhile: it goes a few milliseconds at a time, and only when the file system has lost enough to matter.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from typing import Any

STEP_S = 0.003
FINAL_S = 5.0
PASS_EVERY_S = 60.0  # the file system's free space tells nothing where others free some meanwhile
_COST_SHARE = 50  # of the time between two passes one may take that part
_BLOCK = 512  # st_blocks counts in these, whatever the file system's own are: stat(2)
_DEEPEST = 256
_GONE = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) .* \(deleted\)$", re.M)


class Usage:
    """Bytes on disk of one build. `root` is its root folder, `points` are its own volumes in it, `limit` in bytes."""

    def __init__(
        self, root: str, points: Iterable[str], others: Iterable[str], limit: int, proc: str = "/proc"
    ) -> None:
        self._tops = [root + point for point in points]
        self._foreign = {key for point in others if (key := _identity(root + point))}
        self._proc, self.limit = proc, limit
        self.used: int | None = None
        self._pass: Iterator[int | None] | None = None
        self._free_at_start: int | None = None
        self._free_before = 0
        self._ended_s = self._cost_s = 0.0
        self._hidden = False

    @property
    def is_over(self) -> bool:
        """Whether the last pass found more than the limit."""
        return self.used is not None and self.used > self.limit

    def tick(self, now_s: float, free: int | None, pids: Iterable[int]) -> bool:
        """Go on for a few milliseconds; True when a pass has just found too much. `free` is the disks', bytes."""
        if self._pass is None and self._is_due(now_s, free):
            self._begin(free, pids)
        return self._go_on(now_s, time.monotonic() + STEP_S, free) and self.is_over

    def finish(self, now_s: float, free: int | None, pids: list[int]) -> None:
        """Take in what was written last, for as long as FINAL_S."""
        until = time.monotonic() + FINAL_S
        self._go_on(now_s, until, free)
        if self._pass is None and self._is_due(now_s, free):
            self._begin(free, pids)
            self._go_on(now_s, until, free)

    def _is_due(self, now_s: float, free: int | None) -> bool:
        if free is None:
            return False
        if self._free_at_start is None:
            self._free_at_start = self._free_before = free
        room = self.limit - (self.used or 0)
        lost = self._free_before - free
        return lost * 2 >= max(room, 1) or now_s - self._ended_s >= max(PASS_EVERY_S, self._cost_s * _COST_SHARE)

    def _begin(self, free: int | None, pids: Iterable[int]) -> None:
        self._free_before, self._cost_s, self._hidden = free or 0, 0.0, False
        self._pass = self._through(list(pids))

    def _go_on(self, now_s: float, until: float, free: int | None) -> bool:
        """Whether the pass that is under way has come to its end."""
        if self._pass is None:
            return False
        began = time.monotonic()
        try:
            self._step(now_s, until, free)
        except (FileNotFoundError, ProcessLookupError):  # the gate is gone, and with it the way to its root
            self._pass, self._ended_s = None, now_s
            return False
        self._cost_s += time.monotonic() - began
        return self._pass is None

    def _step(self, now_s: float, until: float, free: int | None) -> None:
        for found in self._pass or ():
            if found is not None:
                lost = (self._free_at_start or 0) - (free or 0)
                self.used = max(found, lost) if self._hidden else found
                self._pass, self._ended_s = None, now_s
                break
            if time.monotonic() >= until:
                break

    def _through(self, pids: list[int]) -> Iterator[int | None]:
        """One pass; yields None now and then, and in the end the bytes."""
        total, seen, devices = 0, set[tuple[int, int]](), set[int]()
        for top in self._tops:
            for found in self._below(top):
                if found:
                    key, is_linked = (
                        (found.st_dev, found.st_ino),
                        found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode),
                    )
                    devices.add(found.st_dev)
                    total += 0 if is_linked and key in seen else found.st_blocks * _BLOCK
                    if is_linked:
                        seen.add(key)
                yield None
        for key, size in self._held(pids, devices):
            if key not in seen:
                seen.add(key)
                total += size
            yield None
        yield total

    def _below(self, top: str) -> Iterator[os.stat_result | None]:
        """What lies below a folder, by descriptors: a build may swap a folder for a link while it is looked at."""
        stack: list[tuple[int, Any]] = []
        try:
            self._enter(stack, top)
            while stack:
                entry = next(stack[-1][1], None)
                if entry is None:
                    _leave(stack)
                    continue
                yield self._look(stack, entry)
        finally:
            while stack:
                _leave(stack)

    def _enter(self, stack: list[tuple[int, Any]], name: str) -> None:
        fd = os.open(
            name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=stack[-1][0] if stack else None
        )
        stack.append((fd, os.scandir(fd)))

    def _look(self, stack: list[tuple[int, Any]], entry: os.DirEntry[str]) -> os.stat_result | None:
        try:
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                if (found.st_dev, found.st_ino) in self._foreign:
                    return None
                self._hidden |= len(stack) >= _DEEPEST
                if len(stack) < _DEEPEST:
                    self._enter(stack, entry.name)
        except FileNotFoundError:
            return None
        except OSError:
            self._hidden = True
            return None
        return found

    def _held(self, pids: list[int], devices: set[int]) -> Iterator[tuple[tuple[int, int], int]]:
        """Files without a name that processes have open or mapped, proc_pid_fd(5) and proc_pid_maps(5)."""
        for pid in pids:
            with contextlib.suppress(OSError):
                for name in os.listdir(f"{self._proc}/{pid}/fd"):  # noqa: PTH208
                    with contextlib.suppress(OSError):
                        found = os.stat(f"{self._proc}/{pid}/fd/{name}")  # noqa: PTH116
                        if found.st_nlink == 0 and found.st_dev in devices and stat.S_ISREG(found.st_mode):
                            yield (found.st_dev, found.st_ino), found.st_blocks * _BLOCK
            with contextlib.suppress(OSError), open(f"{self._proc}/{pid}/maps", "rb") as file:  # noqa: PTH123
                for start, end, offset, major, minor, inode in _GONE.findall(file.read()):
                    device = os.makedev(int(major, 16), int(minor, 16))
                    if device in devices:
                        yield (device, int(inode)), int(offset, 16) + int(end, 16) - int(start, 16)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _leave(stack: list[tuple[int, Any]]) -> None:
    fd, entries = stack.pop()
    entries.close()
    os.close(fd)
