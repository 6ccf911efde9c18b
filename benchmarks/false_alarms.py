"""Every ELF and PE file below some folders through the rules: which of them would be refused, and why?

    .venv/bin/python benchmarks/false_alarms.py /usr /lib

An installed Debian with wine and mingw-w64 has some thousands of each; all of them are sound. What a file is expected
to be is taken from the file here, which a build never does. Ends with 1 if any rule failed.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from buildproof.artifacts import RULES, Expectation, Kind, examine
from buildproof.artifacts.rule import Aspect
from buildproof.evidence import CheckStatus
from buildproof.targets import Format, Machine, Target

# What a distribution's own files need, and how they are hardened, is the distribution's choice.
_STRUCTURE = {rule.id for rules in RULES.values() for rule in rules if rule.aspect is Aspect.STRUCTURE}
_PT_INTERP, _ET_EXEC, _ET_DYN = 3, 2, 3


def expectation_of(head: bytes) -> Expectation | None:
    """What a file with these first bytes says that it is; None for what is no program or library for a known target."""
    if head[:4] == b"\x7fELF" and len(head) >= 64:
        return _elf(head)
    if head[:2] == b"MZ" and len(head) >= 64:
        return _pe(head)
    return None


def _elf(head: bytes) -> Expectation | None:
    if head[5] != 1:
        return None
    kind, number = struct.unpack_from("<HH", head, 16)
    machine = next((machine for machine in Machine if machine.elf == number), None)
    if machine is None or kind not in (_ET_EXEC, _ET_DYN) or head[4] != machine.bits // 32:
        return None
    wide = machine.bits == 64
    start = struct.unpack_from("<Q" if wide else "<I", head, 32 if wide else 28)[0]
    size, count = struct.unpack_from("<HH", head, 54 if wide else 42)
    types = [
        struct.unpack_from("<I", head, start + i * size)[0] for i in range(count) if start + i * size + 4 <= len(head)
    ]
    program = kind == _ET_EXEC or _PT_INTERP in types
    return Expectation(target=_target(machine, Format.ELF), kind=Kind.PROGRAM if program else Kind.LIBRARY)


def _pe(head: bytes) -> Expectation | None:
    at = struct.unpack_from("<I", head, 60)[0]
    if at + 24 > len(head) or head[at : at + 4] != b"PE\0\0":
        return None
    number, characteristics = struct.unpack_from("<H", head, at + 4)[0], struct.unpack_from("<H", head, at + 22)[0]
    machine = next((machine for machine in Machine if machine.coff == number), None)
    if machine is None or not characteristics & 2:
        return None
    return Expectation(
        target=_target(machine, Format.PE), kind=Kind.LIBRARY if characteristics & 0x2000 else Kind.PROGRAM
    )


def _target(machine: Machine, kind: Format) -> Target:
    return next(target for target in Target if target.machine is machine and target.binary_format is kind)


def executables(roots: list[Path]) -> Iterator[tuple[Path, Expectation]]:
    """All regular files with a known head, each once, links not followed."""
    seen: set[tuple[int, int]] = set()
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                if name.endswith(".debug"):  # debug information that was taken out of a program is none
                    continue
                path = Path(folder, name)
                try:
                    status = path.lstat()
                    if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in seen:
                        continue
                    seen.add((status.st_dev, status.st_ino))
                    with path.open("rb") as file:
                        expected = expectation_of(file.read(4096))
                except OSError:
                    continue
                if expected:
                    yield path, expected


def main(arguments: list[str]) -> int:
    """Judge what is below the folders; 1 when a rule failed."""
    counts: Counter[str] = Counter()
    found: dict[tuple[CheckStatus, str], list[str]] = defaultdict(list)
    began, slowest = time.perf_counter(), (0.0, "")
    for path, expected in executables([Path(argument) for argument in arguments or ["/usr"]]):
        started = time.perf_counter()
        artifact = examine(path, expected, str(path))
        slowest = max(slowest, (time.perf_counter() - started, str(path)))
        counts[f"{expected.target.binary_format} {expected.kind}"] += 1
        for check in artifact.checks:
            if check.id in _STRUCTURE and check.status in (CheckStatus.FAIL, CheckStatus.WARNING):
                found[check.status, check.id].append(f"{path}: {check.message}")
    for (status, rule), lines in sorted(found.items()):
        print(f"{status} {rule}: {len(lines)}")
        for line in lines[:5]:
            print(f"    {line[:300]}")
    print(", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items())), end="; ")
    print(f"{time.perf_counter() - began:.0f} s, the slowest {slowest[0]:.2f} s: {slowest[1]}")
    return any(status is CheckStatus.FAIL for status, _ in found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
