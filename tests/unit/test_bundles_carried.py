"""AppImages and NSIS installers that the real tools made (tests/unit/samples/make), sound and damaged."""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from tests.unit.binaries import failing, messages, warning
from tests.unit.binaries_elf import minimal_elf
from tests.unit.binaries_pe import minimal_pe

from buildproof.artifacts import Expectation, Kind
from buildproof.bundles import examine_output
from buildproof.bundles.nsis_inflate import Inflate
from buildproof.evidence import Artifact, CheckStatus
from buildproof.targets import Machine, Target

SAMPLES = Path(__file__).parent / "samples"
SUPERBLOCK = len(minimal_elf())
INSTALLERS = ("zlib", "zlib-solid", "lzma", "lzma-solid", "bzip2", "bzip2-solid", "stored")
OPENED = INSTALLERS[:4]


def judge_appimage(path: Path, *contains: str) -> tuple[Artifact, ...]:
    return examine_output(path, Expectation(target=Target.LINUX_X86_64, contains=contains), path.name)


def judge_installer(path: Path, *contains: str, kind: Kind = Kind.INSTALLER) -> tuple[Artifact, ...]:
    expected = Expectation(target=Target.WINDOWS_X86_64, kind=kind, contains=contains)
    return examine_output(path, expected, path.name)


def not_applicable(artifact: Artifact) -> list[str]:
    return [check.id for check in artifact.checks if check.status is CheckStatus.NOT_APPLICABLE]


@pytest.fixture(scope="session")
def installers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("installers")
    with tarfile.open(SAMPLES / "installers.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return {name: folder / f"{name}.exe" for name in INSTALLERS}


@pytest.mark.parametrize("compressor", ["gzip", "xz", "zstd"])
def test_an_appimage_is_judged_and_so_is_the_program_in_it(compressor: str) -> None:
    image, program = judge_appimage(SAMPLES / f"{compressor}.AppImage", "usr/bin/app", "usr/bin/link", "*README")
    assert not failing(image), messages(image)
    assert not warning(image), messages(image)
    assert {"elf-load-data", "appimage-magic", "bundle-whole"} <= {check.id for check in image.checks}
    assert program.path == f"{compressor}.AppImage!usr/bin/app"
    assert program.size == len(minimal_elf())
    assert not failing(program), messages(program)


def test_an_appimage_that_is_not_opened_says_so() -> None:
    (image,) = judge_appimage(SAMPLES / "lzo.AppImage", "usr/bin/app")
    assert not failing(image)
    assert warning(image) == ["bundle-examined"]
    assert "not examined: a squashfs compressed with LZO" in messages(image)
    assert {"bundle-whole", "bundle-contents", "bundle-safe"} <= set(not_applicable(image))


def test_an_appimage_of_dwarfs_is_not_opened_and_says_so(tmp_path: Path) -> None:
    runtime = bytearray(minimal_elf())
    runtime[8:11] = b"AI\2"
    (tmp_path / "a.AppImage").write_bytes(runtime + b"DWARFS\2\5" + bytes(range(256)))
    (image,) = judge_appimage(tmp_path / "a.AppImage")
    assert "not examined: a DwarFS file system" in messages(image)
    assert not failing(image)


@pytest.mark.parametrize("compressor", ["gzip", "xz", "zstd"])
def test_every_cut_of_an_appimage_is_refused(compressor: str, tmp_path: Path) -> None:
    data = (SAMPLES / f"{compressor}.AppImage").read_bytes()
    used = SUPERBLOCK + struct.unpack_from("<Q", data, SUPERBLOCK + 40)[0]
    for size in (*range(SUPERBLOCK, used, 97), used - 1):
        (tmp_path / "a.AppImage").write_bytes(data[:size])
        assert failing(judge_appimage(tmp_path / "a.AppImage")[0]) == ["bundle-whole"], size
    (tmp_path / "a.AppImage").write_bytes(data[: SUPERBLOCK - 100])
    image = judge_appimage(tmp_path / "a.AppImage")[0]
    assert failing(image)[0].startswith("elf-")
    assert "bundle-whole" in not_applicable(image)


def test_an_appimage_without_its_mark_is_refused(tmp_path: Path) -> None:
    data = bytearray((SAMPLES / "gzip.AppImage").read_bytes())
    data[8:11] = bytes(3)
    (tmp_path / "a.AppImage").write_bytes(data)
    assert failing(judge_appimage(tmp_path / "a.AppImage")[0]) == ["appimage-magic"]
    data[8:11] = b"AJ\2"
    (tmp_path / "a.AppImage").write_bytes(data)
    assert failing(judge_appimage(tmp_path / "a.AppImage")[0]) == ["elf-os-abi"]


@pytest.mark.parametrize(
    ("at", "layout", "value", "words"),
    [
        (12, "<I", 1 << 21, "its blocks have 2097152 bytes"),
        (20, "<H", 9, "its compressor has the number 9"),
        (28, "<H", 5, "it is no squashfs 4.0"),
        (32, "<Q", 5, "a folder is an inode of type"),
        (32, "<Q", 0xFFFFFFFF0000, "lies outside of the image"),
        (40, "<Q", 1 << 40, "of which"),
        (64, "<Q", 1 << 50, "lies outside of the image"),
        (72, "<Q", 0, "a metadata block"),
        (80, "<Q", 1 << 50, "the table of fragments at"),
    ],
)
def test_a_damaged_superblock_says_how(at: int, layout: str, value: int, words: str, tmp_path: Path) -> None:
    data = bytearray((SAMPLES / "gzip.AppImage").read_bytes())
    struct.pack_into(layout, data, SUPERBLOCK + at, value)
    (tmp_path / "a.AppImage").write_bytes(data)
    image = judge_appimage(tmp_path / "a.AppImage")[0]
    assert failing(image) == ["bundle-whole"]
    assert words in messages(image)


@pytest.mark.parametrize("name", OPENED)
def test_an_installer_is_judged_and_so_is_what_it_installs(name: str, installers: dict[str, Path]) -> None:
    installer, program, *plugins = judge_installer(
        installers[name], "bin/app.exe", "README.txt", "copy.txt", "packed.bin"
    )
    assert not failing(installer), messages(installer)
    assert not warning(installer), messages(installer)
    assert installer.machine is Machine.I686
    assert {"pe-imports", "nsis-length", "nsis-checksum", "bundle-whole"} <= {check.id for check in installer.checks}
    assert (program.path, program.machine) == (f"{name}.exe!bin/app.exe", Machine.X86_64)
    assert program.size == len(minimal_pe())
    assert not failing(program), messages(program)
    assert [plugin.path for plugin in plugins] == (
        ["lzma-solid.exe!$PLUGINSDIR/System.dll"] if name == "lzma-solid" else []
    )
    assert not any(failing(plugin) for plugin in plugins)


@pytest.mark.parametrize("name", ["bzip2", "bzip2-solid"])
def test_an_installer_that_is_not_opened_says_so(name: str, installers: dict[str, Path]) -> None:
    (installer,) = judge_installer(installers[name])
    assert not failing(installer), messages(installer)
    assert "not examined: an NSIS installer compressed with NSIS's own kind of bzip2" in messages(installer)


@pytest.mark.parametrize("name", INSTALLERS)
def test_every_cut_of_an_installer_is_refused(name: str, installers: dict[str, Path], tmp_path: Path) -> None:
    data = installers[name].read_bytes()
    start = data.index(b"\xef\xbe\xad\xdeNullsoftInst") - 4
    for size in (*range(start + 28, len(data), 397), len(data) - 1):
        (tmp_path / "a.exe").write_bytes(data[:size])
        installer = judge_installer(tmp_path / "a.exe")[0]
        assert failing(installer) == ["nsis-length"], messages(installer)
    for size, rule in ((start, "installer-payload"), (start + 20, "bundle-whole")):
        (tmp_path / "a.exe").write_bytes(data[:size])
        assert failing(judge_installer(tmp_path / "a.exe")[0]) == [rule]


@pytest.mark.parametrize("name", INSTALLERS)
def test_every_changed_byte_of_an_installer_is_refused(name: str, installers: dict[str, Path], tmp_path: Path) -> None:
    data = installers[name].read_bytes()
    start = data.index(b"\xef\xbe\xad\xdeNullsoftInst") - 4
    for at in range(start + 28, len(data), 997):
        (tmp_path / "a.exe").write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        assert failing(judge_installer(tmp_path / "a.exe")[0]) == ["nsis-checksum"], at


def test_bytes_behind_an_installer_are_unusual_and_a_signatures_padding_is_not(
    installers: dict[str, Path], tmp_path: Path
) -> None:
    data = installers["zlib"].read_bytes()
    (tmp_path / "a.exe").write_bytes(data + bytes(7))
    assert not warning(judge_installer(tmp_path / "a.exe")[0])
    (tmp_path / "a.exe").write_bytes(data + b"8 bytes.")
    assert warning(judge_installer(tmp_path / "a.exe")[0]) == ["nsis-length"]


def test_a_damaged_block_of_an_installer_without_a_checksum_is_refused(
    installers: dict[str, Path], tmp_path: Path
) -> None:
    data = bytearray(installers["zlib"].read_bytes())
    start = data.index(b"\xef\xbe\xad\xdeNullsoftInst") - 4
    data[start] = 4  # FH_FLAGS_NO_CRC
    struct.pack_into("<I", data, start + 24, len(data) - start)
    del data[-4:]
    struct.pack_into("<I", data, start + 24, len(data) - start)
    (tmp_path / "a.exe").write_bytes(data)
    assert not failing(judge_installer(tmp_path / "a.exe")[0])
    for at, value, words in (
        (start + 28, 0x80FFFFFF, "has 16777215 bytes, of which"),
        (start + 20, 999, "the header has not the 999 bytes"),
        (start + 20, 1 << 30, "a header of 1073741824 bytes"),
        (start + 40, 0, "Error -3 while decompressing"),
    ):
        changed = bytearray(data)
        struct.pack_into("<I", changed, at, value)
        (tmp_path / "a.exe").write_bytes(changed)
        installer = judge_installer(tmp_path / "a.exe")[0]
        assert failing(installer) == ["bundle-whole"]
        assert words in messages(installer)


def test_an_installer_for_i686_has_to_be_called_one(installers: dict[str, Path]) -> None:
    (installer,) = judge_installer(installers["lzma"], kind=Kind.PROGRAM)
    assert failing(installer) == ["pe-machine"]
    assert "bundle-whole" in not_applicable(installer)


def test_what_is_called_an_installer_has_to_carry_something(tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_bytes(minimal_pe())
    assert failing(judge_installer(tmp_path / "a.exe")[0]) == ["installer-payload"]
    assert len(judge_installer(tmp_path / "a.exe", kind=Kind.PROGRAM)) == 1


def test_a_payload_that_is_not_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_bytes(minimal_pe() + b"7z\xbc\xaf\x27\x1c" + bytes(range(99)))
    (program,) = judge_installer(tmp_path / "a.exe", kind=Kind.PROGRAM)
    assert warning(program) == ["bundle-examined"]
    assert "not examined: a 7-Zip archive" in messages(program)


def nsis(header: bytes, data: bytes) -> bytes:
    """A program with an installer's data behind it, without a CRC-32."""
    first = struct.pack("<I16sII", 4, b"\xef\xbe\xad\xdeNullsoftInst", len(header), 28 + len(data))
    return minimal_pe() + first + data


def test_the_header_of_a_large_installer_is_read(tmp_path: Path) -> None:
    header = bytes(4) + struct.pack("<" + "QI" * 8, *[100, 0] * 8) + bytes(3 << 20)
    deflate = zlib.compressobj(wbits=-15)
    solid = deflate.compress(struct.pack("<I", len(header)) + header + struct.pack("<I", 3) + b"abc") + deflate.flush()
    (tmp_path / "a.exe").write_bytes(nsis(header, solid))
    (installer,) = judge_installer(tmp_path / "a.exe", "block-0x0")
    assert not failing(installer), messages(installer)
    assert warning(installer) == ["bundle-executables"]


@pytest.mark.parametrize("data", [b"", b"\1\0", struct.pack("<I", 1 << 31 | 3) + b"\x5d\0\0", b"\x5d\0\0\0\1\0"])
def test_an_installer_without_data_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_bytes(nsis(bytes(100), data))
    assert failing(judge_installer(tmp_path / "a.exe")[0]) == ["bundle-whole"]


def test_an_installer_in_a_package_is_judged_and_said_not_to_be_opened(
    installers: dict[str, Path], tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(installers["zlib"], "setup.exe")
    expected = Expectation(target=Target.WINDOWS_I686)
    package, installer = examine_output(tmp_path / "a.zip", expected, "a.zip")
    assert not failing(package) + failing(installer)
    assert warning(installer) == ["bundle-examined"]
    assert "not examined: the payload of an NSIS installer in a package" in messages(installer)


def test_stored_blocks_of_nsis_have_no_complement() -> None:
    stored = b"stored as it is, " * 9
    deflate = zlib.compressobj(wbits=-15)
    start = deflate.compress(b"one" * 1000) + deflate.flush(zlib.Z_FULL_FLUSH)
    end = deflate.compress(b"two" * 1000) + deflate.flush()
    stream = start[:-2] + b"\0" + struct.pack("<H", len(stored)) + stored + end
    for step in (1, 2, 3, 1000):
        inflate = Inflate()
        out = b"".join(inflate.decompress(stream[at : at + step], 1 << 20) for at in range(0, len(stream), step))
        out += inflate.decompress(b"the rest")
        assert out == b"one" * 1000 + stored + b"two" * 1000
        assert inflate.eof


def test_a_circle_of_folders_is_refused(tmp_path: Path) -> None:
    data = bytearray((SAMPLES / "plain.AppImage").read_bytes())
    root = struct.unpack_from("<Q", data, SUPERBLOCK + 32)[0]
    table = SUPERBLOCK + struct.unpack_from("<Q", data, SUPERBLOCK + 72)[0]
    entry = data.index(b"\x01\0\x02\0bin", table) - 4  # a folder, and a name of three letters
    struct.pack_into("<H", data, entry, root & 0xFFFF)
    (tmp_path / "a.AppImage").write_bytes(data)
    image = judge_appimage(tmp_path / "a.AppImage")[0]
    assert failing(image) == ["bundle-whole"]
    assert "the folder usr/bin is there twice" in messages(image)


def test_an_uncompressed_squashfs_and_an_uncompressed_installer_are_read(installers: dict[str, Path]) -> None:
    image, program = judge_appimage(SAMPLES / "plain.AppImage", "usr/bin/app")
    assert not failing(image) + failing(program)
    installer, program = judge_installer(installers["stored"], "bin/app.exe", "packed.bin")
    assert not failing(installer) + failing(program)
