"""No false alarm: the programs that this machine runs every day pass every rule."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.binaries import damaged, elf_target, expecting, messages

from buildproof.artifacts import examine
from buildproof.targets import Target

_PROGRAMS = Path("/usr/bin")
_MOST = 300
_LARGEST = 4 << 20  # bytes: the time of this test goes into hashing


def _programs() -> list[tuple[Path, Target]]:
    found = []
    for entry in sorted(os.scandir(_PROGRAMS), key=lambda entry: entry.name) if _PROGRAMS.is_dir() else ():
        if entry.is_file(follow_symlinks=False) and entry.stat().st_size <= _LARGEST and os.access(entry, os.R_OK):
            with Path(entry).open("rb") as file:
                target = elf_target(file.read(20))
            if target is not None:
                found.append((Path(entry), target))
    return found[:: max(1, -(-len(found) // _MOST))]


def test_no_program_of_this_machine_raises_a_false_alarm() -> None:
    programs = _programs()
    if not programs:
        pytest.skip(f"no ELF programs under {_PROGRAMS} on this machine")
    artifacts = [examine(path, expecting(target), path.name) for path, target in programs]
    alarms = {artifact.path: messages(artifact) for artifact in artifacts if damaged(artifact)}
    assert not alarms
