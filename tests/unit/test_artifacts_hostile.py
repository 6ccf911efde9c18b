"""Files that were made to keep their reader busy: each table as large, and as intertwined, as its format allows."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.binaries_elf import Elf, Needs, minimal_elf
from tests.unit.binaries_fuzz import LONGEST
from tests.unit.binaries_pe import _RDATA, Pe, minimal_pe

from buildproof.targets import Target

WINDOWS, LINUX = Target.WINDOWS_X86_64, Target.LINUX_X86_64
_MOST_MEMORY = 500 << 20
_BIG = 16 << 20
# In a process of its own, whose memory is nobody else's.
_JUDGE = """
import re, sys, time
from pathlib import Path
from buildproof.artifacts import Expectation, examine
from buildproof.hardening import Hardening
from buildproof.targets import Target
expected = Expectation(target=Target(sys.argv[2]), glibc="2.0", hardening=Hardening.STRICT)
started = time.process_time()
artifact = examine(Path(sys.argv[1]), expected, "hostile")
took = time.process_time() - started
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10
print(took, peak, sum(check.status == "fail" for check in artifact.checks))
"""


def pe_with_rdata(content: bytes, directory: int, size: int) -> bytes:
    """The minimal program with this content as its last section, which a data directory leads to."""
    data = bytearray(minimal_pe())
    pe = Pe(data)
    last = pe.header(-1)
    rva, offset = pe.u32(last + 12), -(-len(data) // 512) * 512
    content += bytes(-len(content) % 512)
    pe.put32(last + 8, len(content))
    pe.put32(last + 16, len(content))
    pe.put32(last + 20, offset)
    pe.put32(pe.optional + 56, rva + -(-len(content) // 4096) * 4096)
    pe.put64(pe.coff + 8, 0)  # no symbols
    pe.put64(pe.directories + 8 * 5, 0)  # no relocations: they were in this section
    pe.put32(pe.directories + 8 * directory, rva)
    pe.put32(pe.directories + 8 * directory + 4, size)
    return bytes(data.ljust(offset, b"\0")) + content


_RELOC = 0x8000  # where that section is


def many_imports_of_one_long_name() -> bytes:
    """One DLL, of which as many names are imported as fit, all of them the same 4,000 letters."""
    count = _BIG // 8
    names = struct.pack("<IIIII", _RELOC + 8192, 0, 0, _RELOC + 100, _RELOC + 8192).ljust(100, b"\0") + b"A.dll\0"
    names = names.ljust(1000, b"\0") + b"\0\0" + b"a" * 4000 + b"\0"
    return pe_with_rdata(names.ljust(8192, b"\0") + struct.pack("<Q", _RELOC + 1000) * count + bytes(8), 1, 40)


def many_exports_of_one_long_name() -> bytes:
    """65,535 names, all of them the same 4,000 letters."""
    table = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, _RELOC + 100, 1, 65535, 65535, *[_RELOC + 8192] * 2, _RELOC + 8192)
    table = table.ljust(100, b"\0") + b"a" * 4000 + b"\0"
    return pe_with_rdata(table.ljust(8192, b"\0") + struct.pack("<I", _RELOC + 100) * 65536, 0, 4096)


def many_relocation_blocks() -> bytes:
    """Blocks of nothing, one behind the other."""
    return pe_with_rdata(struct.pack("<II", _RDATA, 8) * (_BIG // 8), 5, _BIG)


def many_functions() -> bytes:
    """An exception table, all of it."""
    return pe_with_rdata(struct.pack("<III", 0x1000, 0x1001, 0x5420) * (_BIG // 12), 3, _BIG // 12 * 12)


def resources_that_share() -> bytes:
    """A tree in which every branch is the same: 65,535 times 65,535 leaves."""
    level = struct.pack("<12xHH", 0, 65535)
    first = level + struct.pack("<II", 1, 0x80000000 + 0x90000) * 65535
    second = level + struct.pack("<II", 1, 0x100000) * 65535
    return pe_with_rdata(first.ljust(0x90000, b"\0") + second.ljust(0x90000, b"\0"), 2, 0x1000)


def many_symbols() -> bytes:
    """COFF symbols up to the end of the file."""
    data = bytearray(minimal_pe())
    pe = Pe(data)
    count = _BIG // 18
    pe.put32(pe.coff + 12, count)
    end = pe.symbols
    return bytes(data[:end]) + struct.pack("<8sIhHBB", b"name", 0, 1, 0, 2, 0) * count + struct.pack("<I", 4)


def elf_with_tail(tag_values: dict[int, int], tail: bytes) -> bytes:
    """The minimal program without sections, its data segment grown by `tail`, at 0x10000 in file and memory."""
    data = bytearray(minimal_elf(Needs(library="libc.so.6", versions=(("GLIBC_2.2.5", "puts"),))))
    elf = Elf(data)
    elf.put64(40, 0)
    elf.put16(60, 0)
    load = elf.segments(1)[-1]
    for field in (32, 40):
        elf.put64(load + field, 0x10000 - 0x5000 + len(tail))
    for tag, value in tag_values.items():
        elf.put64(elf.tag(tag), value)
    return bytes(data).ljust(0x10000, b"\0") + tail


def many_elf_relocations() -> bytes:
    """Relative relocations, in no order."""
    count = _BIG // 24
    table = b"".join(struct.pack("<QQQ", 0x5100 + 8 * (index * 7919 % 4096), 8, 0) for index in range(4096))
    return elf_with_tail({7: 0x10000, 8: count // 4096 * 4096 * 24, 0x6FFFFFF9: 0}, table * (count // 4096))


def strings_without_end() -> bytes:
    """A string table of one long text, and symbols whose names begin all over it."""
    text = b"\0" + b"a" * (_BIG // 2) + b"\0"
    return elf_with_tail({5: 0x10000, 10: len(text)}, text)


def a_hash_chain_without_end() -> bytes:
    """DT_HASH, all of whose buckets lead to the last symbol."""
    buckets = _BIG // 4 - 8
    return elf_with_tail({4: 0x10000}, struct.pack("<II", buckets, 2) + struct.pack("<I", 1) * buckets + bytes(8))


def many_notes() -> bytes:
    """The stack's header becomes a note segment of the smallest notes."""
    data = bytearray(elf_with_tail({}, struct.pack("<III4s", 4, 0, 1, b"GNU\0") * (_BIG // 16)))
    elf = Elf(data)
    at = elf.segments(0x6474E551)[0]
    data[at : at + 56] = struct.pack("<IIQQQQQQ", 4, 4, 0x10000, 0x10000, 0x10000, _BIG, _BIG, 4)
    return bytes(data)


HOSTILE = [
    (many_imports_of_one_long_name, WINDOWS),
    (many_exports_of_one_long_name, WINDOWS),
    (many_relocation_blocks, WINDOWS),
    (many_functions, WINDOWS),
    (resources_that_share, WINDOWS),
    (many_symbols, WINDOWS),
    (many_elf_relocations, LINUX),
    (strings_without_end, LINUX),
    (a_hash_chain_without_end, LINUX),
    (many_notes, LINUX),
]


@pytest.mark.parametrize(("make", "target"), HOSTILE, ids=[make.__name__ for make, _ in HOSTILE])
def test_a_hostile_file_is_judged_in_time_and_memory(make: Callable[[], bytes], target: Target, tmp_path: Path) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(make())
    judged = subprocess.run([sys.executable, "-c", _JUDGE, path, target], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stderr
    seconds, peak, failed = judged.stdout.split()
    assert float(seconds) < LONGEST
    assert int(peak) < _MOST_MEMORY
    assert int(failed) > 0
