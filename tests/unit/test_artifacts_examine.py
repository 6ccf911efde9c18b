"""What `examine` says about files of every sort, and how it says it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import struct
from pathlib import Path

import pytest
from tests.unit.binaries import expecting, failing, judge, messages, warning
from tests.unit.binaries_elf import Elf, minimal_elf
from tests.unit.binaries_pe import ENTRY_OFFSET, Pe, minimal_pe

from buildproof.artifacts import examine
from buildproof.artifacts.content import PAGE, read_through
from buildproof.evidence import Check, CheckStatus
from buildproof.targets import Format, Machine, Target

WINDOWS, LINUX = Target.WINDOWS_X86_64, Target.LINUX_X86_64


def _failure(data: bytes, target: Target, directory: Path) -> Check:
    (check,) = [check for check in judge(directory, data, target).checks if check.status is CheckStatus.FAIL]
    return check


def test_an_artifact_carries_what_was_expected_and_what_was_found(tmp_path: Path) -> None:
    artifact = judge(tmp_path, minimal_pe(), WINDOWS)
    assert (artifact.path, artifact.size) == ("artifact", len(minimal_pe()))
    assert artifact.sha256 == hashlib.sha256(minimal_pe()).hexdigest()
    assert (artifact.format, artifact.machine, artifact.started) == (Format.PE, Machine.X86_64, None)


def test_a_missing_file_is_a_failing_check(tmp_path: Path) -> None:
    artifact = examine(tmp_path / "nothing.exe", expecting(WINDOWS), "target/nothing.exe")
    assert failing(artifact) == ["file-present"]
    assert (artifact.size, artifact.sha256) == (None, None)
    assert "the artifact does not exist" in artifact.checks[0].message


def test_what_is_no_regular_file_is_a_failing_check(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "loop", Path("/dev/null"), Path("nul\0byte")):
        artifact = examine(path, expecting(LINUX), "artifact")
        assert failing(artifact) == ["file-present"], messages(artifact)
        assert "cannot be read" in artifact.checks[0].message


def test_a_disk_that_does_not_deliver_is_a_failing_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: object, **_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("buildproof.artifacts.examination.read_through", broken)
    artifact = judge(tmp_path, minimal_elf(), LINUX)
    assert failing(artifact) == ["file-present"]
    assert artifact.size == len(minimal_elf())
    assert "Input/output error" in artifact.checks[0].message


@pytest.mark.parametrize(
    ("data", "rule", "words"),
    [
        (b"", "file-not-empty", "the file is empty"),
        (b"\0" * 5000, "file-format", "it looks like zeros"),
        (b"\0" * 64 + b"half a program", "file-format", "it looks like zeros"),
        (b"hello\n", "file-format", "it looks like text"),
        (b"#!/bin/sh\n", "file-format", "it looks like a script"),
        (b"!<arch>\n", "file-format", "static library"),
        (b"\x64\x86\x05\0" + bytes(40), "file-format", "a COFF object file for x86_64"),
        (b"\x01\x02\x03", "file-format", "unknown data (01 02 03)"),
    ],
)
def test_another_kind_of_file_is_named(data: bytes, rule: str, words: str, tmp_path: Path) -> None:
    check = _failure(data, WINDOWS, tmp_path)
    assert check.id == rule
    assert words in check.message


def test_the_format_is_expected_and_not_sniffed(tmp_path: Path) -> None:
    check = _failure(minimal_elf(), WINDOWS, tmp_path)
    assert (check.id, check.expected, check.actual) == ("file-format", "4d 5a", "7f 45")
    assert "it looks like an ELF file" in check.message
    check = _failure(minimal_pe(), LINUX, tmp_path)
    assert "it looks like a Windows (PE) or DOS executable" in check.message


def test_a_program_for_another_machine_says_for_which(tmp_path: Path) -> None:
    check = _failure(minimal_pe(), Target.WINDOWS_AARCH64, tmp_path)
    assert check.id == "pe-machine"
    assert "the executable is for x86_64, not for aarch64" in check.message
    check = _failure(minimal_elf(), Target.LINUX_I686, tmp_path)
    assert check.id == "elf-machine"
    assert "the file is for x86_64, not for i686" in check.message


def test_a_cut_file_names_the_section_both_sizes_and_the_likely_cause(tmp_path: Path) -> None:
    check = _failure(minimal_pe()[:0x4500], WINDOWS, tmp_path)
    assert check.id == "pe-section-data"
    assert "section 2 (.rdata) ends at 0x4a00, but the file has only 17664 bytes (0x4500)" in check.message
    assert check.mend is not None
    assert "typically by a full disk" in check.mend
    assert check.offset == Pe(bytearray(minimal_pe())).header(1) + 16
    assert check.actual == "17664 bytes"


def test_zeroed_code_tells_where(tmp_path: Path) -> None:
    data = bytearray(minimal_pe())
    data[0x2000:0x4000] = bytes(0x2000)
    check = _failure(bytes(data), WINDOWS, tmp_path)
    assert (check.id, check.offset) == ("pe-code", 0x2000)
    assert "8192 bytes of it at 0x2000-0x4000 are zeros" in check.message


def test_zeros_at_the_entry_point_are_counted_in_its_section_only(tmp_path: Path) -> None:
    data = bytearray(minimal_pe())
    data[ENTRY_OFFSET : ENTRY_OFFSET + 15] = bytes(15)
    assert not failing(judge(tmp_path, bytes(data), WINDOWS))


def test_zeros_in_code_are_no_damage_below_a_page_of_the_file(tmp_path: Path) -> None:
    data = bytearray(minimal_elf())
    data[0x2001:0x3FFF] = bytes(0x1FFE)
    assert not failing(judge(tmp_path, bytes(data), LINUX))
    data[0x2000] = 0
    assert failing(judge(tmp_path, bytes(data), LINUX)) == ["elf-code"]


def test_a_program_without_section_headers_is_sound(tmp_path: Path) -> None:
    data = bytearray(minimal_elf())
    Elf(data).put64(40, 0)
    artifact = judge(tmp_path, bytes(data), LINUX)
    assert not failing(artifact), messages(artifact)
    unasked = [check.id for check in artifact.checks if check.status is CheckStatus.NOT_APPLICABLE]
    assert {"elf-section-table", "elf-section-data", "elf-section-places", "elf-section-overlap"} <= set(unasked)
    data[0x1000:0x5000] = bytes(0x4000)
    assert failing(judge(tmp_path, bytes(data), LINUX)) == ["elf-code"]


def test_a_static_program_needs_no_interpreter(tmp_path: Path) -> None:
    data = bytearray(minimal_elf())
    elf = Elf(data)
    elf.put32(elf.segments(3)[0], 0)
    artifact = judge(tmp_path, bytes(data), LINUX)
    assert not failing(artifact), messages(artifact)
    assert "not-applicable elf-interpreter: the file asks for no interpreter" in messages(artifact)


def test_what_is_only_unusual_is_a_warning(tmp_path: Path) -> None:
    musl, roomy = bytearray(minimal_elf()), bytearray(minimal_pe())
    at = musl.index(b"/lib64/ld-linux")
    musl[at : at + 28] = b"/lib/ld-musl-x86_64.so.1\0\0\0\0"
    struct.pack_into("<I", roomy, 0x80 + 24 + 56, 0x20000)
    for data, target, rule in (
        (bytes(musl), LINUX, "elf-interpreter"),
        (bytes(roomy), WINDOWS, "pe-image-size"),
        (minimal_pe() + bytes(PAGE), WINDOWS, "file-tail"),
    ):
        artifact = judge(tmp_path, data, target)
        assert (failing(artifact), warning(artifact)) == ([], [rule]), messages(artifact)


def test_every_failing_check_has_a_message_with_a_next_step(tmp_path: Path) -> None:
    for data, target in ((minimal_pe(), WINDOWS), (minimal_elf(), LINUX)):
        for size in range(0, len(data), 1021):
            for check in judge(tmp_path, data[:size], target).checks:
                if check.status is CheckStatus.FAIL:
                    assert check.message
                    assert check.mend
                    assert check.expected is not None


@pytest.mark.parametrize(("data", "target"), [(minimal_pe(), WINDOWS), (minimal_elf(), LINUX)], ids=["pe", "elf"])
def test_a_hole_in_a_section_is_a_warning(data: bytes, target: Target, tmp_path: Path) -> None:
    """Bytes that are zeros because nobody wrote them; in code that is damage, in data it may be the file system."""
    path, page = tmp_path / "artifact", 0x2000
    with path.open("wb") as file:
        file.write(data[:page])
        file.seek(page + PAGE)
        file.write(data[page + PAGE :])
    if not path.stat().st_blocks * 512 < path.stat().st_size:
        pytest.skip("the file system of the temporary folder keeps no holes")
    checks = {check.id: check for check in examine(path, expecting(target), "artifact").checks}
    check = checks["pe-holes" if target is WINDOWS else "elf-holes"]
    assert check.status is CheckStatus.WARNING
    assert check.offset == page
    assert "were never written" in check.message


def test_one_pass_finds_zero_pages_across_the_seams_of_its_reads() -> None:
    seam = 256 * PAGE
    data = bytearray(b"\x01" * (3 * seam + 100))
    data[seam - PAGE : seam + PAGE] = bytes(2 * PAGE)
    data[2 * seam + 1 : 2 * seam + PAGE] = bytes(PAGE - 1)
    data[3 * seam - 8 :] = bytes(108)
    content = read_through(io.BytesIO(bytes(data)))
    assert content.zero_runs == (range(seam - PAGE, seam + PAGE),)
    assert content.trailing_zeros == 108
    assert (content.size, content.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert content.zero_pages(seam - 1, seam + 2 * PAGE) == range(seam, seam + PAGE)
    assert content.zero_pages(0, seam - PAGE) is None
    assert content.zero_pages(seam + 1, seam + PAGE) is None
