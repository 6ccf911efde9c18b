"""What a build's manifest and builder say becomes what is expected of each output."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.binaries_pe import minimal_pe

from buildproof.artifacts import Kind
from buildproof.artifacts.neighbours import expectation, exported_names, kind_of, neighbours
from buildproof.compose import read_compose
from buildproof.hardening import Hardening, Symbols
from buildproof.manifest import read_manifest
from buildproof.plan import Build, plan
from buildproof.targets import Target

_MANIFEST = """
[project]
name = "tool"

[[build]]
builder = "windows"
command = "make"
artifacts = ["out/*"]
libraries = ["steam_api64.dll"]
hardening = "full"
symbols = "stripped"
size-limit = "20m"
kinds = { "*-setup.exe" = "installer" }
contains = ["bin/tool.exe"]
"""
_COMPOSE = """
services:
  windows:
    image: example/windows
    x-buildproof: {target: windows-x86_64, windows-baseline: "8.1"}
"""


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (tmp_path / "buildproof.toml").write_text(_MANIFEST)
    (tmp_path / "compose.yml").write_text(_COMPOSE)
    manifest = read_manifest(tmp_path / "buildproof.toml")
    (only,) = plan([manifest], lambda _: read_compose(tmp_path / "compose.yml"))
    return only


def test_every_promise_reaches_the_expectation(build: Build) -> None:
    expected = expectation(build, "out/tool.exe", {"out": {"engine.dll": None}})
    assert (expected.target, expected.kind) == (Target.WINDOWS_X86_64, Kind.PROGRAM)
    assert (expected.windows, expected.glibc) == ("8.1", None)
    assert (expected.libraries, expected.contains) == (("steam_api64.dll",), ("bin/tool.exe",))
    assert (expected.hardening, expected.symbols, expected.size) == (Hardening.FULL, Symbols.STRIPPED, 20 << 20)
    assert expected.beside == {"engine.dll": None}
    assert expectation(build, "out/tool-setup.exe", {}).kind is Kind.INSTALLER


def test_a_file_does_not_lie_beside_itself_nor_beside_those_of_other_folders(build: Build) -> None:
    beside = {"out": {"Engine.dll": None, "engine.dll": None}, "other": {"codec.dll": None}}
    assert expectation(build, "out/Engine.dll", beside).beside == {}
    assert expectation(build, "out/Engine.dll", beside).kind is Kind.LIBRARY


def test_neighbours_know_what_dlls_export(tmp_path: Path) -> None:
    (tmp_path / "a.dll").write_bytes(minimal_pe())
    (tmp_path / "broken.dll").write_bytes(minimal_pe()[:0x4480])
    (tmp_path / "data").write_bytes(b"data")
    found = neighbours([(f"out/{path.name}", path) for path in tmp_path.iterdir()])
    assert found["out"]["a.dll"] == frozenset({"first", "second", "third"})
    assert found["out"]["broken.dll"] is None
    assert found["out"]["data"] is None


@pytest.mark.parametrize("content", [b"", b"MZ", b"MZ".ljust(0x3C, b"\0") + b"\x40\0\0\0" + b"PE\0\0" + bytes(60)])
def test_the_exports_of_what_is_no_dll_are_not_known(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.dll").write_bytes(content)
    assert exported_names(tmp_path / "a.dll") is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("out/tool", Kind.PROGRAM),
        ("tool.exe", Kind.PROGRAM),
        ("a/Engine.DLL", Kind.LIBRARY),
        ("liba.so", Kind.LIBRARY),
        ("liba.so.1.2", Kind.LIBRARY),
        ("so", Kind.PROGRAM),
        ("tool-1.0.sock", Kind.PROGRAM),
    ],
)
def test_a_library_is_known_by_its_name(name: str, kind: Kind) -> None:
    assert kind_of(name) is kind
