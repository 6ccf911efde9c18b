"""Random damage: whatever the bytes, `examine` answers, and soon. `benchmarks/fuzz.py` does the same for hours."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit import binaries_elf_damage, binaries_pe_damage
from tests.unit.binaries import elf_seeds, failing, judge, pe_seeds
from tests.unit.binaries_damage import Seed
from tests.unit.binaries_elf import Elf
from tests.unit.binaries_fuzz import LONGEST, Fuzzer
from tests.unit.bundles_fuzz import PackageFuzzer, package_seeds

from buildproof.targets import Format

_MUTANTS = 2000


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", [pe_seeds()[0], *pe_seeds()[1:2], *elf_seeds()[:2]], ids=lambda seed: seed.name)
def test_no_damage_raises_or_hangs(seed: Seed, tmp_path: Path, rounds: Callable[[int], int]) -> None:
    mutants = rounds(_MUTANTS)
    windows = seed.target.binary_format is Format.PE
    fuzzer = Fuzzer(
        path=tmp_path / "mutant",
        seeds=[seed],
        damages=binaries_pe_damage.DAMAGES if windows else binaries_elf_damage.DAMAGES,
        dice=random.Random(f"buildproof {seed.name}"),  # noqa: S311
    )
    for _ in range(mutants):
        fuzzer.step()
    assert fuzzer.rejected > mutants // 4
    assert len(fuzzer.seeds) > mutants // 40, "no answer was new: the mutants damage nothing"


@pytest.mark.fuzz
def test_no_damage_of_a_package_raises_or_hangs(tmp_path: Path, rounds: Callable[[int], int]) -> None:
    mutants = rounds(_MUTANTS)
    fuzzer = PackageFuzzer(
        path=tmp_path / "mutant",
        seeds=package_seeds(tmp_path),
        damages=[],
        dice=random.Random("buildproof packages"),  # noqa: S311
    )
    for _ in range(mutants):
        fuzzer.step()
    assert fuzzer.rejected > mutants // 4
    assert len(fuzzer.seeds) > mutants // 40, "no answer was new: the mutants damage nothing"


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
    started = time.process_time()
    assert "elf-code" in failing(judge(tmp_path, bytes(data), seed.target))
    assert time.process_time() - started < LONGEST
