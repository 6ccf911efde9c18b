"""A Rust program of two crates, `light` and `heavy`, whose `heavy` can be made to need more memory of its compiler."""

from __future__ import annotations

from pathlib import Path

BUILD = "crates-linux"
FUNCTIONS = 300
_MANIFEST = """\
[project]
name = "crates"

[[build]]
builder = "linux"
command = "cargo build --locked --offline"
artifacts = ["target/debug/app"]
time-limit = "10m"
starts = { stdout = "sum [0-9]+" }
"""
_APP = """\
[package]
name = "app"
version = "0.1.0"
edition = "2021"

[dependencies]
light = { path = "light" }
heavy = { path = "heavy" }

[workspace]
"""
_LOCK = """\
version = 3

[[package]]
name = "app"
version = "0.1.0"
dependencies = ["heavy", "light"]

[[package]]
name = "heavy"
version = "0.1.0"

[[package]]
name = "light"
version = "0.1.0"
"""
_MAIN = """\
fn main() {
    println!("sum {}", light::start() + heavy::sum());
}
"""
# A few branches and one formatted text each: 300 of them are two seconds of work for the compiler.
_FUNCTION = """\
pub fn f{n}(x: u64) -> u64 {{
    match x % 5 {{
        0 => x.wrapping_mul({n}).rotate_left(3),
        1 => format!("{{x}} of {n}").len() as u64,
        2 => (0..x % 7).map(|i| i ^ {n}).sum(),
        3 => x.leading_zeros() as u64 + {n},
        _ => x.checked_sub({n}).unwrap_or({n}),
    }}
}}

"""


def write_project(folder: Path, *, functions: int = FUNCTIONS) -> Path:
    """Write the program, with so many generated functions in `heavy`; where it is."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "buildproof.toml").write_text(_MANIFEST)
    (folder / "Cargo.toml").write_text(_APP)
    (folder / "Cargo.lock").write_text(_LOCK)
    (folder / "src" / "main.rs").write_text(_MAIN)
    _crate(folder / "light", "pub fn start() -> u64 {\n    1\n}\n")
    body = "".join(_FUNCTION.format(n=n) for n in range(functions))
    calls = "".join(f"    sum = sum.wrapping_add(f{n}(sum));\n" for n in range(functions))
    _crate(folder / "heavy", f"{body}pub fn sum() -> u64 {{\n    let mut sum = 1u64;\n{calls}    sum % 1000\n}}\n")
    return folder


def _crate(folder: Path, source: str) -> None:
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "{folder.name}"\nversion = "0.1.0"\nedition = "2021"\n\n[lib]\npath = "src/lib.rs"\n'
    )
    (folder / "src" / "lib.rs").write_text(source)
