"""Source trees: one digest, one tar, from folders and from archives that may be hostile."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildproof.errors import InputError, Place
from buildproof.manifest import Archive, Folder
from buildproof.sources import SourceTree, open_source, tree

WHERE = Place(Path("buildproof.toml"), 2, 1)


def opened(folder: Path) -> SourceTree:
    return open_source(Folder(path=folder), ca_bundle=None, where=WHERE)


def project(root: Path) -> Path:
    (root / "src").mkdir(parents=True)
    (root / "src" / "main.c").write_text("int main(void) { return 0; }\n")
    (root / "configure").write_text("#!/bin/sh\n")
    (root / "configure").chmod(0o700)
    (root / "Makefile").write_text("all:\n")
    (root / "link").symlink_to("src/main.c")
    return root


def members(source: SourceTree) -> dict[str, tarfile.TarInfo]:
    with source.tar() as file, tarfile.open(fileobj=file) as tar:
        return {member.name: member for member in tar}


def content(source: SourceTree, name: str) -> bytes:
    with source.tar() as file, tarfile.open(fileobj=file) as tar:
        found = tar.extractfile(name)
        return found.read() if found else b""


# -- folders --------------------------------------------------------------------------------------------------------


def test_a_folders_tar_has_plain_modes_and_nobodys_name(tmp_path: Path) -> None:
    found = members(opened(project(tmp_path)))
    assert {name: oct(info.mode) for name, info in found.items()} == {
        "Makefile": "0o644", "configure": "0o755", "link": "0o777", "src": "0o755", "src/main.c": "0o644",
    }  # fmt: skip
    assert {(info.uid, info.gid, info.uname, info.gname) for info in found.values()} == {(0, 0, "", "")}
    assert found["link"].issym()
    assert found["link"].linkname == "src/main.c"


def test_the_same_tree_has_the_same_tar_and_digest(tmp_path: Path) -> None:
    source = opened(project(tmp_path))
    with source.tar() as first, opened(tmp_path).tar() as second:
        assert first.read() == second.read()
    assert source.digest() == opened(tmp_path).digest()


def test_the_digest_is_of_names_modes_and_contents_and_of_nothing_else(tmp_path: Path) -> None:
    first, second = project(tmp_path / "a"), project(tmp_path / "b")
    os.utime(second / "Makefile", (1, 1))
    (second / "Makefile").chmod(0o600)
    assert opened(first).digest() == opened(second).digest()
    digests = {opened(second).digest()}

    def relink() -> None:
        (second / "link").unlink()
        (second / "link").symlink_to("configure")

    changes: list[Callable[[], object]] = [
        lambda: (second / "Makefile").write_text("all: x\n"),
        lambda: (second / "Makefile").chmod(0o755),
        lambda: (second / "Makefile").rename(second / "makefile"),
        (second / "empty").mkdir,
        relink,
    ]
    for change in changes:
        change()
        digests.add(opened(second).digest())
    assert len(digests) == 6


def test_the_digest_of_inputs_ignores_what_is_none(tmp_path: Path) -> None:
    root = project(tmp_path)
    inputs = ("Makefile", "src/*")
    before = opened(root).digest(inputs)
    (root / "configure").write_text("changed")
    assert opened(root).digest(inputs) == before
    assert opened(root).digest() != before
    (root / "src" / "main.c").write_text("changed")
    assert opened(root).digest(inputs) != before


def test_a_symlink_is_taken_as_it_is_wherever_it_points(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    for name, target in (("folder", "../outside"), ("dangling", "nowhere"), ("loop", "loop"), ("abs", "/etc")):
        (tmp_path / "root" / name).symlink_to(target)
    found = members(opened(tmp_path / "root"))
    assert {name: info.linkname for name, info in found.items()} == {
        "folder": "../outside", "dangling": "nowhere", "loop": "loop", "abs": "/etc",
    }  # fmt: skip
    assert all(info.issym() for info in found.values())


def test_pipes_and_sockets_are_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("socket")
        (tmp_path / "file").write_text("x")
        assert set(members(opened(tmp_path))) == {"file"}


def test_a_name_that_is_no_utf8_comes_through(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.c")).write_text("x")
    source = opened(tmp_path)
    (name,) = members(source)
    assert os.fsencode(name) == b"caf\xe9.c"
    assert len(source.digest()) == 64


def test_an_empty_folder_is_an_empty_tree(tmp_path: Path) -> None:
    assert members(opened(tmp_path)) == {}


@pytest.mark.parametrize("failing", ["scandir", "sha256_of"])
def test_what_cannot_be_read_is_named_with_the_manifests_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    (tmp_path / "secret").write_text("x")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    if failing == "scandir":
        monkeypatch.setattr(os, "scandir", refuse)
    else:
        monkeypatch.setattr(tree, "sha256_of", refuse)
    what = tmp_path if failing == "scandir" else tmp_path / "secret"
    with pytest.raises(InputError) as error:
        opened(tmp_path)
    assert str(error.value) == f"buildproof.toml:2:1: cannot read {what}: Permission denied"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named_for_an_ordinary_user(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(mode=0o000)
    with pytest.raises(InputError, match=r"cannot read .*secret: Permission denied"):
        opened(tmp_path)


def test_a_users_folder_is_only_read(tmp_path: Path) -> None:
    root = project(tmp_path)

    def look() -> list[tuple[str, float, int]]:
        return sorted((str(p), p.lstat().st_mtime, p.lstat().st_mode) for p in (root, *root.rglob("*")))

    before = look()
    source = opened(root)
    source.tar().close()
    source.digest()
    assert look() == before


# -- archives -------------------------------------------------------------------------------------------------------


def member(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    info.uid, info.gid, info.uname, info.gname = 1000, 1000, "me", "us"
    return info


def archive(path: Path, *infos: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    """Every plain file in it contains its own name."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info in infos:
            data = info.name.encode() if info.isreg() else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def unpacked(path: Path) -> SourceTree:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return open_source(Archive(location=path, sha256=sha256), ca_bundle=None, where=WHERE)


@pytest.mark.parametrize(("suffix", "mode"), [("tar", "w"), ("tgz", "w:gz"), ("tar.xz", "w:xz")])
def test_an_archive_loses_its_top_folder_its_owners_and_odd_modes(tmp_path: Path, suffix: str, mode: str) -> None:
    source = unpacked(
        archive(
            tmp_path / f"x.{suffix}",
            member("tool-1.0", tarfile.DIRTYPE, mode=0o777),
            member("tool-1.0/src", tarfile.DIRTYPE, mode=0o700),
            member("tool-1.0/src/main.c", mode=0o666),
            member("tool-1.0/configure", mode=0o777),
            member("tool-1.0/link", tarfile.SYMTYPE, link="src/main.c"),
            mode=mode,
        )
    )
    found = members(source)
    assert {name: (oct(info.mode), info.linkname) for name, info in found.items()} == {
        "src": ("0o755", ""),
        "src/main.c": ("0o644", ""),
        "configure": ("0o755", ""),
        "link": ("0o777", "src/main.c"),
    }
    assert {(info.uid, info.gid, info.uname, info.gname) for info in found.values()} == {(0, 0, "", "")}
    assert content(source, "src/main.c") == b"tool-1.0/src/main.c"
    assert [entry.name for entry in source.entries] == sorted(found)


def test_an_archive_and_its_contents_have_one_digest_whatever_the_order_and_compression(tmp_path: Path) -> None:
    infos = [member("p/a"), member("p/b")]
    first = unpacked(archive(tmp_path / "a.tgz", *infos))
    second = unpacked(archive(tmp_path / "b.tar", *reversed(infos), mode="w"))
    assert first.digest() == second.digest()
    other = unpacked(archive(tmp_path / "c.tgz", member("p/a"), member("p/b", mode=0o755)))
    assert other.digest() != first.digest()


def test_another_link_is_another_digest(tmp_path: Path) -> None:
    digests = {
        unpacked(archive(tmp_path / f"{index}.tgz", member("p/a"), info)).digest()
        for index, info in enumerate(
            (
                member("p/l", tarfile.SYMTYPE, link="a"),
                member("p/l", tarfile.SYMTYPE, link="b"),
                member("p/l", tarfile.LNKTYPE, link="p/a"),
                member("p/l", tarfile.DIRTYPE),
                member("p/l"),
            )
        )
    }
    assert len(digests) == 5


@pytest.mark.parametrize("top", ["p", "./p", "p//"])
def test_the_top_folder_may_be_written_in_several_ways(tmp_path: Path, top: str) -> None:
    assert set(members(unpacked(archive(tmp_path / "x.tgz", member(f"{top}/a"), member(f"{top}/b/c"))))) == {"a", "b/c"}


def test_a_hard_link_still_leads_to_its_file(tmp_path: Path) -> None:
    source = unpacked(archive(tmp_path / "x.tgz", member("p/a"), member("p/sub/b", tarfile.LNKTYPE, link="p/a")))
    assert members(source)["sub/b"].linkname == "a"
    assert content(source, "sub/b") == b"p/a"


def test_what_macos_writes_beside_the_top_folder_is_passed_over(tmp_path: Path) -> None:
    assert set(members(unpacked(archive(tmp_path / "x.tgz", member("._p"), member("p/a"))))) == {"a"}


@pytest.mark.parametrize("names", [("a", "src/b"), ("src/b", "a"), ("one/a", "two/b"), ("only",)])
def test_an_archive_without_a_single_top_folder_loses_nothing_silently(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = archive(tmp_path / "x.tgz", *map(member, names))
    with pytest.raises(InputError, match="does not lie in a single top folder"):
        unpacked(path)


HOSTILE = {
    "up and out": member("p/../../etc/passwd"),
    "a link up and out": member("p/x", tarfile.SYMTYPE, link="../../etc"),
    "an absolute link": member("p/x", tarfile.SYMTYPE, link="/etc/passwd"),
    "a hard link up and out": member("p/x", tarfile.LNKTYPE, link="p/../../etc/passwd"),
    "a character device": member("p/x", tarfile.CHRTYPE),
    "a block device": member("p/x", tarfile.BLKTYPE),
    "a pipe": member("p/x", tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_member_is_refused_by_name(tmp_path: Path, what: str) -> None:
    path = archive(tmp_path / "x.tgz", member("p/good"), HOSTILE[what])
    with pytest.raises(InputError) as error:
        unpacked(path)
    assert str(error.value).startswith(f"buildproof.toml:2:1: cannot read the archive {path}: ")


def test_an_absolute_name_stays_inside(tmp_path: Path) -> None:
    assert set(members(unpacked(archive(tmp_path / "x.tgz", member("/etc/passwd"))))) == {"etc/passwd"}


def test_set_id_bits_do_not_come_through(tmp_path: Path) -> None:
    assert members(unpacked(archive(tmp_path / "x.tgz", member("p/x", mode=0o6755))))["x"].mode == 0o755


def damaged(path: Path) -> Iterator[bytes]:
    whole = path.read_bytes()
    yield whole[: len(whole) // 2]
    yield b""
    yield b"this is no archive at all" * 100
    yield gzip.compress(b"neither is this" * 1000)
    middle = len(whole) // 2
    yield whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 40]) + whole[middle + 40 :]


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_a_damaged_archive_is_an_input_error_that_names_it(tmp_path: Path, mode: str) -> None:
    infos = []
    for number in range(60):
        info = member(f"p/{hashlib.sha256(bytes([number])).hexdigest()}")
        infos.append(info)
    good = archive(tmp_path / "good", *infos, mode=mode)
    for index, raw in enumerate(damaged(good)):
        bad = tmp_path / f"bad-{index}"
        bad.write_bytes(raw)
        with pytest.raises(InputError) as error:
            unpacked(bad)
        assert str(bad) in str(error.value)
