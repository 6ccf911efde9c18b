"""How to say in one line what a damage does to a program, and which rule has to notice."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from buildproof.evidence import CheckStatus
from buildproof.targets import Target

Mutation = Callable[[bytearray], None]


class UnsuitedError(Exception):
    """This seed has not got what the mutation would damage."""


@dataclass(frozen=True)
class Seed:
    """A sound program: the name shows up in the ids of tests."""

    name: str
    data: bytes
    target: Target


@dataclass(frozen=True)
class Damage:
    """A mutation of a sound program: what it does, and the one rule that must reject the result, or warn of it."""

    name: str
    rule: str
    apply: Mutation
    status: CheckStatus = CheckStatus.FAIL

    def of(self, seed: Seed) -> bytes | None:
        """The damaged program, or None where this seed cannot be damaged in this way."""
        data = bytearray(seed.data)
        try:
            self.apply(data)
        except UnsuitedError:
            return None
        assert data != seed.data, f"{self.name} leaves {seed.name} as it is"
        return bytes(data)


def suited(seeds: list[Seed], damages: list[Damage]) -> Iterator[tuple[Seed, Damage]]:
    """Every damage with the first seed that has what it damages, and with one of the others, taking turns."""
    for number, damage in enumerate(damages):
        fit = [seed for seed in seeds if damage.of(seed) is not None]
        assert fit, f"no seed is suited for {damage.name}"
        yield fit[0], damage
        if others := fit[1:]:
            yield others[number % len(others)], damage


class View:
    """Little-endian numbers of a program, to read and overwrite; written apart from the code under test."""

    def __init__(self, data: bytearray) -> None:
        self.data = data

    def u16(self, at: int) -> int:
        return int(struct.unpack_from("<H", self.data, at)[0])

    def u32(self, at: int) -> int:
        return int(struct.unpack_from("<I", self.data, at)[0])

    def u64(self, at: int) -> int:
        return int(struct.unpack_from("<Q", self.data, at)[0])

    def put16(self, at: int, value: int) -> None:
        struct.pack_into("<H", self.data, at, value)

    def put32(self, at: int, value: int) -> None:
        struct.pack_into("<I", self.data, at, value)

    def put64(self, at: int, value: int) -> None:
        struct.pack_into("<Q", self.data, at, value)

    def zero(self, start: int, length: int) -> None:
        self.data[start : start + length] = bytes(length)


V = TypeVar("V", bound=View)


class Edits(Generic[V]):
    """Mutations of programs that are looked at through one kind of view; places are offsets, or found by the view."""

    def __init__(self, view: Callable[[bytearray], V]) -> None:
        self._view = view

    def edit(self, change: Callable[[V], None]) -> Mutation:
        """Whatever `change` does."""
        return lambda data: change(self._view(data))

    def cut(self, place: int | Callable[[V], int]) -> Mutation:
        """Keep the bytes in front of this place alone."""

        def apply(data: bytearray) -> None:
            del data[self._at(data, place) :]

        return apply

    def put8(self, place: int | Callable[[V], int], value: int) -> Mutation:
        return self._put("<B", place, value)

    def put16(self, place: int | Callable[[V], int], value: int) -> Mutation:
        return self._put("<H", place, value)

    def put32(self, place: int | Callable[[V], int], value: int) -> Mutation:
        return self._put("<I", place, value)

    def put64(self, place: int | Callable[[V], int], value: int) -> Mutation:
        return self._put("<Q", place, value)

    def _put(self, layout: str, place: int | Callable[[V], int], value: int) -> Mutation:
        return lambda data: struct.pack_into(layout, data, self._at(data, place), value)

    def _at(self, data: bytearray, place: int | Callable[[V], int]) -> int:
        return place if isinstance(place, int) else place(self._view(data))
