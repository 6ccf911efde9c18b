"""What pefile, pyelftools, LIEF, objdump and readelf say about damaged executables.

    .venv/bin/python benchmarks/readers.py > docs/readers.md

Every mutation of the unit tests is made on a real program and given to each reader as people use it: the whole file
parsed, every table walked. A reader *refuses* (it raises, returns nothing, or exits with an error), *warns* (it says
something that it does not say of the sound program), or lets the file through. LIEF is asked where it is installed
(`pip install lief`).
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pefile
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.unit import binaries_elf_damage, binaries_pe_damage
from tests.unit.binaries import STRUCTURE, elf_seeds, expecting, pe_seeds
from tests.unit.binaries_damage import Damage, Seed

from buildproof.artifacts import examine
from buildproof.evidence import CheckStatus
from buildproof.targets import Target

THROUGH, WARNS, REFUSES = "", "warns", "refuses"
_SECONDS = 20
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")


@dataclass(frozen=True)
class Answer:
    """What a reader says of one file: whether it reads it, and its remarks, without their numbers."""

    refused: bool
    remarks: frozenset[str] = frozenset()

    def beside(self, sound: Answer) -> str:
        """The same in one word, where it says of the sound program what `sound` has."""
        if self.refused and not sound.refused:
            return REFUSES
        return WARNS if self.remarks - sound.remarks else THROUGH


Reader = Callable[[Path], Answer]


def _answer(refused: bool, remarks: Iterable[str]) -> Answer:
    return Answer(refused, frozenset(_NUMBER.sub("N", remark.strip()) for remark in remarks if remark.strip()))


def by_pefile(path: Path) -> Answer:
    """Everything, as `pefile.PE(path)` does."""
    try:
        parsed = pefile.PE(str(path))
    except Exception as error:  # noqa: BLE001 - whichever it is, the file was not read
        return _answer(True, [str(error)])
    return _answer(False, parsed.get_warnings())


def by_pyelftools(path: Path) -> Answer:
    """Every section; symbols, relocations and dynamic entries one by one."""
    try:
        with path.open("rb") as file:
            for section in ELFFile(file).iter_sections():
                if isinstance(section, SymbolTableSection):
                    sum(1 for _ in section.iter_symbols())
                elif isinstance(section, RelocationSection):
                    sum(1 for _ in section.iter_relocations())
                elif isinstance(section, DynamicSection):
                    sum(1 for _ in section.iter_tags())
    except Exception as error:  # noqa: BLE001
        return _answer(True, [str(error)])
    return _answer(False, [])


def by_lief(path: Path) -> Answer:
    """`lief.parse`, in a process of its own: it prints what it remarks, and may crash."""
    program = "import lief, sys; sys.exit(0 if lief.parse(sys.argv[1]) else 3)"
    return by_command(sys.executable, "-c", program)(path)


def by_command(*command: str) -> Reader:
    """A command that gets the file as its last argument; what it writes to stderr are its remarks."""

    def read(path: Path) -> Answer:
        try:
            done = subprocess.run([*command, str(path)], capture_output=True, timeout=_SECONDS, check=False, text=True,
                                  errors="replace")  # fmt: skip
        except subprocess.TimeoutExpired:
            return _answer(True, ["no end"])
        said = [line for line in done.stdout.splitlines() if "orrupt" in line]
        return _answer(done.returncode != 0, [*done.stderr.splitlines(), *said])

    return read


def by_buildproof(target: Target) -> Reader:
    """All rules."""

    def read(path: Path) -> Answer:
        checks = examine(path, expecting(target), path.name).checks
        failed = [check.id for check in checks if check.status is CheckStatus.FAIL and check.id in STRUCTURE]
        warned = [check.id for check in checks if check.status is CheckStatus.WARNING]
        return _answer(bool(failed), failed + warned)

    return read


def table(title: str, seeds: list[Seed], damages: list[Damage], readers: dict[str, Reader]) -> Iterator[str]:
    """Lines of Markdown: what each reader says about each damage, and how many it let through."""
    names = ["buildproof", *readers]
    counts = {answer: Counter[str]() for answer in (THROUGH, WARNS, REFUSES)}
    rows: list[str] = []
    sound: dict[tuple[str, str], Answer] = {}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "artifact"
        for damage in damages:
            # The minimal program comes last: it is nobody's who does not test.
            seed = next(seed for seed in [*seeds[1:], seeds[0]] if damage.of(seed) is not None)
            asked = {"buildproof": by_buildproof(seed.target), **readers}
            path.write_bytes(seed.data)
            for who, read in asked.items():
                if (seed.name, who) not in sound:
                    sound[seed.name, who] = read(path)
            path.write_bytes(damage.of(seed) or b"")
            said = {who: read(path).beside(sound[seed.name, who]) for who, read in asked.items()}
            for who, answer in said.items():
                counts[answer][who] += 1
            rows.append(f"| {damage.name} | `{damage.rule}` | " + " | ".join(said.values()) + " |")
    yield f"## {title}: {len(damages)} damages\n"
    yield "| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names)
    for words, answer in (("let through", THROUGH), ("warned only", WARNS), ("refused", REFUSES)):
        yield f"| {words} | " + " | ".join(str(counts[answer][name]) for name in names) + " |"
    yield "\n| damage | rule | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names)
    yield from rows
    yield ""


def main() -> None:
    """The page docs/readers.md."""
    lief: dict[str, Reader] = {"LIEF": by_lief} if importlib.util.find_spec("lief") else {}
    print("# What other readers let through\n")
    print("<!-- Written by `python benchmarks/readers.py > docs/readers.md`. -->\n")
    print(
        "Measured: every mutation of the unit tests (`tests/unit/binaries_*_damage.py` say what each does) on a real\n"
        "program that suits it, given to each reader as people use it, the whole file parsed. An empty cell is a file\n"
        "of which the reader says no more than of the sound one; *warns* is a remark that it does not make of the\n"
        "sound one. What buildproof only warns of is legal: data behind the end, a wrong checksum.\n"
    )
    pe: dict[str, Reader] = {
        "pefile": by_pefile,
        **lief,
        "objdump -x": by_command("x86_64-w64-mingw32-objdump", "-x"),
    }
    elf: dict[str, Reader] = {
        "pyelftools": by_pyelftools,
        **lief,
        "readelf -a": by_command("readelf", "-aW"),
        "objdump -x": by_command("objdump", "-x"),
    }
    for line in table("Windows: PE", pe_seeds(), binaries_pe_damage.DAMAGES, pe):
        print(line, flush=True)
    for line in table("Linux: ELF", elf_seeds(), binaries_elf_damage.DAMAGES, elf):
        print(line, flush=True)


if __name__ == "__main__":
    main()
