"""Random damage: whatever the bytes, `examine` answers, and soon."""

from __future__ import annotations

import random
import struct
import time
from pathlib import Path

import pytest
from tests.unit.binaries import elf_seeds, expecting, failing, judge, pe_seeds
from tests.unit.binaries_damage import Seed
from tests.unit.binaries_elf import Elf

from buildproof.artifacts import examine
from buildproof.evidence import CheckStatus

_INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFF, 0x1000, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63)
_MUTANTS = 500
_LONGEST = 2.0  # seconds for one file


def _mutant(seed: bytes, dice: random.Random) -> bytes:
    """The seed with one to six edits, most of them where headers and tables are."""
    data = bytearray(seed)
    ends = (64, 512, 1024, len(data))
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(min(dice.choice(ends), len(data)))
        if dice.random() < 0.2:
            at = len(data) - 1 - at
        kind = dice.random()
        if kind < 0.4:
            data[at] = dice.randrange(256)
        elif kind < 0.8:
            width = dice.choice((1, 2, 4, 8))
            value = dice.choice(_INTERESTING) & ((1 << 8 * width) - 1)
            data[at : at + width] = value.to_bytes(width, "little")
        elif kind < 0.9:
            start, length = dice.randrange(len(data)), dice.choice((16, 512, 4096))
            data[start : start + length] = bytes(len(data[start : start + length]))
        elif kind < 0.95:
            start, source = dice.randrange(len(data)), dice.randrange(len(data))
            data[start : start + 64] = data[source : source + 64]
        elif len(data) > 1:
            del data[dice.randrange(1, len(data)) :]
    return bytes(data)


@pytest.mark.parametrize("seed", [pe_seeds()[0], *pe_seeds()[1:2], *elf_seeds()[:2]], ids=lambda seed: seed.name)
def test_no_damage_raises_or_hangs(seed: Seed, tmp_path: Path) -> None:
    dice = random.Random(f"buildproof {seed.name}")  # noqa: S311
    path = tmp_path / "mutant"
    rejected = 0
    with path.open("wb", buffering=0) as file:  # written over and over: a new file costs more than its judgement
        for number in range(_MUTANTS):
            file.seek(0)
            file.write(_mutant(seed.data, dice))
            file.truncate()
            started = time.perf_counter()
            artifact = examine(path, expecting(seed.target), seed.name)
            assert time.perf_counter() - started < _LONGEST, f"mutant {number} of {seed.name}"
            rejected += any(check.status is CheckStatus.FAIL for check in artifact.checks)
    assert rejected > _MUTANTS // 4


def test_many_sections_over_many_zeros_cost_no_more_than_one_look(tmp_path: Path) -> None:
    seed, zeros, count = elf_seeds()[0], 16 << 20, 20_000
    data = bytearray(seed.data) + bytes(zeros)
    elf = Elf(data)
    text = bytearray(data[elf.text() : elf.text() + 64])
    struct.pack_into("<QQ", text, 24, len(seed.data), zeros)
    headers = data[elf.sections()[0] : elf.sections()[0] + 64 * elf.u16(60)]
    table = len(data)
    data += headers + bytes(text) * (count - elf.u16(60))
    elf.put64(40, table)
    elf.put16(60, count)
    started = time.perf_counter()
    assert "elf-code" in failing(judge(tmp_path, bytes(data), seed.target))
    assert time.perf_counter() - started < _LONGEST
