"""Packages: opened without writing anywhere, read to their end, every executable inside judged like any other."""

from __future__ import annotations

import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.unit.binaries import failing, messages, warning
from tests.unit.binaries_elf import minimal_elf
from tests.unit.binaries_pe import Pe, minimal_pe
from tests.unit.bundles_made import COMPRESS, PACKERS, PROGRAM, newc, pack_rpm, pack_tar, pack_zip, rpm

from buildproof.artifacts import Expectation
from buildproof.bundles import contents, examine_output, streams
from buildproof.evidence import Artifact
from buildproof.targets import Target

WINDOWS, LINUX = Target.WINDOWS_X86_64, Target.LINUX_X86_64


def judge(path: Path, target: Target = LINUX, *, contains: tuple[str, ...] = ()) -> tuple[Artifact, ...]:
    return examine_output(path, Expectation(target=target, contains=contains), path.name)


@pytest.mark.parametrize("name", PACKERS)
def test_a_sound_package_passes_with_what_is_in_it(name: str, tmp_path: Path) -> None:
    PACKERS[name](tmp_path / name, PROGRAM)
    package, program = judge(tmp_path / name, contains=("app/bin/app", "*README"))
    assert not failing(package), messages(package)
    assert not warning(package), messages(package)
    assert program.path == f"{name}!./app/bin/app"
    assert program.size == len(minimal_elf())
    assert not failing(program), messages(program)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.name in {"app", "README"}) == []


@pytest.mark.parametrize("name", PACKERS)
def test_a_damaged_executable_inside_is_refused(name: str, tmp_path: Path) -> None:
    PACKERS[name](tmp_path / name, {**PROGRAM, "./app/bin/app": minimal_elf()[:0x3000]})
    package, program = judge(tmp_path / name)
    assert not failing(package)
    assert failing(program) == ["elf-load-data"]


@pytest.mark.parametrize("name", PACKERS)
def test_every_cut_of_a_package_is_refused(name: str, tmp_path: Path) -> None:
    whole, cut = tmp_path / name, tmp_path / f"cut-{name}"
    PACKERS[name](whole, PROGRAM)
    data = whole.read_bytes().rstrip(b"\0")  # a tar ends in zeros: half of them will do
    survivors = []
    for size in {0, 1, 7, len(data) // 3, len(data) // 2, len(data) - 200, len(data) - 9}:
        cut.write_bytes(data[:size])
        if not failing(judge(cut)[0]):
            survivors.append(size)
    assert not survivors


@pytest.mark.parametrize("name", [name for name in PACKERS if name not in ("app.tar", "app.deb", "zstd.deb")])
def test_a_flipped_byte_is_refused_by_the_checksum(name: str, tmp_path: Path) -> None:
    PACKERS[name](tmp_path / name, PROGRAM)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) * 2 // 3] ^= 0x55
    (tmp_path / name).write_bytes(data)
    assert failing(judge(tmp_path / name)[0]) == ["bundle-whole"]


@pytest.mark.parametrize("evil", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "\\evil", "..\\evil"])
@pytest.mark.parametrize("name", ["app.zip", "app.tar"])
def test_a_member_that_would_leave_the_folder_is_refused(name: str, evil: str, tmp_path: Path) -> None:
    PACKERS[name](tmp_path / name, {**PROGRAM, evil: minimal_elf()})
    package, *inside = judge(tmp_path / name)
    assert failing(package) == ["bundle-safe"], messages(package)
    assert len(inside) == 1
    PACKERS[name](tmp_path / name, {evil: minimal_elf()})
    assert failing(judge(tmp_path / name)[0]) == ["bundle-safe"]


def test_links_out_of_the_folder_and_devices_are_refused(tmp_path: Path) -> None:
    for info in (tarfile.TarInfo("link"), tarfile.TarInfo("pipe"), tarfile.TarInfo("fine")):
        info.type = tarfile.FIFOTYPE if info.name == "pipe" else tarfile.SYMTYPE
        info.linkname = "../../etc" if info.name == "link" else "app/bin/app"
        pack_tar(tmp_path / "app.tar", PROGRAM)
        with tarfile.open(tmp_path / "app.tar", "a") as archive:
            archive.addfile(info)
        assert failing(judge(tmp_path / "app.tar")[0]) == ([] if info.name == "fine" else ["bundle-safe"])
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/../../etc")
        archive.writestr("app", minimal_elf())
    assert failing(judge(tmp_path / "app.zip")[0]) == []
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr(link, "../etc")
        archive.writestr("app", minimal_elf())
    assert failing(judge(tmp_path / "app.zip")[0]) == ["bundle-safe"]


def test_what_is_declared_has_to_be_there(tmp_path: Path) -> None:
    pack_zip(tmp_path / "app.zip", {**PROGRAM, "empty.txt": b""})
    package, _ = judge(tmp_path / "app.zip", contains=("app/bin/*", "LICENSE", "empty.txt"))
    assert failing(package) == ["bundle-contents"]
    assert "nothing in the package is called LICENSE (1 more of this kind)" in messages(package)


def test_a_package_without_an_executable_is_unusual(tmp_path: Path) -> None:
    pack_zip(tmp_path / "app.zip", PROGRAM)
    package = judge(tmp_path / "app.zip", WINDOWS)[0]
    assert warning(package) == ["bundle-executables", "bundle-examined"]
    assert "./app/bin/app looks like an ELF file, which is nothing for windows-x86_64" in messages(package)


def test_a_package_in_a_package_is_told_not_to_be_examined(tmp_path: Path) -> None:
    pack_zip(tmp_path / "app.zip", {**PROGRAM, "more.tar.gz": b"whatever"})
    package = judge(tmp_path / "app.zip")[0]
    assert warning(package) == ["bundle-examined"]
    assert "more.tar.gz is a package in the package, which is not opened" in messages(package)


def test_a_name_that_is_there_twice_is_unusual(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("app", minimal_elf())
        archive.writestr("app", minimal_elf())
    assert warning(judge(tmp_path / "app.zip")[0]) == ["bundle-safe"]


def test_what_unpacks_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_BYTES", 1 << 20)
    for name, pack in PACKERS.items():
        # A member that is not taken is read over, and counts all the same.
        for member in ("./zeros", "../zeros"):
            pack(tmp_path / name, {**PROGRAM, member: bytes(2 << 20), "./more": b"more"})
            package = judge(tmp_path / name)[0]
            if (name, member) != ("app.zip", "../zeros"):
                assert failing(package) == ["bundle-whole"], name
                assert "it unpacks to more than" in messages(package)
    monkeypatch.setattr(contents, "MOST_MEMBERS", 3)
    pack_zip(tmp_path / "app.zip", {str(number): b"x" for number in range(5)})
    assert "it has over 3 members" in messages(judge(tmp_path / "app.zip")[0])


def test_a_dll_in_the_package_lies_beside_the_program(tmp_path: Path) -> None:
    program = bytearray(minimal_pe())
    pe = Pe(program)
    name = pe.offset_of(pe.u32(pe.offset_of(pe.directory(1)[0]) + 12))
    program[name : name + 16] = b"engine.dll".ljust(16, b"\0")
    library = bytearray(minimal_pe())
    library[0x80 + 22 : 0x80 + 24] = (0x2022).to_bytes(2, "little")
    for folder, refused in (("app/", ["pe-dll-exports"]), ("other/", ["pe-dlls"])):
        for start in ("", "./"):
            files = {f"{start}app/app.exe": bytes(program), f"{start}{folder}Engine.dll": bytes(library)}
            pack_zip(tmp_path / "app.zip", files)
            _, first, second = judge(tmp_path / "app.zip", WINDOWS)
            assert failing(first) == refused, messages(first)
            assert not failing(second), messages(second)


def test_a_missing_package_is_a_failing_check(tmp_path: Path) -> None:
    (package,) = judge(tmp_path / "none.zip")
    assert failing(package) == ["bundle-present"]
    assert package.sha256 is None


def test_packages_are_known_by_their_names(tmp_path: Path) -> None:
    """Whatever is in them: that is expected, and not found out."""
    for name in (*PACKERS, "A.ZIP", "out-1.0.tgz"):
        (tmp_path / name).write_bytes(minimal_elf())
        assert failing(judge(tmp_path / name)[0]) == ["bundle-whole"], name
    for name in ("app", "app.exe", "tar"):
        (tmp_path / name).write_bytes(minimal_elf())
        assert not failing(judge(tmp_path / name)[0]), name


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("compressor", COMPRESS)
def test_an_rpm_is_read_whatever_it_is_compressed_with(compressor: str, strip: bool, tmp_path: Path) -> None:
    pack_rpm(tmp_path / "app.rpm", PROGRAM, compressor, strip=strip)
    package, program = judge(tmp_path / "app.rpm", contains=("app/README",))
    assert not failing(package), messages(package)
    assert program.path == "app.rpm!./app/bin/app"
    assert not failing(program)


def test_an_rpm_whose_digest_is_another_says_which(tmp_path: Path) -> None:
    pack_rpm(tmp_path / "app.rpm", PROGRAM)
    data = (tmp_path / "app.rpm").read_bytes()
    for at, words in (
        (len(data) - 40, "the md5 of header and payload"),
        (data.index(b"cpio"), "the sha256 of the header"),
    ):
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        (tmp_path / "flipped.rpm").write_bytes(flipped)
        assert words in messages(judge(tmp_path / "flipped.rpm")[0])


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (newc("a", b"x"), "the archive ends after 0 of 6 bytes"),
        (newc("a", b"x")[:-4], "a has 1 bytes, of which 0 are there"),
        (b"070701" + b"-0000001" * 13, "numbers that are not hexadecimal: b'-0000001"),
        (b"070707" + bytes(110), "there is no cpio entry at 0x0"),
        (b"070701" + b"00000000" * 11 + b"ffffffff" + b"00000000", "a name of 4294967295 bytes"),
        (newc("a", bytes(5000), stat.S_IFLNK), "a is a link with a target of 5000 bytes"),
        (b"07070X00000009\0\0", "is file 9 of the header, which has 0"),
    ],
)
def test_a_damaged_cpio_archive_says_how(archive: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "app.rpm").write_bytes(rpm(archive))
    package = judge(tmp_path / "app.rpm")[0]
    assert failing(package) == ["bundle-whole"]
    assert words in messages(package)


def test_devices_and_links_of_an_rpm_are_seen(tmp_path: Path) -> None:
    end = newc("TRAILER!!!", b"", 0)
    for entry, refused in (
        (newc("a", b"", stat.S_IFCHR), ["bundle-safe"]),
        (newc("a", b"../etc", stat.S_IFLNK), ["bundle-safe"]),
        (newc("a", b"/etc", stat.S_IFLNK), []),
        (newc("../a", b"x"), ["bundle-safe"]),
        (newc("a", b"", links=2) + newc("b", b"x", links=2), []),
    ):
        (tmp_path / "app.rpm").write_bytes(rpm(newc("x", b"x") + entry + end))
        assert failing(judge(tmp_path / "app.rpm")[0]) == refused


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 64 << 20
    (tmp_path / "app.tar.gz").write_bytes(COMPRESS["gzip"](info.tobuf() + b"a" * (64 << 20) + bytes(1024)))
    package = judge(tmp_path / "app.tar.gz")[0]
    assert failing(package) == ["bundle-whole"]
    assert "a header of 67108864 bytes" in messages(package)


def test_a_directory_of_a_zip_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    size = 17 << 20
    end = struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, 0, 0, size, 0, 0)
    (tmp_path / "app.zip").write_bytes(b"PK\1\2" + bytes(size - 4) + end)
    package = judge(tmp_path / "app.zip")[0]
    assert failing(package) == ["bundle-whole"]
    assert "its directory of members has 17825792 bytes" in messages(package)
