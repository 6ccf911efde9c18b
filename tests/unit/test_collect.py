"""Outputs on their way out of the container: globs, and an archive that nobody has to trust."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import cast

import pytest

from buildproof.collect import Collected, _Stream, collect, fixed_part, matches
from buildproof.errors import InputError
from buildproof.pod import Pod


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("target/app.exe", "target/app.exe", True),
        ("target/app.exe", "./target//app.exe", True),
        ("target/app.exe", "target/*.exe", True),
        ("target/app.EXE", "target/*.exe", False),
        ("target/sub/app.exe", "target/*.exe", False),
        ("target/sub/app.exe", "target/*/app.exe", True),
        ("target/sub/app.exe", "target/**/*.exe", True),
        ("target/app.exe", "target/**/*.exe", True),
        ("target/a/b/app.exe", "**/app.exe", True),
        ("app.exe", "**/app.exe", True),
        ("target/a/b/app.exe", "target/**", True),
        ("other/app.exe", "target/**", False),
        ("a/x/b/y/c", "a/**/b/**/c", True),
        ("a/b/c", "a/**/b/**/c", True),
        ("a/c", "a/**/b/**/c", False),
        ("app-1.exe", "app-[0-9].exe", True),
        ("app-x.exe", "app-[!0-9].exe", True),
        ("app1", "app?", True),
        ("app", "app?", False),
        ("app", "ap", False),
        ("ap", "app", False),
        ("a/b", "a", False),
        ("a", "a/b", False),
    ],
)
def test_globs_match_part_by_part(name: str, pattern: str, expected: bool) -> None:
    assert matches(name, pattern) is expected


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("target/release/app", "target/release/app"),
        ("target/*/app", "target"),
        ("target/rel?ase/app", "target"),
        ("target/app-[0-9]", "target"),
        ("**/app", "."),
        ("*.exe", "."),
    ],
)
def test_what_is_asked_of_the_engine_is_the_part_before_the_first_wildcard(pattern: str, part: str) -> None:
    assert fixed_part(pattern) == PurePosixPath(part)


# -- a container whose archive is made here -------------------------------------------------------------------------


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def archive(*infos: tarfile.TarInfo) -> bytes:
    """Every plain file in it contains its own name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info in infos:
            data = info.name.encode("utf-8", "surrogateescape") if info.isreg() else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Container:
    """Answers `get` as a pod does: a path's archive in chunks of odd sizes."""

    def __init__(self, **archives: bytes) -> None:
        self._archives = archives
        self.asked: list[str] = []

    def get(self, path: str) -> Iterator[bytes] | None:
        self.asked.append(path)
        data = self._archives.get(path.removeprefix("/buildproof/src").lstrip("/") or "root")
        return None if data is None else (data[start : start + 777] for start in range(0, len(data), 777))


def collected(container: Container, folder: Path, *patterns: str) -> list[Collected]:
    return collect(cast("Pod", container), patterns, folder)


def test_a_named_file_is_copied_below_the_folder(tmp_path: Path) -> None:
    container = Container(**{"target/release/app.exe": archive(member("app.exe"))})
    (found,) = collected(container, tmp_path, "target/release/app.exe")
    assert container.asked == ["/buildproof/src/target/release/app.exe"]
    assert found == Collected("target/release/app.exe", tmp_path / "target/release/app.exe")
    assert (tmp_path / "target/release/app.exe").read_text() == "app.exe"


def test_a_glob_takes_every_file_that_matches_and_no_other(tmp_path: Path) -> None:
    names = ("target", "target/a.exe", "target/b.dll", "target/sub", "target/sub/c.exe")
    kinds = [member(name, tarfile.REGTYPE if "." in name else tarfile.DIRTYPE) for name in names]
    found = collected(Container(target=archive(*kinds)), tmp_path, "target/*.exe", "target/**/*.exe")
    assert [item.name for item in found] == ["target/a.exe", "target/sub/c.exe"]
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"a.exe", "c.exe"}


def test_a_glob_at_the_root_loses_the_name_of_the_source_folder(tmp_path: Path) -> None:
    root = archive(member("src", tarfile.DIRTYPE), member("src/app"), member("src/sub/app"))
    assert [item.name for item in collected(Container(root=root), tmp_path, "**/app")] == ["app", "sub/app"]
    assert [item.name for item in collected(Container(root=root), tmp_path, "*")] == ["app"]


def test_a_large_file_arrives_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 12_000
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = member("app")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    collected(Container(app=buffer.getvalue()), tmp_path, "app")
    assert (tmp_path / "app").read_bytes() == data


def test_of_a_large_archive_only_as_much_is_held_as_is_asked_for() -> None:
    chunks = iter([b"abc", b"def", b"ghi", b"jkl", b"mno"])
    stream = _Stream(chunks)
    assert stream.readable()
    assert [stream.read(4), stream.read(0), stream.read(2)] == [b"abcd", b"", b"ef"]
    assert next(chunks) == b"ghi"
    assert [stream.read(-1), stream.read(1), stream.read()] == [b"jklmno", b"", b""]


def test_an_output_can_be_executed_whatever_the_builds_umask(tmp_path: Path) -> None:
    (found,) = collected(Container(app=archive(member("app"))), tmp_path, "app")
    assert found.path is not None
    assert found.path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("container", [Container(), Container(target=archive(member("target", tarfile.DIRTYPE)))])
def test_a_pattern_without_a_match_is_reported_as_such(tmp_path: Path, container: Container) -> None:
    (found,) = collected(container, tmp_path, "target/*.exe")
    assert found == Collected("target/*.exe", None, "no file matches the artifact pattern 'target/*.exe'")


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    container = Container(target=archive(member("target", tarfile.DIRTYPE), member("target/x")))
    (found,) = collected(container, tmp_path, "target")
    assert found.complaint == "no file matches the artifact pattern 'target'"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "no plain file"),
        (tarfile.BLKTYPE, "no plain file"),
        (tarfile.FIFOTYPE, "no plain file"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, said: str) -> None:
    (tmp_path / "secret").write_text("secret")
    link = str(tmp_path / "secret") if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
    (found,) = collected(Container(app=archive(member("app", kind, link))), tmp_path / "out", "app")
    assert found == Collected("app", None, f"app is {said}: name the file itself as the artifact")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "out/../../../evil", "x/../evil"])
def test_a_name_that_leads_out_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "a" / "b"
    container = Container(out=archive(member("out/good"), member(name)), root=archive(member(f"src/{name}")))
    found = collected(container, folder, "out/**", "**/evil")
    assert found[0] == Collected("out/good", folder / "out" / "good")
    for item in found[1:]:
        assert item.path is None or folder / "etc" / "evil" == item.path
    assert {path for path in tmp_path.rglob("*") if path.is_file()} - {folder / "etc" / "evil"} == {
        folder / "out" / "good"
    }
    assert not Path("/etc/evil").exists()


def test_a_refused_name_says_why(tmp_path: Path) -> None:
    found = collected(Container(out=archive(member("../out/evil"))), tmp_path, "**/evil", "out/*/**")
    assert found[0].path is None
    told = collected(Container(root=archive(member("src/../evil"))), tmp_path, "**/evil")
    assert told == [Collected("../evil", None, "../evil would leave the artifact folder: refused")]


def test_a_link_planted_first_does_not_redirect_what_follows(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    hostile = archive(member("out/dir", tarfile.SYMTYPE, str(outside)), member("out/dir/evil"))
    found = collected(Container(out=hostile), tmp_path / "inside", "out/**")
    assert [item.path for item in found] == [None, tmp_path / "inside" / "out" / "dir" / "evil"]
    assert list(outside.iterdir()) == []


def test_a_file_matched_by_two_patterns_is_one_output(tmp_path: Path) -> None:
    container = Container(out=archive(member("out/app"), member("out/lib")))
    found = collected(container, tmp_path, "out/app*", "out/*")
    assert [item.name for item in found] == ["out/app", "out/lib"]


@pytest.mark.parametrize("cut", [100, 600, 1030])
def test_an_archive_that_breaks_off_is_an_input_error(tmp_path: Path, cut: int) -> None:
    data = archive(member("out/" + "x" * 200), member("out/app"))
    with pytest.raises(InputError, match="damaged archive"):
        collected(Container(out=data[:cut]), tmp_path, "out/*")


def test_noise_instead_of_an_archive_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged archive"):
        collected(Container(out=b"no archive" * 500), tmp_path, "out/*")
