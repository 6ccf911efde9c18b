"""Packages: opened without writing anywhere, read to their end, every executable inside judged like any other."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.binaries import failing, messages, warning
from tests.unit.binaries_elf import minimal_elf
from tests.unit.binaries_pe import Pe, minimal_pe

from buildproof.artifacts import Expectation
from buildproof.bundles import contents, examine_bundle, is_bundle
from buildproof.evidence import Artifact, CheckStatus
from buildproof.targets import Target

WINDOWS, LINUX = Target.WINDOWS_X86_64, Target.LINUX_X86_64
Files = dict[str, bytes]


def pack_zip(path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def pack_tar(path: Path, files: Files) -> None:
    mode = {".gz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def pack_deb(path: Path, files: Files) -> None:
    inner = path.with_suffix(".tar.xz")
    pack_tar(inner, files)
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"", "data.tar.xz": inner.read_bytes()}
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, data in parts.items():
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode())
            file.write(data + b"\n" * (len(data) % 2))


PACKERS: dict[str, Callable[[Path, Files], None]] = {
    "app.zip": pack_zip,
    "app.tar": pack_tar,
    "app.tar.gz": pack_tar,
    "app.tar.xz": pack_tar,
    "app.tar.bz2": pack_tar,
    "app.deb": pack_deb,
}
PROGRAM: Files = {"./app/bin/app": minimal_elf(), "./app/README": b"read me\n"}


def judge(path: Path, target: Target = LINUX, *, contains: tuple[str, ...] = ()) -> tuple[Artifact, ...]:
    return examine_bundle(path, Expectation(target=target, contains=contains), path.name)


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


@pytest.mark.parametrize("name", [name for name in PACKERS if name not in ("app.tar", "app.deb")])
def test_a_flipped_byte_is_refused_by_the_checksum(name: str, tmp_path: Path) -> None:
    PACKERS[name](tmp_path / name, PROGRAM)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 3] ^= 0x55
    (tmp_path / name).write_bytes(data)
    assert failing(judge(tmp_path / name)[0]) == ["bundle-whole"]


@pytest.mark.parametrize("evil", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "\\evil", "..\\evil"])
@pytest.mark.parametrize("name", ["app.zip", "app.tar"])
def test_a_member_that_would_leave_the_folder_is_refused(name: str, evil: str, tmp_path: Path) -> None:
    PACKERS[name](tmp_path / name, {**PROGRAM, evil: minimal_elf()})
    package, *inside = judge(tmp_path / name)
    assert failing(package) == ["bundle-safe"], messages(package)
    assert len(inside) == 1


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
    assert warning(judge(tmp_path / "app.zip", WINDOWS)[0]) == ["bundle-executables"]


def test_a_name_that_is_there_twice_is_unusual(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("app", minimal_elf())
        archive.writestr("app", minimal_elf())
    assert warning(judge(tmp_path / "app.zip")[0]) == ["bundle-safe"]


def test_what_unpacks_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_BYTES", 1 << 20)
    pack_zip(tmp_path / "app.zip", {"zeros": bytes(8 << 20)})
    package = judge(tmp_path / "app.zip")[0]
    assert failing(package) == ["bundle-whole"]
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
        pack_zip(tmp_path / "app.zip", {"app/app.exe": bytes(program), f"{folder}Engine.dll": bytes(library)})
        _, first, second = judge(tmp_path / "app.zip", WINDOWS)
        assert failing(first) == refused, messages(first)
        assert not failing(second), messages(second)


def test_a_missing_package_is_a_failing_check(tmp_path: Path) -> None:
    (package,) = judge(tmp_path / "none.zip")
    assert failing(package) == ["bundle-present"]
    assert package.sha256 is None


def test_packages_are_known_by_their_names() -> None:
    assert all(is_bundle(name) for name in (*PACKERS, "A.ZIP", "out/app-1.0.tgz"))
    assert not any(is_bundle(name) for name in ("app", "app.exe", "app.AppImage", "tar"))


def test_zstd_is_named_as_what_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "app.tar").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    package = judge(tmp_path / "app.tar")[0]
    assert [check.status for check in package.checks if check.id == "bundle-whole"] == [CheckStatus.FAIL]
    assert "zstd, which is not read here" in messages(package)
