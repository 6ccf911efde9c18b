"""Why a process died of SIGBUS: files that it had mapped, or that its command line names, and that are too short.

The kernel raises SIGBUS for a page of a mapping that lies beyond the end of its file, see mmap(2). The process is gone
when its end is read, so what is looked at is what outlived it: the files.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import PurePosixPath

from .processes import Seen

_HEADER_BYTES = 64  # of a 64-bit file; one of 32 bits has 52, and is never so short
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LOOK = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_SYS_OPENAT2 = 437  # the same on every architecture
_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10
_libc = ctypes.CDLL(None, use_errno=True)
_MOST_WORDS = 4000
_MOST_FILES = 400
_MOST_FOLDERS = 20
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
    if len(head) < _HEADER_BYTES or head[:4] != b"\x7fELF" or head[4] not in _HEADER or head[5] != 1:
        return None
    return _HEADER[head[4]].unpack_from(head)


def _own_length(fd: int, size: int) -> int | None:
    head = os.pread(fd, _HEADER_BYTES, 0)
    if head[:4] == b"\x7fELF" and size < _HEADER_BYTES:
        return _HEADER_BYTES
    layout = _layout(head)
    return elf_needs(head, os.pread(fd, min(layout[2] * layout[3], 1 << 16), layout[0])) if layout else None


def open_in_root(root: str, path: str) -> int:
    """A descriptor of the file that `path` means for a process with that root: links in it do not lead out.

    Raises OSError. openat2(2) with RESOLVE_IN_ROOT, since kernel 5.6; where it is refused a path with a link at its end
    is not opened.
    """
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = struct.pack("=QQQ", _LOOK, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        fd = int(_libc.syscall(_SYS_OPENAT2, root_fd, os.fsencode(path), how, len(how)))
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in {errno.ENOSYS, errno.EPERM}:
            raise OSError(number, os.strerror(number), path)
        return os.open(path.lstrip("/"), _LOOK | os.O_NOFOLLOW, dir_fd=root_fd)
    finally:
        os.close(root_fd)


class Clues:
    """Looks at files as the build sees them: through `root`, its /proc/<pid>/root."""

    def __init__(self, root: str) -> None:
        self._root = root

    def cut_files(self, seen: Seen) -> list[dict[str, object]]:
        """The files of an ended process that are too short, as {path, size, needed}; bytes."""
        found: list[dict[str, object]] = []
        named = ((path, None) for path in _named(seen.words, seen.cwd or "/", self._folder))
        looked: set[str] = set()
        for path, mapped_to in (*seen.mapped.items(), *islice(named, _MOST_FILES)):
            if path in looked:
                continue
            if len(looked) == _MOST_FILES or len(found) == _MOST_REPORTED:
                break
            looked.add(path)
            cut = self._cut(path, mapped_to)
            if cut:
                found.append(cut)
        return found

    def _folder(self, path: str) -> Iterable[str]:
        try:
            return sorted(os.listdir(self._root + path))[:_MOST_FILES]  # noqa: PTH208
        except OSError:
            return ()

    def _cut(self, path: str, mapped_to: int | None) -> dict[str, object] | None:
        try:
            fd = open_in_root(self._root, path)
        except OSError:
            return None
        try:
            status = os.fstat(fd)
            if status.st_mode & 0o170000 != 0o100000:
                return None
            size, needed = status.st_size, mapped_to
            if mapped_to is None:
                needed = _own_length(fd, size)
                if needed is None and size:
                    return None
        except (OSError, OverflowError):
            return None
        else:
            reaches = -(-size // _PAGE) * _PAGE if mapped_to is not None else size
            return {"path": path, "size": size, "needed": needed} if needed is None or reaches < needed else None
        finally:
            os.close(fd)


def _named(words: tuple[str, ...], cwd: str, folder: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """Paths that a command line names: words, what stands behind `=`, and shared objects in folders given with -L."""
    folders = 0
    for index, word in enumerate(words[:_MOST_WORDS]):
        before = words[index - 1] if index else ""
        kind, _, rest = word.rpartition("=")
        if before == "-o":  # what a process writes is not what it stumbles over
            continue
        if word != "-L" and (before == "-L" or word.startswith("-L")):
            folders += 1
            if folders > _MOST_FOLDERS:
                continue
            place = _absolute(rest if kind else word.removeprefix("-L"), cwd)
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
