"""Fuzz the rules for artifacts for as long as you like: no crash, no file over two seconds, no memory over 500 MB.

    .venv/bin/python benchmarks/fuzz.py --seconds 3600 [--what packages] [--corpus FOLDER ...] [--keep FOLDER]

Starts from the seeds of the unit tests, from what compilers made for them, and from the executables in `--corpus`. A
mutant that gets an answer that was never heard before becomes a seed. What breaks something is kept in `--keep`, and
the run goes on; it ends with 1 if anything was found.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.false_alarms import executables
from tests.unit import binaries_elf_damage, binaries_pe_damage
from tests.unit.binaries import elf_seeds, pe_seeds
from tests.unit.binaries_built import RECIPES, built
from tests.unit.binaries_damage import Damage, Seed
from tests.unit.binaries_fuzz import MOST_KEPT, FoundError, Fuzzer
from tests.unit.bundles_fuzz import PackageFuzzer, package_seeds

from buildproof.targets import Format

_MOST_MEMORY = 500 << 20
_MOST_FOR_A_FILE = 300 << 20  # bytes of address space to make a mutant and judge it
_LARGEST_SEED = 1 << 20
_REPORT_S = 60.0


def seeds_of(kind: Format, corpus: list[Path], cache: Path) -> list[Seed]:
    """The sound programs to start from."""
    found = pe_seeds() if kind is Format.PE else elf_seeds()
    found += [seed for recipe in RECIPES if (seed := built(recipe, cache))]
    found += [
        Seed(path.name, path.read_bytes(), expected.target)
        for path, expected in executables(corpus)
        if expected.target.binary_format is kind and path.stat().st_size <= _LARGEST_SEED
    ]
    return [seed for seed in found if seed.target.binary_format is kind and len(seed.data) <= _LARGEST_SEED]


def main() -> int:
    """Fuzz until the time is over; 1 when something was found."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--corpus", type=Path, action="append", default=[])
    options.add_argument("--what", choices=("all", "executables", "packages"), default="all")
    options.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "buildproof-fuzz")
    options.add_argument("--seed", default=str(time.time_ns()), help="of the dice: the same run again")
    chosen = options.parse_args()
    chosen.keep.mkdir(parents=True, exist_ok=True)
    damages: dict[Format, list[Damage]] = {
        Format.PE: binaries_pe_damage.DAMAGES,
        Format.ELF: binaries_elf_damage.DAMAGES,
    }
    with tempfile.TemporaryDirectory() as name:
        dice = random.Random(chosen.seed)  # noqa: S311
        fuzzers: list[Fuzzer] = []
        if chosen.what in ("all", "executables"):
            fuzzers += [
                Fuzzer(Path(name) / kind, seeds_of(kind, chosen.corpus, Path(name)), damages[kind], dice)
                for kind in Format
            ]
        if chosen.what in ("all", "packages"):
            fuzzers.append(PackageFuzzer(Path(name) / "package", package_seeds(Path(name)), [], dice))
        return _run(fuzzers, chosen.seconds, chosen.keep)


def _bound_memory(fuzzers: list[Fuzzer]) -> None:
    """Make an allocation that no file can need fail: in a mutation it is passed over, in judging it is a finding."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + len(fuzzers) * MOST_KEPT + _MOST_FOR_A_FILE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _run(fuzzers: list[Fuzzer], seconds: float, keep: Path) -> int:
    began = told = time.monotonic()
    steps, found = 0, set[str]()
    _bound_memory(fuzzers)
    while time.monotonic() - began < seconds:
        for fuzzer in fuzzers:
            try:
                fuzzer.step()
            except FoundError as error:
                place = keep / hashlib.sha256(error.data).hexdigest()[:16]
                place.write_bytes(error.data)
                if str(error) not in found:
                    print(f"{error}: {place}", flush=True)
                found.add(str(error))
            steps += 1
        if time.monotonic() - told > _REPORT_S:
            told = time.monotonic()
            _tell(fuzzers, steps, told - began)
    _tell(fuzzers, steps, time.monotonic() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if peak > _MOST_MEMORY:
        print(f"the process's memory reached {peak >> 20} MB")
    return bool(found or peak > _MOST_MEMORY)


def _tell(fuzzers: list[Fuzzer], steps: int, took: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{took:.0f} s: {steps} files, {sum(fuzzer.rejected for fuzzer in fuzzers)} refused, "
        f"{sum(len(fuzzer.answers) for fuzzer in fuzzers)} different answers, "
        f"the slowest {max(fuzzer.slowest for fuzzer in fuzzers):.2f} s, {peak} MB",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
