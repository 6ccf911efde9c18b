"""Programs that this machine's compilers make: C, C++ and Rust, for Windows and Linux, by GNU ld and lld.

Each is made once and kept in pytest's cache, by a hash of its source, its command and the compiler's version. What no
compiler is there for is left out by name, and the test that asks for it says so.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.unit.binaries_damage import Seed

from buildproof.targets import Target

_C = """
#include <stdio.h>
#include <string.h>
static const char *const names[] = {"one", "two", "three", "four"};
__thread int count;
int main(int argc, char **argv) {
    for (int i = 0; i < argc + 3 && i < 4; i++) { count += (int)strlen(names[i]); printf("%s %d\\n", names[i], count); }
    return argv == 0;
}
"""
_CXX = """
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
int main(int argc, char **) {
    std::map<std::string, int> words{{"one", 1}, {"two", 2}};
    try { words.at(argc > 1 ? "one" : "three"); }
    catch (const std::out_of_range &) { std::cout << words.size() << '\\n'; }
}
"""
_RUST = """
use std::collections::HashMap;
fn main() {
    let words: HashMap<String, usize> = std::env::args().enumerate().map(|(n, a)| (a, n)).collect();
    println!("{}", words.len());
}
"""
_WINDOWS, _LINUX = Target.WINDOWS_X86_64, Target.LINUX_X86_64


@dataclass(frozen=True)
class Recipe:
    """How one program is made; `{in}` and `{out}` stand for files."""

    name: str
    target: Target
    source: str
    suffix: str
    command: str

    @property
    def compiler(self) -> str:
        """The first word."""
        return self.command.split()[0]


RECIPES = (
    Recipe("c-ld.exe", _WINDOWS, _C, ".c", "x86_64-w64-mingw32-gcc -O2 -g {in} -o {out}"),
    Recipe("c-stripped.exe", _WINDOWS, _C, ".c", "x86_64-w64-mingw32-gcc -O2 -s {in} -o {out}"),
    Recipe("c-lld.exe", _WINDOWS, _C, ".c", "x86_64-w64-mingw32-gcc -O2 -fuse-ld=lld {in} -o {out}"),
    Recipe("c-i686.exe", Target.WINDOWS_I686, _C, ".c", "i686-w64-mingw32-gcc -O2 {in} -o {out}"),
    Recipe("cxx-static.exe", _WINDOWS, _CXX, ".cc", "x86_64-w64-mingw32-g++ -O2 -s -static {in} -o {out}"),
    Recipe("rust.exe", _WINDOWS, _RUST, ".rs", "/usr/bin/rustc -O --target x86_64-pc-windows-gnu {in} -o {out}"),
    Recipe("c-ld", _LINUX, _C, ".c", "gcc -O2 -g {in} -o {out}"),
    Recipe("c-stripped", _LINUX, _C, ".c", "gcc -O2 -s {in} -o {out}"),
    Recipe("c-static", _LINUX, _C, ".c", "gcc -O2 -static {in} -o {out}"),
    Recipe("c-static-pie", _LINUX, _C, ".c", "gcc -O2 -static-pie {in} -o {out}"),
    Recipe("c-lld", _LINUX, _C, ".c", "gcc -O2 -fuse-ld=lld -Wl,--pack-dyn-relocs=relr {in} -o {out}"),
    Recipe("cxx-ld", _LINUX, _CXX, ".cc", "g++ -O2 -Wl,-z,now {in} -o {out}"),
    Recipe("rust", _LINUX, _RUST, ".rs", "rustc -O {in} -o {out}"),
    Recipe("rust-stripped", _LINUX, _RUST, ".rs", "rustc -O -C strip=symbols -C panic=abort {in} -o {out}"),
)


def built(recipe: Recipe, cache: Path) -> Seed | None:
    """The program, made or taken from `cache`; None where its compiler or a part of it is not installed."""
    if not shutil.which(recipe.compiler):
        return None
    version = subprocess.run([recipe.compiler, "--version"], capture_output=True, text=True, check=False).stdout
    key = hashlib.sha256(f"{recipe}{version}".encode()).hexdigest()[:16]
    program = cache / f"{key}-{recipe.name}"
    if not program.exists():
        source = cache / f"{key}{recipe.suffix}"
        source.write_text(recipe.source)
        made = cache / f"{key}-{recipe.name}.made"
        words = [word.format_map({"in": str(source), "out": str(made)}) for word in recipe.command.split()]
        if subprocess.run(words, capture_output=True, cwd=cache, check=False).returncode or not made.exists():
            return None
        made.rename(program)
    return Seed(recipe.name, program.read_bytes(), recipe.target)
