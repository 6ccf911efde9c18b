"""Objects and static libraries: what a linker reads of them leads to what is there."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from tests.unit.binaries import failing, messages, warning
from tests.unit.binaries import judge as judge_bytes
from tests.unit.binaries_elf import minimal_elf
from tests.unit.binaries_pe import minimal_pe
from tests.unit.bundles_made import ar
from tests.unit.objects_made import CODE, coff_object, elf_object

from buildproof.artifacts import OBJECT_RULES, RULES, Expectation
from buildproof.bundles import examine_output
from buildproof.evidence import Artifact
from buildproof.targets import Format, Kind, Target

WINDOWS, LINUX = Target.WINDOWS_X86_64, Target.LINUX_X86_64
ELF, COFF, BIG = elf_object(), coff_object(), coff_object(big=True)
SECTIONS = struct.unpack_from("<Q", ELF, 40)[0]


def judge(tmp_path: Path, data: bytes, target: Target) -> Artifact:
    return judge_bytes(tmp_path, data, Expectation(target=target, kind=Kind.OBJECT))


def changed(data: bytes, at: int, layout: str, value: int) -> bytes:
    copy = bytearray(data)
    struct.pack_into(layout, copy, at, value)
    return bytes(copy)


@pytest.mark.parametrize(("data", "target"), [(ELF, LINUX), (COFF, WINDOWS), (BIG, WINDOWS)])
def test_a_sound_object_passes_and_every_cut_of_it_is_refused(data: bytes, target: Target, tmp_path: Path) -> None:
    artifact = judge(tmp_path, data, target)
    assert not failing(artifact), messages(artifact)
    assert not warning(artifact), messages(artifact)
    survivors = [size for size in range(0, len(data), 3) if not failing(judge(tmp_path, data[:size], target))]
    assert not survivors


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (changed(ELF, 16, "<H", 3), "elf-object-type"),
        (changed(ELF, 40, "<Q", 0), "elf-object-type"),
        (changed(ELF, 18, "<H", 183), "elf-machine"),
        (changed(ELF, 58, "<H", 60), "elf-section-table"),
        (changed(ELF, SECTIONS + 64 + 32, "<Q", 1 << 40), "elf-section-data"),
        (changed(ELF, SECTIONS + 64 + 24, "<Q", 0), "elf-section-overlap"),
        (changed(ELF, SECTIONS + 128 + 44, "<I", 9), "elf-object-relocations"),
        (changed(ELF, SECTIONS + 128 + 40, "<I", 1), "elf-object-relocations"),
        (changed(ELF, ELF.index(CODE) + len(CODE), "<Q", len(CODE)), "elf-object-relocations"),
        (changed(ELF, ELF.index(CODE) + len(CODE) + 8, "<Q", 3 << 32), "elf-object-relocations"),
        (changed(ELF, ELF.index(CODE) + len(CODE) + 24 + 24 + 6, "<H", 6), "elf-object-symbols"),
        (changed(ELF, SECTIONS + 192 + 44, "<I", 4), "elf-object-symbols"),
        (changed(ELF, ELF.index(CODE) + len(CODE) + 24 + 24, "<I", 999), "elf-section-symbols"),
        (ELF.replace(CODE, bytes(len(CODE))), "elf-code"),
        (minimal_elf(), "elf-object-type"),
    ],
)
def test_a_damaged_elf_object_is_refused_by_one_rule(data: bytes, rule: str, tmp_path: Path) -> None:
    artifact = judge(tmp_path, data, LINUX)
    assert failing(artifact) == [rule], messages(artifact)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (coff_object(machine=0xAA64), "coff-machine"),
        (coff_object(big=True, machine=0x14C), "coff-machine"),
        (changed(BIG, 12, "<I", 0), "coff-header"),
        (changed(COFF, 16, "<H", 8), "coff-header"),
        (changed(COFF, 2, "<H", 9), "coff-section-data"),
        (changed(COFF, 20 + 16, "<I", 999), "coff-section-data"),
        (changed(COFF, 8, "<I", 1 << 30), "coff-symbol-table"),
        (changed(COFF, 12, "<I", 1 << 30), "coff-symbol-table"),
        (changed(COFF, COFF.index(b"here") + 12, "<h", 2), "coff-symbols"),
        (changed(BIG, BIG.index(b"here") + 12, "<i", 2), "coff-symbols"),
        (changed(COFF, COFF.index(CODE) + len(CODE), "<I", len(CODE)), "coff-relocations"),
        (changed(COFF, COFF.index(CODE) + len(CODE) + 4, "<I", 2), "coff-relocations"),
        (changed(COFF, 20 + 32, "<H", 9999), "coff-relocations"),
        (minimal_pe(), "file-format"),
    ],
)
def test_a_damaged_coff_object_is_refused_by_one_rule(data: bytes, rule: str, tmp_path: Path) -> None:
    artifact = judge(tmp_path, data, WINDOWS)
    assert failing(artifact) == [rule], messages(artifact)


def test_the_number_of_many_relocations_stands_in_the_first(tmp_path: Path) -> None:
    count = 70_000
    data = bytearray(changed(changed(COFF, 20 + 32, "<H", 0xFFFF), 20 + 36, "<I", 0x61500020))
    struct.pack_into("<I", data, 20 + 24, len(data))
    table = struct.pack("<IIH", count + 1, 0, 0) + struct.pack("<IIH", 1, 1, 4) * count
    assert not failing(judge(tmp_path, bytes(data) + table, WINDOWS))
    assert failing(judge(tmp_path, bytes(data) + table[:-1], WINDOWS)) == ["coff-relocations"]


def test_a_page_of_zeros_in_the_code_of_an_object_is_refused(tmp_path: Path) -> None:
    data = changed(COFF, 20 + 16, "<I", 16384)
    data = changed(data, 20 + 20, "<I", len(data)) + CODE * 256 + bytes(8192) + CODE * 256
    assert failing(judge(tmp_path, data, WINDOWS)) == ["coff-code"]


def test_no_object_rule_has_the_id_of_another() -> None:
    own = [rule.id for rules in OBJECT_RULES.values() for rule in rules]
    others = {rule.id: rule for rules in RULES.values() for rule in rules}
    assert len(set(own)) == len(own)
    shared = [rule for rules in OBJECT_RULES.values() for rule in rules if rule.id in others]
    assert all(others[rule.id].judge is rule.judge for rule in shared)
    assert all(rule.id.startswith("coff-") for rule in OBJECT_RULES[Format.PE])


def library(tmp_path: Path, parts: dict[str, bytes], target: Target) -> tuple[Artifact, ...]:
    (tmp_path / "libx.a").write_bytes(ar(parts))
    return examine_output(tmp_path / "libx.a", Expectation(target=target), "libx.a")


@pytest.mark.parametrize(("data", "target"), [(ELF, LINUX), (COFF, WINDOWS), (BIG, WINDOWS)])
def test_a_sound_library_is_one_artifact_and_an_unsound_object_in_it_another(
    data: bytes, target: Target, tmp_path: Path
) -> None:
    (sound,) = library(tmp_path, {"a.o/": data, "b.o/": data}, target)
    assert not failing(sound), messages(sound)
    assert not warning(sound), messages(sound)
    whole, cut = library(tmp_path, {"a.o/": data, "b.o/": data[:-30]}, target)
    assert failing(whole) == ["library-objects"]
    assert "b.o is unsound" in messages(whole)
    assert cut.path == "libx.a!b.o"
    assert failing(cut)


def test_the_index_of_a_library_leads_to_members(tmp_path: Path) -> None:
    index = struct.pack(">II", 1, 8 + 60 + 14) + b"here\0\0"
    (sound,) = library(tmp_path, {"/": index, "a.o/": ELF}, LINUX)
    assert not failing(sound), messages(sound)
    wrong, *_ = library(tmp_path, {"/": changed(index, 4, ">I", 99), "a.o/": ELF}, LINUX)
    assert failing(wrong) == ["bundle-whole"]
    assert "the index of symbols leads to 0x63, where no member is" in messages(wrong)
    long, *_ = library(tmp_path, {"/": changed(index, 0, ">I", 99), "a.o/": ELF}, LINUX)
    assert "the index of symbols announces 99 of them in 14 bytes" in messages(long)


def test_long_names_and_names_that_are_there_twice(tmp_path: Path) -> None:
    names = b"a_name_longer_than_sixteen.o/\n"
    parts = ar({"//": names, "/0": ELF[:-1], "x.o/": ELF}) + ar({"x.o/": ELF[:-1]})[8:]
    (tmp_path / "libx.a").write_bytes(parts)
    _, first, second = examine_output(tmp_path / "libx.a", Expectation(target=LINUX), "libx.a")
    assert (first.path, second.path) == ("libx.a!a_name_longer_than_sixteen.o", "libx.a!x.o#2")
    assert "a member's name is /99" in messages(library(tmp_path, {"//": names, "/99": ELF}, LINUX)[0])


def test_imports_have_no_code_and_are_read_all_the_same(tmp_path: Path) -> None:
    names = b"there\0some.dll\0"
    short = struct.pack("<HHHHIIHH", 0, 0xFFFF, 0, 0x8664, 0, len(names), 0, 4) + names
    (sound,) = library(tmp_path, {"some.dll/": short, "a.o/": COFF}, WINDOWS)
    assert not failing(sound), messages(sound)
    assert not warning(sound), messages(sound)
    (cut,) = library(tmp_path, {"some.dll/": short[:-1], "a.o/": COFF}, WINDOWS)
    assert "an import has names of 15 bytes, of which 14 are there" in messages(cut)


def test_what_is_no_object_in_a_library_is_named(tmp_path: Path) -> None:
    (found,) = library(tmp_path, {"a.o/": ELF, "b.o/": b"BC\xc0\xde" + bytes(99)}, LINUX)
    assert warning(found) == ["bundle-examined"]
    assert "b.o is no object for linux-x86_64, but looks like LLVM bitcode" in messages(found)
    (tmp_path / "thin.a").write_bytes(b"!<thin>\n")
    (thin,) = examine_output(tmp_path / "thin.a", Expectation(target=LINUX), "thin.a")
    assert "not examined: a thin archive" in messages(thin)


def test_an_empty_library_is_unusual(tmp_path: Path) -> None:
    (empty,) = library(tmp_path, {}, LINUX)
    assert not failing(empty), messages(empty)
    assert warning(empty) == ["bundle-whole"]


@pytest.mark.parametrize("flags", ["-O2 -g", "-O0", "-O2 -ffunction-sections -fdata-sections"])
def test_what_a_compiler_makes_is_sound(flags: str, tmp_path: Path) -> None:
    source = "#include <stdio.h>\nint main(int n, char **a) { printf(a[0]); return n; }\n"
    made, failures = 0, ""
    for compiler, target in (("gcc", LINUX), ("clang", LINUX), ("x86_64-w64-mingw32-gcc", WINDOWS)):
        (tmp_path / "a.c").write_text(source)
        command = [compiler, *flags.split(), "-w", "-c", "a.c", "-o", "a.o"]
        try:
            subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            failures += f"{error}; "
            continue
        artifact = examine_output(tmp_path / "a.o", Expectation(target=target, kind=Kind.OBJECT), "a.o")[0]
        assert not failing(artifact), messages(artifact)
        made += 1
    if not made:
        pytest.skip(failures)
