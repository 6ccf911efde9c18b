"""What a program needs of the system that it is started on, and the sentence that mends it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tests.unit.binaries import failing, judge, messages
from tests.unit.binaries_elf import Needs, minimal_elf
from tests.unit.binaries_pe import Pe, minimal_pe

from buildproof.artifacts import Expectation, policy
from buildproof.artifacts.elf.versions import sysv_hash
from buildproof.evidence import Check, CheckStatus
from buildproof.targets import Target

WINDOWS, LINUX = Target.WINDOWS_X86_64, Target.LINUX_X86_64


def importing(dll: str, *, delayed: bool = False) -> bytes:
    """A program that needs this DLL."""
    data = bytearray(minimal_pe())
    pe = Pe(data)
    at = pe.offset_of(pe.u32(pe.offset_of(pe.directory(13 if delayed else 1)[0]) + (4 if delayed else 12)))
    data[at : at + 48] = dll.encode().ljust(48, b"\0")
    return bytes(data)


def the_failure(directory: Path, data: bytes, expected: Expectation) -> Check:
    artifact = judge(directory, data, expected)
    failures = [check for check in artifact.checks if check.status is CheckStatus.FAIL]
    assert len(failures) == 1, messages(artifact)
    return failures[0]


@pytest.mark.parametrize(
    ("dll", "mend"),
    [
        ("libgcc_s_seh-1.dll", "-static-libgcc"),
        ("libstdc++-6.dll", "-static-libstdc++"),
        ("libwinpthread-1.dll", "-static-libgcc and -static-libstdc++ do not cover it: link with -static"),
        ("WebView2Loader.dll", "Ship WebView2Loader.dll beside the program"),
        ("VCRUNTIME140.dll", "+crt-static"),
        ("d3dx9_43.dll", "DirectX End-User Runtime"),
        ("std-0123456789abcdef.dll", "prefer-dynamic"),
    ],
)
def test_what_a_toolchain_leaves_gets_the_sentence_that_mends_it(dll: str, mend: str, tmp_path: Path) -> None:
    check = the_failure(tmp_path, importing(dll), Expectation(target=WINDOWS))
    assert check.id == "pe-dlls"
    assert check.actual == dll
    assert f"the program needs {dll}" in check.message
    assert mend in f"{check.message}. {check.mend}"


def test_a_dll_that_nobody_knows_is_named_with_the_ways_out(tmp_path: Path) -> None:
    check = the_failure(tmp_path, importing("frobnicate.dll"), Expectation(target=WINDOWS))
    assert "frobnicate.dll, which is no DLL of Windows 10 that is known here" in check.message
    assert check.mend is not None
    assert "list it under `artifacts`" in check.mend
    assert "`libraries`" in check.mend


def test_a_delay_import_counts_too(tmp_path: Path) -> None:
    check = the_failure(tmp_path, importing("frobnicate.dll", delayed=True), Expectation(target=WINDOWS))
    assert "needs (when it is first called) frobnicate.dll" in check.message


def test_a_dll_is_allowed_by_name_or_by_lying_beside(tmp_path: Path) -> None:
    data = importing("Steam_API64.dll")
    for expected in (
        Expectation(target=WINDOWS, libraries=("steam_api*.dll",)),
        Expectation(target=WINDOWS, beside={"steam_api64.dll": None}),
        Expectation(target=WINDOWS, beside={"steam_api64.dll": frozenset({"ExitProcess", "SteamAPI_Init"})}),
    ):
        assert not failing(judge(tmp_path, data, expected))


def test_a_dll_beside_has_to_export_what_is_needed_of_it(tmp_path: Path) -> None:
    beside = {"engine.dll": frozenset({"Init"})}
    check = the_failure(tmp_path, importing("engine.dll"), Expectation(target=WINDOWS, beside=beside))
    assert check.id == "pe-dll-exports"
    assert "the program needs ExitProcess of engine.dll" in check.message


@pytest.mark.parametrize(("windows", "sound"), [("7", False), ("8", True), ("8.1", True), ("10", True), ("11", True)])
def test_a_dll_is_not_expected_before_the_windows_that_first_had_it(windows: str, sound: bool, tmp_path: Path) -> None:
    expected = Expectation(target=WINDOWS, windows=windows)
    artifact = judge(tmp_path, importing("api-ms-win-core-synch-l1-2-0.dll"), expected)
    assert (failing(artifact) == []) is sound, messages(artifact)
    if not sound:
        assert "from version 8 on, and 7 is the oldest that is promised" in messages(artifact)


def test_an_image_for_a_newer_windows_than_promised_is_refused(tmp_path: Path) -> None:
    data = bytearray(minimal_pe())
    struct.pack_into("<HH", data, Pe(data).optional + 48, 10, 0)
    assert not failing(judge(tmp_path, bytes(data), Expectation(target=WINDOWS)))
    check = the_failure(tmp_path, bytes(data), Expectation(target=WINDOWS, windows="8.1"))
    assert check.id == "pe-windows-version"
    assert "Windows 10.0" in check.message


def test_a_glibc_that_is_too_new_is_named_with_symbol_and_version(tmp_path: Path) -> None:
    needs = Needs(library="libc.so.6", versions=(("GLIBC_2.38", "__isoc23_strtol"), ("GLIBC_2.2.5", "puts")))
    data = minimal_elf(needs)
    assert not failing(judge(tmp_path, data, Expectation(target=LINUX)))
    assert not failing(judge(tmp_path, data, Expectation(target=LINUX, glibc="2.38")))
    check = the_failure(tmp_path, data, Expectation(target=LINUX, glibc="2.36"))
    assert (check.id, check.expected, check.actual) == ("elf-glibc", "up to GLIBC_2.36", "GLIBC_2.38")
    assert "__isoc23_strtol (GLIBC_2.38)" in check.message
    assert "puts" not in check.message


def test_the_newest_version_speaks_first(tmp_path: Path) -> None:
    needs = Needs(library="libc.so.6", versions=(("GLIBC_2.9", "a"), ("GLIBC_2.38", "b"), ("GLIBC_2.34", "c")))
    check = the_failure(tmp_path, minimal_elf(needs), Expectation(target=LINUX, glibc="2.17"))
    assert check.actual == "GLIBC_2.38"
    assert check.message.endswith("b (GLIBC_2.38); c (GLIBC_2.34)")


def test_packed_relocations_need_the_glibc_that_knows_them(tmp_path: Path) -> None:
    needs = Needs(library="libc.so.6", versions=(("GLIBC_ABI_DT_RELR", "none"),))
    assert not failing(judge(tmp_path, minimal_elf(needs), Expectation(target=LINUX, glibc="2.36")))
    assert the_failure(tmp_path, minimal_elf(needs), Expectation(target=LINUX, glibc="2.35")).id == "elf-glibc"


def test_what_glibc_keeps_to_itself_is_refused_without_a_baseline(tmp_path: Path) -> None:
    needs = Needs(library="libc.so.6", versions=(("GLIBC_PRIVATE", "_dl_sym"),))
    check = the_failure(tmp_path, minimal_elf(needs), Expectation(target=LINUX))
    assert check.id == "elf-glibc-private"
    assert "_dl_sym" in check.message


@pytest.mark.parametrize(("version", "sound"), [("GLIBCXX_3.4.30", True), ("GLIBCXX_3.4.31", False)])
def test_a_libstdcxx_that_is_too_new_for_the_baseline_is_refused(version: str, sound: bool, tmp_path: Path) -> None:
    needs = Needs(library="libstdc++.so.6", versions=((version, "_ZSt1x"),))
    artifact = judge(tmp_path, minimal_elf(needs), Expectation(target=LINUX, glibc="2.36"))
    assert failing(artifact) == ([] if sound else ["elf-libstdcxx"]), messages(artifact)
    if not sound:
        assert "Debian 12, which has glibc 2.36, has an older one: _ZSt1x (GLIBCXX_3.4.31)" in messages(artifact)


def test_a_library_that_not_every_linux_has_is_refused_or_allowed(tmp_path: Path) -> None:
    data = minimal_elf(Needs(library="libssl.so.3"))
    check = the_failure(tmp_path, data, Expectation(target=LINUX))
    assert check.id == "elf-libraries"
    assert "OpenSSL, whose version differs" in check.message
    assert check.mend is not None
    assert "rustls" in check.mend
    assert not failing(judge(tmp_path, data, Expectation(target=LINUX, libraries=("libssl.so.*",))))
    assert not failing(judge(tmp_path, data, Expectation(target=LINUX, beside={"libssl.so.3": None})))


@pytest.mark.parametrize(
    ("runpath", "sound"),
    [
        ("$ORIGIN", True),
        ("${ORIGIN}/../lib", True),
        ("$ORIGIN:$ORIGIN/lib", True),
        ("/opt/tool/lib", False),
        ("$ORIGIN:/usr/local/lib", False),
        ("", False),
        ("$ORIGINAL", False),
        ("lib", False),
    ],
)
def test_libraries_are_looked_for_relative_to_the_program_alone(runpath: str, sound: bool, tmp_path: Path) -> None:
    artifact = judge(tmp_path, minimal_elf(Needs(library="libc.so.6", runpath=runpath)), Expectation(target=LINUX))
    assert failing(artifact) == ([] if sound else ["elf-runpath"]), messages(artifact)


def test_the_hash_of_a_version_is_the_one_that_linkers_write() -> None:
    assert sysv_hash(b"GLIBC_2.2.5") == 0x09691A75  # readelf -V of any program for x86_64
    assert sysv_hash(b"GLIBC_2.34") == 0x069691B4


def test_the_policies_are_consistent() -> None:
    windows, linux = policy.windows(), policy.linux()
    assert list(windows.versions.values()) == sorted(windows.versions.values())
    assert windows.default in windows.versions
    assert set(windows.since.values()) <= set(windows.versions)
    assert all(dll == dll.lower() and "." in dll for dll in windows.since)
    assert [item.glibc for item in linux.distributions] == sorted(item.glibc for item in linux.distributions)
    assert [item.glibcxx for item in linux.distributions] == sorted(item.glibcxx for item in linux.distributions)
    assert not [name for name in linux.libraries if policy.leftover(name, linux.leftovers)]
    for left in (*windows.leftovers, *linux.leftovers):
        assert left.mend.endswith(".")
        assert not left.origin.endswith(".")


def test_no_dll_is_listed_for_two_versions_of_windows() -> None:
    data = policy._read("windows.toml")
    dlls = [dll for table in data["system"] for dll in table["dlls"]]
    assert len(dlls) == len(set(dlls))
