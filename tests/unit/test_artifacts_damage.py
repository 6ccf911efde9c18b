"""Every damaged program is rejected, by exactly the rule that the damage was made for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit import binaries_elf_damage, binaries_pe_damage
from tests.unit.binaries import damaged, elf_seeds, judge, messages, pe_seeds, warning
from tests.unit.binaries_damage import Damage, Seed, suited
from tests.unit.binaries_elf import Elf
from tests.unit.binaries_pe import Pe

from buildproof.artifacts import RULES
from buildproof.artifacts.rule import Aspect
from buildproof.evidence import CheckStatus
from buildproof.targets import Format, Machine

SEEDS = [*pe_seeds(), *elf_seeds()]
ELF64_SEEDS = [seed for seed in elf_seeds() if seed.target.machine is not Machine.I686]
PAIRS = [
    *suited(pe_seeds(), binaries_pe_damage.DAMAGES),
    *suited(ELF64_SEEDS, binaries_elf_damage.DAMAGES),
]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_a_sound_program_passes_every_rule(seed: Seed, tmp_path: Path) -> None:
    artifact = judge(tmp_path, seed.data, seed.target)
    assert not damaged(artifact), messages(artifact)
    assert not warning(artifact), messages(artifact)
    assert len(artifact.checks) == len(RULES[None]) + len(RULES[seed.target.binary_format])


@pytest.mark.parametrize(("seed", "damage"), PAIRS, ids=[f"{seed.name}-{damage.name}" for seed, damage in PAIRS])
def test_damage_is_rejected_by_the_rule_it_was_made_for(seed: Seed, damage: Damage, tmp_path: Path) -> None:
    data = damage.of(seed)
    assert data is not None
    artifact = judge(tmp_path, data, seed.target)
    rejected, warned = damaged(artifact), damaged(artifact, CheckStatus.WARNING)
    if damage.status is CheckStatus.FAIL:
        assert rejected == [damage.rule], messages(artifact)
    else:
        assert (rejected, warned) == ([], [damage.rule]), messages(artifact)


def test_there_is_a_damage_for_every_rule_about_structure() -> None:
    damages = [*binaries_pe_damage.DAMAGES, *binaries_elf_damage.DAMAGES]
    structural = {rule.id for kind in Format for rule in RULES[kind] if rule.aspect is Aspect.STRUCTURE}
    structural -= {"pe-second-opinion", "elf-second-opinion"}
    structural -= {"pe-holes", "elf-holes"}  # of the disk, not of the bytes: see test_artifacts_examine
    assert structural <= {damage.rule for damage in damages}


@pytest.mark.parametrize("seed", [SEEDS[0], ELF64_SEEDS[0]], ids=lambda seed: seed.name)
def test_every_cut_of_a_program_is_rejected(seed: Seed, tmp_path: Path) -> None:
    lengths = {*range(0, 1024, 7), *range(0, len(seed.data), 256), *range(len(seed.data) - 64, len(seed.data))}
    survivors = [size for size in sorted(lengths) if not damaged(judge(tmp_path, seed.data[:size], seed.target))]
    assert not survivors


def test_an_import_table_without_room_for_an_entry_says_that_nothing_is_imported(tmp_path: Path) -> None:
    seed = pe_seeds()[0]
    data = bytearray(seed.data)
    imports_zeroed = next(damage for damage in binaries_pe_damage.DAMAGES if damage.name == "imports-zeroed")
    imports_zeroed.apply(data)
    pe = Pe(data)
    assert "pe-directory-data" in damaged(judge(tmp_path, bytes(data), seed.target))
    pe.put32(pe.directories + 8 + 4, 20)
    assert "pe-directory-data" not in damaged(judge(tmp_path, bytes(data), seed.target))


def test_a_program_without_a_dynamic_section_is_judged_as_a_static_one(tmp_path: Path) -> None:
    seed = elf_seeds()[0]
    data = bytearray(seed.data)
    elf = Elf(data)
    for segment in (*elf.segments(2), *elf.segments(3)):
        elf.put32(segment, 0)
    for kind, broken in ((2, []), (3, ["elf-program"])):  # ET_EXEC is a program; ET_DYN with neither is a library
        elf.put16(16, kind)
        artifact = judge(tmp_path, bytes(data), seed.target)
        assert damaged(artifact) == broken, messages(artifact)
        (dynamic,) = [check for check in artifact.checks if check.id == "elf-dynamic"]
        assert dynamic.status is CheckStatus.NOT_APPLICABLE
