"""Random damage, guided by what the rules say: a mutant that gets a new answer becomes a seed itself."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.unit.binaries import damaged
from tests.unit.binaries_damage import Damage, Seed

from buildproof.artifacts import Expectation, examine
from buildproof.evidence import Artifact
from buildproof.hardening import Hardening, Symbols

LONGEST = 2.0  # seconds of CPU time for one file: the wall would tell what else the machine does
_INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFF, 0x1000, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63)
_NUMBER = re.compile(r"0x[0-9a-f]+|[0-9]+|'[^']*'")
MOST_KEPT = 64 << 20
_LARGEST = 4 << 20  # bytes


def mutant(seed: bytes, dice: random.Random) -> bytes:
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


class FoundError(Exception):
    """A file that the rules did not take as they must; `data` is the file."""

    def __init__(self, what: str, data: bytes) -> None:
        self.data = data
        super().__init__(what)


@dataclass
class Fuzzer:
    """Makes mutants of `seeds` (of one format) in one file at `path`, and remembers which answers were given."""

    path: Path
    seeds: list[Seed]
    damages: list[Damage]
    dice: random.Random
    answers: set[tuple[str, str, str]] = field(default_factory=set)
    rejected: int = 0
    kept: int = 0  # bytes of the seeds that were found
    slowest: float = 0.0

    def step(self) -> None:
        """One mutant. Raises FoundError where judging it raises, or takes too long."""
        seed = self.dice.choice(self.seeds)
        data = self._mutant(seed)
        started = time.process_time()
        try:
            artifacts = self._judge(seed, data)
        except Exception as error:
            raise FoundError(f"{type(error).__name__}: {error}", data) from error
        took = time.process_time() - started
        self.slowest = max(self.slowest, took)
        if took > LONGEST:
            raise FoundError(f"{took:.1f} s", data)
        self.rejected += any(damaged(artifact) for artifact in artifacts)
        if self._new(artifacts) and data and self.kept + len(data) < MOST_KEPT:
            self.kept += len(data)
            self.seeds.append(Seed(seed.name, data, seed.target))

    def _judge(self, seed: Seed, data: bytes) -> tuple[Artifact, ...]:
        self.path.write_bytes(data)
        return (examine(self.path, self._expectation(seed), seed.name),)

    def _mutant(self, seed: Seed) -> bytes:
        chosen: Callable[[bytes], bytes | None] = lambda data: mutant(data, self.dice)  # noqa: E731
        if self.damages and self.dice.random() < 0.3:
            chosen = self._damaged()
        return chosen(seed.data) or mutant(seed.data, self.dice)

    def _damaged(self) -> Callable[[bytes], bytes | None]:
        """A mutation that is made for one rule, and random ones on top."""
        damage = self.dice.choice(self.damages)

        def apply(data: bytes) -> bytes | None:
            changed = bytearray(data)
            try:
                damage.apply(changed)
            except Exception:  # noqa: BLE001 - a mutation of a sound program may stumble over a damaged one
                return None
            return mutant(bytes(changed), self.dice) if 0 < len(changed) <= _LARGEST else None

        return apply

    def _expectation(self, seed: Seed) -> Expectation:
        return Expectation(
            target=seed.target, glibc="2.17", windows="7", hardening=Hardening.STRICT, symbols=Symbols.STRIPPED
        )

    def _new(self, artifacts: tuple[Artifact, ...]) -> bool:
        checks = [check for artifact in artifacts for check in artifact.checks]
        said = {(check.id, check.status.value, _NUMBER.sub("N", check.message)[:48]) for check in checks}
        new = not said <= self.answers
        self.answers |= said
        return new
