"""Why a process died of SIGBUS: files that it had mapped, or that its command line names, and that are too short.

The kernel raises SIGBUS for a page of a mapping that lies beyond the end of its file, see mmap(2). The process is gone
when its end is read, so what is looked at is what outlived it: the files.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from .processes import Seen

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MOST_WORDS = 4000
_MOST_FILES = 400
_MOST_REPORTED = 5
_SYSTEM = ("/usr/", "/lib", "/bin/", "/sbin/", "/proc/", "/sys/", "/dev/")
# elf(5): e_phoff, e_shoff, e_phentsize, e_phnum, e_shentsize and e_shnum of the header; p_offset and p_filesz.
_HEADER = {2: struct.Struct("<32xQQ6xHHHH"), 1: struct.Struct("<28xII6xHHHH")}
_SEGMENT = {2: struct.Struct("<8xQ16xQ"), 1: struct.Struct("<4xI8xI")}


def elf_needs(head: bytes, table: bytes) -> int | None:
    """How long an ELF file has to be by its own headers, from its first bytes and its program header table.

    None when it is none, or not little-endian. Bytes.
    """
    layout = _layout(head)
    if layout is None:
        return None
    phoff, shoff, phentsize, phnum, shentsize, shnum = layout
    segment = _SEGMENT[head[4]]
    ends = [phoff + phentsize * phnum, shoff + shentsize * shnum if shoff else 0]
    for at in range(0, min(len(table), phentsize * phnum) - segment.size + 1, max(phentsize, 1)):
        offset, filesz = segment.unpack_from(table, at)
        ends.append(offset + filesz)
    return max(ends)


def _layout(head: bytes) -> tuple[int, ...] | None:
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in _HEADER or head[5] != 1:
        return None
    return _HEADER[head[4]].unpack_from(head)


class Clues:
    """Looks at files as the build sees them: through `root`, its /proc/<pid>/root."""

    def __init__(self, root: str) -> None:
        self._root = root

    def cut_files(self, seen: Seen) -> list[dict[str, object]]:
        """The files of an ended process that are too short, as {path, size, needed}; bytes."""
        found: list[dict[str, object]] = []
        named = dict.fromkeys(_named(seen.words, seen.cwd or "/", self._folder))
        for path, mapped_to in list({**named, **seen.mapped}.items())[:_MOST_FILES]:
            cut = self._cut(path, mapped_to)
            if cut:
                found.append(cut)
        return found[:_MOST_REPORTED]

    def _folder(self, path: str) -> Iterable[str]:
        try:
            return sorted(os.listdir(self._root + path))[:_MOST_FILES]  # noqa: PTH208
        except OSError:
            return ()

    def _cut(self, path: str, mapped_to: int | None) -> dict[str, object] | None:
        try:
            fd = os.open(self._root + path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            status = os.fstat(fd)
            if status.st_mode & 0o170000 != 0o100000:
                return None
            size, needed = status.st_size, mapped_to
            if mapped_to is None:
                head = os.pread(fd, 64, 0)
                layout = _layout(head)
                if layout:
                    needed = elf_needs(head, os.pread(fd, min(layout[2] * layout[3], 1 << 16), layout[0]))
                elif size:
                    return None
        except OSError:
            return None
        else:
            reaches = -(-size // _PAGE) * _PAGE if mapped_to is not None else size
            return {"path": path, "size": size, "needed": needed} if needed is None or reaches < needed else None
        finally:
            os.close(fd)


def _named(words: tuple[str, ...], cwd: str, folder: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """Paths that a command line names: words, what stands behind `=`, and shared objects in folders given with -L."""
    for index, word in enumerate(words[:_MOST_WORDS]):
        before = words[index - 1] if index else ""
        kind, _, rest = word.rpartition("=")
        if before == "-L" or word.startswith("-L"):
            place = _absolute(rest or word.removeprefix("-L"), cwd)
            yield from (f"{place}/{name}" for name in folder(place) if name.endswith(".so"))
        elif kind and "/" in rest:
            yield _absolute(rest, cwd)
        elif index and word and not word.startswith("-"):
            yield _absolute(word, cwd)


def _absolute(path: str, cwd: str) -> str:
    joined = PurePosixPath(cwd) / path
    return os.path.normpath(joined)


def worth_noting(path: str) -> bool:
    """Whether a mapped file may be one that a build cuts: not one of the system's own."""
    return path.startswith("/dev/shm/") or (path.startswith("/") and not path.startswith(_SYSTEM))  # noqa: S108
