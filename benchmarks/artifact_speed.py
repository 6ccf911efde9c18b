"""How long it takes to judge large executables, and how much memory, beside the libraries and tools that read them too.

    .venv/bin/python benchmarks/artifact_speed.py

Makes an 80 MB program and one with 60,000 symbols and 300,000 relocations, for Windows and for Linux (gcc and
x86_64-w64-mingw32-gcc are needed), and reads each in a process of its own: wall time in seconds, the process's peak
memory (RSS) in MB. LIEF is measured where it is installed (`pip install lief`). Times are the best of three.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SYMBOLS, RELOCATIONS, SIZE = 60_000, 300_000, 80 << 20
_RUNS = 3

_OWN = """
from pathlib import Path
from buildproof.artifacts import Expectation, examine
from buildproof.targets import Target
path, target = Path(sys.argv[1]), Target(sys.argv[2])
started = time.perf_counter()
artifact = examine(path, Expectation(target=target), path.name)
took = time.perf_counter() - started
assert not [check for check in artifact.checks if check.status == "fail"], artifact
"""
_PEFILE = """
import pefile
started = time.perf_counter()
parsed = pefile.PE(sys.argv[1])
took = time.perf_counter() - started
"""
_PYELFTOOLS = """
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection
started = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    for section in ELFFile(file).iter_sections():
        if isinstance(section, SymbolTableSection):
            sum(1 for _ in section.iter_symbols())
        elif isinstance(section, RelocationSection):
            sum(1 for _ in section.iter_relocations())
took = time.perf_counter() - started
"""
_LIEF = """
import lief
started = time.perf_counter()
parsed = lief.parse(sys.argv[1])
took = time.perf_counter() - started
assert parsed
"""
# VmHWM is of this program alone: ru_maxrss has in it what the process was before exec(2).
_MEASURED = """import re, sys, time
{}
print(took, int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


def assembly(folder: Path, *, size: int, symbols: int, relocations: int) -> str:
    """A `main`, `symbols` names, `relocations` pointers, and `size` bytes that are nothing in particular."""
    lines = ['.section .note.GNU-stack,""'] if "elf" in folder.name else []
    lines += [".text", ".globl main", "main: xor %eax, %eax", "ret", ".data", ".balign 8"]
    lines += [f".globl name_{index}\nname_{index}: .quad main" for index in range(symbols)]
    lines += [f".rept {max(0, relocations - symbols)}\n.quad main\n.endr"]
    if size:
        noise = folder / "noise"
        with noise.open("wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20))
        lines += ['.section .rodata,"a"' if "elf" in folder.name else '.section .rdata,"dr"', f'.incbin "{noise}"']
    return "\n".join(lines) + "\n"


def make(folder: Path, compiler: str, name: str, **shape: int) -> Path:
    """Assemble and link one program."""
    windows = "mingw" in compiler
    place = folder / ("pe" if windows else "elf")
    place.mkdir(exist_ok=True)
    source, program = place / f"{name}.s", place / (f"{name}.exe" if windows else name)
    source.write_text(assembly(place, **shape))
    subprocess.run([compiler, "-o", str(program), str(source)], check=True)
    return program


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and MB of a command, the best of some runs."""
    best = (float("inf"), float("inf"))
    for _ in range(_RUNS):
        started = time.perf_counter()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
            _, _, used = os.wait4(process.pid, 0)
            seconds, megabytes = time.perf_counter() - started, used.ru_maxrss / 1024
            if command[0] == sys.executable:
                output.seek(0)
                seconds, megabytes = map(float, output.read().split())
        best = min(best, (seconds, megabytes))
    return best


def readers(program: Path, target: str) -> dict[str, list[str]]:
    """The commands that read `program`, by name; those of this machine."""
    windows = target.startswith("windows")
    found = {
        "buildproof": [sys.executable, "-c", _MEASURED.format(_OWN), str(program), target],
        "pefile" if windows else "pyelftools": [
            sys.executable, "-c", _MEASURED.format(_PEFILE if windows else _PYELFTOOLS), str(program),
        ],
    }  # fmt: skip
    if importlib.util.find_spec("lief"):
        found["LIEF"] = [sys.executable, "-c", _MEASURED.format(_LIEF), str(program)]
    if not windows:
        found["readelf -a"] = ["readelf", "-aW", str(program)]
    else:
        found["objdump -x"] = ["x86_64-w64-mingw32-objdump", "-x", str(program)]
    return {name: command for name, command in found.items() if shutil.which(command[0])}


def main() -> None:
    """Make the programs, read them, print a table."""
    shapes = {
        "80 MB": {"size": SIZE, "symbols": 0, "relocations": 0},
        "60,000 symbols, 300,000 relocations": {"size": 0, "symbols": SYMBOLS, "relocations": RELOCATIONS},
    }
    print("# How long judging takes\n")
    print("<!-- Written by `python benchmarks/artifact_speed.py > docs/speed.md`. -->\n")
    print(
        f"Best of {_RUNS} runs on {os.cpu_count()} cores, each in a process of its own: seconds of wall time, MB of\n"
        "peak memory (RSS). buildproof reads the whole file, hashes it and asks every rule; the others read what they\n"
        "read: pyelftools, readelf and objdump pass over what no table asks for.\n"
    )
    print("| program | read by | seconds | MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for compiler, target in (("x86_64-w64-mingw32-gcc", "windows-x86_64"), ("gcc", "linux-x86_64")):
            for number, (title, shape) in enumerate(shapes.items()):
                program = make(Path(name), compiler, f"program{number}", **shape)
                for reader, command in readers(program, target).items():
                    seconds, megabytes = measure(command)
                    print(f"| {target}, {title} | {reader} | {seconds:.2f} | {megabytes:.0f} |", flush=True)


if __name__ == "__main__":
    main()
