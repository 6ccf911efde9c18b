"""How much of a machine all builds together may be promised, as a person says it and as the engine's facts have it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from buildproof.errors import InputError
from buildproof.units import parse_size, show

MEMORY_VARIABLE = "BUILDPROOF_MEMORY_BUDGET"
CPU_VARIABLE = "BUILDPROOF_CPU_BUDGET"
OFF = "off"
# For the kernel, the engine and whatever else runs there: a tenth of the machine, and half a gigabyte at least.
RESERVE_PART = 10
RESERVE_LEAST = 512 << 20
# CPUs are shared, not used up: builds beyond the cores only get slower, each by the same part. Twice is bearable;
# without a bound many workers would drive each other into their time limits.
CPUS_PER_CORE = 2.0


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The most that may be promised at once: bytes, and CPUs as Compose's `cpus` counts them. None: no bound."""

    memory: int | None
    cpus: float | None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asked for; None: nothing, so that the machine decides. `off` is infinite."""

    memory: float | None = None
    cpus: float | None = None

    @classmethod
    def read(cls, memory: str | None, cpus: str | None) -> Self:
        """From the options, else from BUILDPROOF_MEMORY_BUDGET and BUILDPROOF_CPU_BUDGET; InputError names the one."""
        return cls(
            memory=_read("--memory-budget", memory, MEMORY_VARIABLE, "a size such as 12g", parse_size),
            cpus=_read("--cpu-budget", cpus, CPU_VARIABLE, "a number of CPUs such as 4", _number),
        )

    def of(self, *, memory: int, cores: int) -> Allowance:
        """The allowance on a machine with `memory` bytes and that many cores."""
        reserve = max(RESERVE_LEAST, memory // RESERVE_PART)
        bytes_ = max(memory - reserve, 0) if self.memory is None else self.memory
        cpus = cores * CPUS_PER_CORE if self.cpus is None else self.cpus
        return Allowance(
            memory=None if math.isinf(bytes_) else int(bytes_), cpus=None if math.isinf(cpus) else float(cpus)
        )


def _read(option: str, chosen: str | None, variable: str, example: str, parse: Callable[[str], float]) -> float | None:
    source, text = (option, chosen) if chosen is not None else (variable, os.environ.get(variable) or None)
    if text is None:
        return None
    if text.lower() == OFF:
        return math.inf
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(f"{source}: {error}", next_step=f"give it {example}, or `{OFF}`") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{show(text)} is no number of CPUs above zero")
    return number
