"""The loads of the calibration. Runs inside the build container; standard library only.

A load that holds memory says how much, on a line that begins with `buildproof-load: `: what all processes of the box
held before it began, by /proc/<pid>/smaps_rollup, and what it then touched, page by page. No cgroup counter is asked,
for those are what the calibration is about.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1 << 20
MARK = "buildproof-load: "
SHM = Path("/dev/shm")  # noqa: S108 (the mount itself is what is filled)
SCRATCH = Path("/scratch")
DAEMON_S = 1234


def anonymous_of_all() -> int:
    """Anonymous memory of all processes of the box in bytes, shared pages once: Pss_Anon of proc_pid_smaps(5).

    The probe, which is no part of the box, refuses to be looked at.
    """
    total = 0
    for status in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            lines = status.read_text("ascii").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon:"))
    return total


def page_tables_of_all() -> int:
    """Page tables of the same processes in bytes: VmPTE of proc_pid_status(5)."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text("utf-8", "replace").splitlines()
            (status.parent / "smaps_rollup").read_bytes()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmPTE:"))
    return total


def tell(*, anonymous: int, shared: int, page_tables: int, held_s: float) -> None:
    """Say what was held at once, bytes, and for how long from the last page touched to the first given back."""
    facts = {"anonymous": anonymous, "shared": shared, "page_tables": page_tables, "held_ms": round(held_s * 1000, 1)}
    print(MARK + json.dumps(facts), flush=True)  # noqa: T201


def touched(size: int) -> mmap.mmap:
    """Private anonymous memory of `size` bytes, all of it written to.

    By one call into libc: a loop in Python would need the interpreter's own pages again and again, and at a memory
    limit these are what the kernel takes back first. Such a box thrashes for minutes before anything is killed.
    """
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = ctypes.c_char.from_buffer(memory)
    ctypes.memset(ctypes.addressof(view), 1, size)
    del view  # a mapping with a view of it cannot be closed
    return memory


def hold(mib: int, ms: int, *, read_again: bool = False) -> None:
    """Hold anonymous memory in this process."""
    before, tables = anonymous_of_all(), page_tables_of_all()
    memory = touched(mib * MIB)
    began = time.monotonic()
    if read_again:
        memory.find(b"\0")  # there is none: every byte is looked at, by one call again
    time.sleep(ms / 1000)
    held_s = time.monotonic() - began
    memory.close()
    tables += mib * MIB // mmap.PAGESIZE * 8  # one entry of eight bytes per page
    tell(anonymous=before + mib * MIB, shared=0, page_tables=tables, held_s=held_s)


def share(mib: int, ms: int) -> None:
    """Hold a file on /dev/shm: memory that no process maps."""
    chunk = b"\1" * MIB
    before, tables = anonymous_of_all(), page_tables_of_all()
    path = SHM / "held"
    with path.open("wb", buffering=0) as file:
        for _ in range(mib):
            file.write(chunk)
    began = time.monotonic()
    time.sleep(ms / 1000)
    held_s = time.monotonic() - began
    path.unlink()
    tell(anonymous=before, shared=mib * MIB, page_tables=tables, held_s=held_s)


def split(count: int, mib: int, ms: int) -> None:
    """Hold anonymous memory in several processes at once, each with its own part."""
    ready, say_ready = os.pipe()
    over, end = os.pipe()
    for _ in range(count):
        if os.fork() == 0:
            os.close(end)
            memory = touched(mib * MIB)
            os.write(say_ready, b".")
            os.read(over, 1)  # returns when the parent has closed its end
            memory.close()
            os._exit(0)
    for _ in range(count):
        os.read(ready, 1)
    began = time.monotonic()
    held, tables = anonymous_of_all(), page_tables_of_all()
    time.sleep(ms / 1000)
    held_s = time.monotonic() - began
    os.close(end)
    for _ in range(count):
        os.wait()
    tell(anonymous=held, shared=0, page_tables=tables, held_s=held_s)


def stream(mib: int) -> None:
    """Write and read a file that is larger than the box: page cache, which the kernel gives back when it is needed."""
    chunk, buffer = b"\1" * MIB, bytearray(b"\1" * MIB)
    before, tables = anonymous_of_all(), page_tables_of_all()
    began = time.monotonic()
    with Path("streamed").open("w+b", buffering=0) as file:
        for number in range(mib):
            file.write(chunk)
            if number % 32 == 31:
                os.fsync(file.fileno())  # dirty pages cannot be given back
        file.seek(0)
        while file.readinto(buffer):
            pass
    tell(anonymous=before, shared=0, page_tables=tables, held_s=time.monotonic() - began)


def swap(mib: int, ms: int) -> None:
    """Hold more than the box has memory for, and read all of it: what comes back keeps its place in swap on v2."""
    hold(mib, ms, read_again=True)


def in_grandchild(act: Callable[[], object]) -> None:
    """Do `act` two processes down; how it ends is nobody's business, and the build goes on."""
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            act()
            os._exit(0)
        os.waitpid(grandchild, 0)
        os._exit(0)
    os.waitpid(child, 0)


def out_of_memory(mib: int) -> None:
    """Ask for more than the box has, in a grandchild that the kernel kills and nobody misses."""
    in_grandchild(lambda: touched(mib * MIB))


def sigbus(mib: int) -> None:
    """Touch pages of a mapped file that /dev/shm has no room for, in a grandchild that nobody misses."""

    def fill() -> None:
        file = os.open(SHM / "mapped", os.O_RDWR | os.O_CREAT)
        os.ftruncate(file, mib * MIB)
        mapped = mmap.mmap(file, mib * MIB)
        for at in range(0, mib * MIB, mmap.PAGESIZE):
            mapped[at] = 1

    in_grandchild(fill)


def no_space(mib: int) -> None:
    """Write more than the mount has room for, and fail as a linker does."""
    chunk = b"\1" * MIB
    path = SCRATCH / "output"
    try:
        with path.open("wb", buffering=0) as file:
            for _ in range(mib):
                rest = memoryview(chunk)
                while rest:
                    rest = rest[file.write(rest) :]
    except OSError as error:
        sys.exit(f"cannot write {path}: {error.strerror}")


def silent() -> None:
    """Say one line, then nothing: an answer is awaited that never comes."""
    print("waiting for the lock", flush=True)  # noqa: T201
    time.sleep(600)


def daemon() -> None:
    """Leave a process behind, as compile servers do, and go when it is what it is to be."""
    child = os.fork()
    if child == 0:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.execvp("sleep", ["sleep", str(DAEMON_S)])  # noqa: S606
    while Path(f"/proc/{child}/comm").read_text("ascii") != "sleep\n":
        time.sleep(0.005)


def executable() -> bytes:
    """The least that is an executable, for a build has to leave one: a static ELF for x86_64 that exits with 0."""
    code = b"\x31\xff\xb8\x3c\0\0\0\x0f\x05"  # xor edi, edi; mov eax, 60 (exit); syscall
    address, headers = 0x400000, 64 + 56
    size = headers + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, address + headers, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 0x1000)
    return header + segment + code


LOADS: dict[str, Callable[..., None]] = {
    "hold": hold,
    "share": share,
    "split": split,
    "stream": stream,
    "swap": swap,
    "out-of-memory": out_of_memory,
    "sigbus": sigbus,
    "no-space": no_space,
    "silent": silent,
    "daemon": daemon,
}

if __name__ == "__main__":
    LOADS[sys.argv[1]](*map(int, sys.argv[2:]))
    Path("app").write_bytes(executable())
