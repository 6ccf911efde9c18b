"""`buildproof check`: the rules without a build, for people, for programs and for code hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.binaries_elf import Needs, minimal_elf
from tests.unit.binaries_pe import Pe, minimal_pe
from typer.testing import CliRunner

from buildproof import cli
from buildproof.errors import InputError

WINDOWS = ("--expect", "windows-x86_64")
LINUX = ("--expect", "linux-x86_64")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.exe"
    path.write_bytes(minimal_pe())
    return path


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    path = tmp_path / "cut & dried.exe"
    path.write_bytes(minimal_pe()[:0x4500])
    return path


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["check", *map(str, arguments)])
    if isinstance(result.exception, InputError):
        raise result.exception
    return result.exit_code, result.output


def test_a_sound_file_is_one_line_and_exit_code_0(sound: Path) -> None:
    code, output = run(sound, *WINDOWS)
    assert code == 0
    assert output.startswith(f"{sound}: sound (")
    assert len(output.splitlines()) == 1


def test_a_damaged_file_says_where_and_what_was_expected(sound: Path, cut: Path) -> None:
    code, output = run(sound, cut, *WINDOWS)
    assert code == 10
    assert f"{cut}: refused (" in output
    assert "  fail pe-section-data: section 2 (.rdata) ends at 0x4a00" in output
    assert "at offset 0x1c0; expected raw data at 0x4400-0x4a00 inside the file; found 17664 bytes" in output
    assert "so that" not in output.splitlines()[0]


def test_verbose_says_what_holds_too(sound: Path) -> None:
    _, output = run(sound, *WINDOWS, "--verbose")
    assert "  pass pe-imports: the import table can be walked" in output
    assert "  not-applicable pe-certificates: the image is not signed" in output


def test_json_has_every_check(sound: Path, cut: Path) -> None:
    code, output = run(sound, cut, *WINDOWS, "--format", "json")
    first, second = json.loads(output)
    assert code == 10
    assert first["path"] == str(sound)
    assert {check["status"] for check in first["checks"]} == {"pass", "not-applicable"}
    assert [check["id"] for check in second["checks"] if check["status"] == "fail"] == ["pe-section-data"]


def test_sarif_has_rules_results_places_and_hashes(sound: Path, cut: Path) -> None:
    code, output = run(sound, cut, *WINDOWS, "--format", "sarif")
    log = json.loads(output)
    (only,) = log["runs"]
    assert (code, log["version"]) == (10, "2.1.0")
    rules = only["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert [artifact["length"] for artifact in only["artifacts"]] == [len(minimal_pe()), 0x4500]
    assert all(len(artifact["hashes"]["sha-256"]) == 64 for artifact in only["artifacts"])
    result = next(result for result in only["results"] if result["ruleId"] == "pe-section-data")
    assert rules[result["ruleIndex"]]["id"] == "pe-section-data"
    assert result["level"] == "error"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("cut%20%26%20dried.exe")
    assert place["artifactLocation"]["index"] == 1
    assert place["region"]["byteOffset"] == 0x1C0
    assert not [result for result in only["results"] if result["level"] not in ("error", "warning")]


def test_a_file_that_is_not_there_is_a_failing_check(tmp_path: Path) -> None:
    code, output = run(tmp_path / "nowhere" / "nothing", *LINUX)
    assert code == 10
    assert "fail file-present: the artifact does not exist" in output


def test_what_is_expected_comes_from_the_options(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(minimal_elf(Needs(library="libc.so.6", versions=(("GLIBC_2.38", "strlcpy"),))))
    assert run(path, *LINUX)[0] == 0
    code, output = run(path, *LINUX, "--glibc", "2.36")
    assert code == 10
    assert "strlcpy (GLIBC_2.38)" in output
    assert run(path, *LINUX, "--size-limit", "1k")[0] == 10
    assert run(path, *LINUX, "--hardening", "basic")[0] == 10
    assert run(path, *LINUX, "--symbols", "stripped")[0] == 10
    assert run(path, *LINUX, "--kind", "library")[0] == 0


def test_a_dll_in_the_same_folder_lies_beside(tmp_path: Path) -> None:
    program, library = bytearray(minimal_pe()), bytearray(minimal_pe())
    pe = Pe(program)
    name = pe.offset_of(pe.u32(pe.offset_of(pe.directory(1)[0]) + 12))
    program[name : name + 16] = b"Engine.dll".ljust(16, b"\0")
    (tmp_path / "program.exe").write_bytes(program)
    assert "fail pe-dlls: the program needs Engine.dll" in run(tmp_path / "program.exe", *WINDOWS)[1]
    (tmp_path / "engine.DLL").write_bytes(library)
    assert (
        "fail pe-dll-exports: the program needs ExitProcess of Engine.dll" in run(tmp_path / "program.exe", *WINDOWS)[1]
    )
    assert run(tmp_path / "program.exe", *WINDOWS, "--library", "engine.dll")[0] == 10
    first = library.index(b"first\0second\0")
    library[first : first + 13] = b"ExitProcess\0t"
    pe = Pe(library)
    pe.put32(pe.offset_of(pe.directory(0)[0]) + 24, 1)
    (tmp_path / "engine.DLL").write_bytes(library)
    assert run(tmp_path / "program.exe", *WINDOWS)[0] == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--glibc", "new", "--glibc: 'new' is no version of glibc"),
        ("--windows", "95", "--windows: '95' is none of 7, 8, 8.1, 10, 11"),
        ("--size-limit", "much", "--size-limit: 'much' is not a size"),
    ],
)
def test_an_option_that_makes_no_sense_is_an_input_error(option: str, value: str, words: str, sound: Path) -> None:
    with pytest.raises(InputError, match=r".") as raised:
        run(sound, *WINDOWS, option, value)
    assert words in str(raised.value)


def test_what_is_expected_has_to_be_said(sound: Path) -> None:
    assert run(sound)[0] == 2
