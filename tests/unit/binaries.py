"""Programs to be judged in tests: two minimal ones assembled here, and real ones that are on every machine.

How to break them is told in `binaries_pe_damage` and `binaries_elf_damage`.
"""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path

from tests.unit.binaries_damage import Seed
from tests.unit.binaries_elf import minimal_elf
from tests.unit.binaries_pe import minimal_pe

from buildproof.artifacts import RULES, Expectation, examine
from buildproof.artifacts.rule import Aspect
from buildproof.bundles import RULES as PACKAGES
from buildproof.evidence import Artifact, CheckStatus
from buildproof.targets import Format, Machine, Target

STRUCTURE = {rule.id for rules in (*RULES.values(), PACKAGES) for rule in rules if rule.aspect is Aspect.STRUCTURE}


def judge(directory: Path, data: bytes, expected: Target | Expectation) -> Artifact:
    """`examine` of these bytes, out of a file in `directory`."""
    path = directory / "artifact"
    path.write_bytes(data)
    return examine(path, expecting(expected), "artifact")


def expecting(expected: Target | Expectation) -> Expectation:
    """A program for a target, unless more is said."""
    return Expectation(target=expected) if isinstance(expected, Target) else expected


def failing(artifact: Artifact) -> list[str]:
    """The ids of the rules that it breaks."""
    return [check.id for check in artifact.checks if check.status is CheckStatus.FAIL]


def damaged(artifact: Artifact, status: CheckStatus = CheckStatus.FAIL) -> list[str]:
    """The ids of the rules about structure that it breaks: not what it needs of a system, nor how it is hardened."""
    return [check.id for check in artifact.checks if check.status is status and check.id in STRUCTURE]


def warning(artifact: Artifact) -> list[str]:
    """The ids of the rules that only warn."""
    return [check.id for check in artifact.checks if check.status is CheckStatus.WARNING]


def messages(artifact: Artifact) -> str:
    """What a person would read about it, one check per line."""
    return "\n".join(f"{check.status} {check.id}: {check.message}. {check.mend}" for check in artifact.checks)


def pe_seeds() -> list[Seed]:
    """The minimal PE file, and the launchers that pip brings along: MSVC's and clang's work, for three machines."""
    seeds = [Seed("minimal.exe", minimal_pe(), Target.WINDOWS_X86_64)]
    for name, target in (
        ("t64.exe", Target.WINDOWS_X86_64),
        ("w64.exe", Target.WINDOWS_X86_64),
        ("t32.exe", Target.WINDOWS_I686),
        ("t64-arm.exe", Target.WINDOWS_AARCH64),
    ):
        seeds.extend(Seed(name, data, target) for data in _launcher(name))
    return seeds


def elf_seeds() -> list[Seed]:
    """The minimal ELF file, and this machine's own `true` and Python where they are ELF files with sections."""
    seeds = [Seed("minimal", minimal_elf(), Target.LINUX_X86_64)]
    for path in (Path("/bin/true"), Path(sys.executable).resolve()):
        data = path.read_bytes() if path.is_file() else b""
        target = elf_target(data[:20])
        if target is not None and len(data) < 16 << 20:
            seeds.append(Seed(path.name, data, target))
    return seeds


def elf_target(head: bytes) -> Target | None:
    """The target of an ELF executable with these first 20 bytes; None for anything else."""
    if len(head) < 20 or head[:4] != b"\x7fELF" or head[5] != 1:
        return None
    kind, number = struct.unpack_from("<HH", head, 16)
    machine = next((machine for machine in Machine if machine.elf == number), None)
    if machine is None or kind not in (2, 3) or head[4] != machine.bits // 32:
        return None
    return next(target for target in Target if target.machine is machine and target.binary_format is Format.ELF)


def _launcher(name: str) -> list[bytes]:
    spec = importlib.util.find_spec("pip")
    places = spec.submodule_search_locations if spec else None
    paths = [Path(place) / "_vendor" / "distlib" / name for place in places or ()]
    return [path.read_bytes() for path in paths if path.is_file()]
