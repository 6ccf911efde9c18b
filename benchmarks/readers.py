"""What pefile, pyelftools, LIEF, objdump and readelf say about damaged executables.

    .venv/bin/python benchmarks/readers.py > docs/readers.md

Every mutation of the unit tests is made on its first seed and given to each reader as people use it: the whole file
parsed, every table walked. A reader *refuses* (it raises, returns nothing, or exits with an error), *warns* (it says
something and goes on), or lets the file through. LIEF is asked where it is installed (`pip install lief`).
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pefile
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.unit import binaries_elf_damage, binaries_pe_damage
from tests.unit.binaries import elf_seeds, expecting, pe_seeds
from tests.unit.binaries_damage import Damage, Seed, suited

from buildproof.artifacts import examine
from buildproof.evidence import CheckStatus

Reader = Callable[[Path], str]
THROUGH, WARNS, REFUSES = "", "warns", "refuses"
_SECONDS = 20


def by_pefile(path: Path) -> str:
    """Everything, as `pefile.PE(path)` does."""
    try:
        parsed = pefile.PE(str(path))
    except Exception:  # noqa: BLE001 - whichever it is, the file was not read
        return REFUSES
    return WARNS if parsed.get_warnings() else THROUGH


def by_pyelftools(path: Path) -> str:
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
    except Exception:  # noqa: BLE001
        return REFUSES
    return THROUGH


def by_lief(path: Path) -> str:
    """`lief.parse`, in a process of its own: it prints what it remarks, and may crash."""
    program = "import lief, sys; sys.exit(0 if lief.parse(sys.argv[1]) else 3)"
    return by_command(sys.executable, "-c", program)(path)


def by_command(*command: str) -> Reader:
    """A command that gets the file as its last argument."""

    def read(path: Path) -> str:
        try:
            done = subprocess.run([*command, str(path)], capture_output=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return REFUSES
        if done.returncode:
            return REFUSES
        return WARNS if done.stderr.strip() or b"corrupt" in done.stdout else THROUGH

    return read


def by_buildproof(path: Path, seed: Seed) -> str:
    """The worst of all rules."""
    found = {check.status for check in examine(path, expecting(seed.target), path.name).checks}
    return REFUSES if CheckStatus.FAIL in found else WARNS if CheckStatus.WARNING in found else THROUGH


def table(title: str, seeds: list[Seed], damages: list[Damage], readers: dict[str, Reader]) -> Iterator[str]:
    """Lines of Markdown: what each reader says about each damage, and how many it let through."""
    through = Counter[str]()
    warned = Counter[str]()
    rows: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "artifact"
        first = {damage.name: (seed, damage) for seed, damage in reversed([*suited(seeds, damages)])}
        for damage in damages:
            seed, _ = first[damage.name]
            path.write_bytes(damage.of(seed) or b"")
            said = {"buildproof": by_buildproof(path, seed)} | {who: read(path) for who, read in readers.items()}
            through.update(who for who, answer in said.items() if answer == THROUGH)
            warned.update(who for who, answer in said.items() if answer == WARNS)
            rows.append(f"| {damage.name} | `{damage.rule}` | " + " | ".join(said.values()) + " |")
    names = ["buildproof", *readers]
    yield f"## {title}: {len(damages)} damages\n"
    yield "| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names)
    yield "| let through | " + " | ".join(str(through[name]) for name in names) + " |"
    yield "| warned only | " + " | ".join(str(warned[name]) for name in names) + " |"
    yield "| refused | " + " | ".join(str(len(damages) - through[name] - warned[name]) for name in names) + " |\n"
    yield "| damage | rule | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names)
    yield from rows
    yield ""


def main() -> None:
    """The page docs/readers.md."""
    lief: dict[str, Reader] = {"LIEF": by_lief} if importlib.util.find_spec("lief") else {}
    print("# What other readers let through\n")
    print("<!-- Written by `python benchmarks/readers.py > docs/readers.md`. -->\n")
    print(
        "Measured: every mutation of the unit tests (`tests/unit/binaries_*_damage.py` say what each does) on the\n"
        "first program that suits it, given to each reader as people use it, the whole file parsed. An empty cell is\n"
        "a file that was let through without a word; *warns* is a remark with exit code 0. What buildproof only warns\n"
        "of is legal: data behind the end, a wrong checksum.\n"
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
