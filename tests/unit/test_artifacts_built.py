"""What compilers make today is sound, and every damage of it is rejected by the rule made for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit import binaries_elf_damage, binaries_pe_damage
from tests.unit.binaries import damaged, judge, messages
from tests.unit.binaries_built import RECIPES, Recipe, built
from tests.unit.binaries_damage import Seed

from buildproof.artifacts import Expectation
from buildproof.evidence import CheckStatus
from buildproof.targets import Format, Machine


@pytest.fixture(params=RECIPES, ids=lambda recipe: recipe.name)
def seed(request: pytest.FixtureRequest) -> Seed:
    recipe: Recipe = request.param
    made = built(recipe, request.config.cache.mkdir("buildproof-binaries"))
    if made is None:
        pytest.skip(f"{recipe.command} makes nothing here")
    return made


def test_what_a_compiler_makes_is_sound(seed: Seed, tmp_path: Path) -> None:
    artifact = judge(tmp_path, seed.data, seed.target)
    assert not damaged(artifact), messages(artifact)
    assert not damaged(artifact, CheckStatus.WARNING), messages(artifact)


def test_every_damage_of_it_is_rejected_by_its_rule(seed: Seed, tmp_path: Path, rounds: Callable[[int], int]) -> None:
    """A tenth of the damages now, for each program another; all of them with `--thorough`."""
    if seed.target.binary_format is Format.ELF and seed.target.machine is Machine.I686:
        pytest.skip("the mutations of ELF files are for ELF64")
    module = binaries_pe_damage if seed.target.binary_format is Format.PE else binaries_elf_damage
    step = len(module.DAMAGES) // rounds(len(module.DAMAGES))
    first = [recipe.name for recipe in RECIPES].index(seed.name) % step
    wrong = []
    count = 0
    for damage in module.DAMAGES[first::step]:
        data = damage.of(seed)
        if data is None:
            continue
        count += 1
        artifact = judge(tmp_path, data, Expectation(target=seed.target))
        found = damaged(artifact, damage.status)
        # GNU ld writes a checksum, so that every damage that only warns has one beside it.
        if damage.rule not in found or (damage.status is CheckStatus.FAIL and found != [damage.rule]):
            wrong.append(f"{damage.name}: {found}, not {damage.rule}")
    assert not wrong
    assert count >= rounds(40)
