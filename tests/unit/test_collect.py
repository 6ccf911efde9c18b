"""Outputs on their way out of the container: what was found is taken, and an archive has nothing to say about it."""

from __future__ import annotations

import io
import os
import resource
import tarfile
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest

from buildproof import collect as room
from buildproof.collect import Collected, Found, Listing, _Stream, collect
from buildproof.errors import EngineError
from buildproof.pod import Pod

# -- a container whose archives are made here -----------------------------------------------------------------------


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
        self.read = 0
        self.open: set[str] = set()

    def get(self, path: str) -> Generator[bytes] | None:
        self.asked.append(path.removeprefix("/buildproof/src/"))
        data = self._archives.get(self.asked[-1])
        return None if data is None else self._chunks(data)

    def _chunks(self, data: bytes) -> Generator[bytes]:
        path = self.asked[-1]
        self.open.add(path)
        try:
            for start in range(0, len(data), 777):
                self.read += len(data[start : start + 777])
                yield data[start : start + 777]
        finally:
            self.open.remove(path)


def file(name: str, size: int | None = None) -> Found:
    """A file as `archive` makes it."""
    return Found(
        name, "file", len(name.rpartition("/")[2].encode("utf-8", "surrogateescape")) if size is None else size
    )


def collected(container: Container, folder: Path, *found: Found) -> list[Collected]:
    return collect(cast("Pod", container), {"pattern": Listing(found=found)}, folder)


def test_a_file_is_asked_for_by_its_own_name_and_copied_below_the_folder(tmp_path: Path) -> None:
    container = Container(**{"target/release/app.exe": archive(member("app.exe"))})
    (output,) = collected(container, tmp_path, file("target/release/app.exe"))
    assert container.asked == ["target/release/app.exe"]
    assert output == Collected("target/release/app.exe", tmp_path / "target/release/app.exe")
    assert (tmp_path / "target/release/app.exe").read_text() == "app.exe"


def test_a_large_file_arrives_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 12_000
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = member("app")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    collected(Container(app=buffer.getvalue()), tmp_path, file("app", len(data)))
    assert (tmp_path / "app").read_bytes() == data


def test_of_a_large_archive_only_as_much_is_held_as_is_asked_for() -> None:
    chunks = iter([b"abc", b"def", b"ghi", b"jkl", b"mno"])
    stream = _Stream(chunks, 15)
    assert stream.readable()
    assert [stream.read(4), stream.read(0), stream.read(2)] == [b"abcd", b"", b"ef"]
    assert next(chunks) == b"ghi"
    assert [stream.read(-1), stream.read(1), stream.read()] == [b"jklmno", b"", b""]


def test_an_output_is_ours_to_execute_whatever_mode_it_had(tmp_path: Path) -> None:
    info = member("app")
    info.mode = 0o6777
    (output,) = collected(Container(app=archive(info)), tmp_path, file("app"))
    assert output.path is not None
    status = output.path.stat()
    assert (status.st_mode & 0o7777, status.st_uid) == (0o755, os.getuid())


def test_a_pattern_without_a_match_is_reported_as_such(tmp_path: Path) -> None:
    (output,) = collect(cast("Pod", Container()), {"target/*.exe": Listing()}, tmp_path)
    assert output == Collected("target/*.exe", None, "no file matches the artifact pattern 'target/*.exe'")


def test_a_pattern_that_could_not_be_looked_up_says_why(tmp_path: Path) -> None:
    listings = {"*": Listing(complaint="too many"), "app": Listing(found=(file("app"),))}
    outputs = collect(cast("Pod", Container(app=archive(member("app")))), listings, tmp_path)
    assert outputs == [Collected("*", None, "too many"), Collected("app", tmp_path / "app")]


def test_a_file_matched_by_two_patterns_is_one_output_and_is_copied_once(tmp_path: Path) -> None:
    container = Container(app=archive(member("app")), lib=archive(member("lib")))
    listings = {"app*": Listing(found=(file("app"),)), "*": Listing(found=(file("app"), file("lib")))}
    outputs = collect(cast("Pod", container), listings, tmp_path)
    assert [item.name for item in outputs] == ["app", "lib"]
    assert container.asked == ["app", "lib"]


# -- what is not taken ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("link", "app is a link: name the file itself as the artifact"),
        ("link above", "app is a link: name the folder that it leads to"),
        ("device", "app is a device, no plain file"),
        ("pipe", "app is a pipe, no plain file"),
        ("socket", "app is a socket, no plain file"),
    ],
)
def test_links_and_devices_are_not_even_asked_for(tmp_path: Path, kind: str, said: str) -> None:
    container = Container(app=archive(member("app")))
    assert collected(container, tmp_path, Found("app", kind)) == [Collected("app", None, said)]
    assert container.asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "out/../../../evil", "x/../evil", ".."])
def test_a_name_that_leads_out_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "a" / "b"
    (output,) = collected(Container(**{name: archive(member("evil"))}), folder, file(name))
    assert output == Collected(name, None, f"{name} would leave the artifact folder: refused")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[2J.exe", r"a\x1b[2J.exe"),
        ("exe.\u202egpj", r"exe.\u202egpj"),
        ("two\nlines", r"two\nlines"),
        ("caf\udce9", r"caf\xe9"),
        ("::error::x", r"\::error::x"),
    ],
)
def test_a_name_that_cannot_be_seen_whole_is_refused_and_shown(tmp_path: Path, name: str, shown: str) -> None:
    (output,) = collected(Container(**{name: archive(member(name))}), tmp_path, file(name))
    assert output == Collected(shown, None, f"{shown} has characters in its name that cannot be seen: refused")
    assert list(tmp_path.iterdir()) == []


def test_all_outputs_together_have_a_bound_and_what_is_over_it_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_BYTES", 5)
    container = Container(abc=archive(member("abc")), defg=archive(member("defg")), hi=archive(member("hi")))
    outputs = collected(container, tmp_path, file("abc"), file("defg"), Found("sparse", "file", 1 << 50), file("hi"))
    assert [item.complaint for item in outputs] == [
        None,
        "defg is 4 B: all outputs of a build together may be 5 B",
        "sparse is 1.02e+03 TiB: all outputs of a build together may be 5 B",
        None,
    ]
    assert container.asked == ["abc", "hi"]


# -- an archive that is not what was found --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_what_is_no_file_in_the_archive_is_refused(tmp_path: Path, kind: bytes) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    container = Container(app=archive(member("app", kind, str(secret)), member("app")))
    (output,) = collected(container, tmp_path / "out", file("app"))
    assert (output.path, str(output.complaint).startswith("app is not what was found: ")) == (None, True)
    assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))


def test_where_an_archive_says_that_a_file_belongs_does_not_count(tmp_path: Path) -> None:
    data = archive(member("../../evil"))
    (output,) = collected(Container(app=data), tmp_path / "a" / "b", Found("app", "file", len("../../evil")))
    assert output.path == tmp_path / "a" / "b" / "app"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [output.path]


def test_members_behind_the_first_are_not_unpacked(tmp_path: Path) -> None:
    data = archive(member("app"), member("other"), member("link", tarfile.SYMTYPE, "/etc"))
    collected(Container(app=data), tmp_path, file("app"))
    assert [path.name for path in tmp_path.iterdir()] == ["app"]


@pytest.mark.parametrize("size", [0, 2, 4])
def test_a_file_of_another_size_than_was_found_is_refused(tmp_path: Path, size: int) -> None:
    (output,) = collected(Container(app=archive(member("app"))), tmp_path, file("app", size))
    assert output.path is None
    assert list(tmp_path.iterdir()) == []


def test_a_sparse_member_is_not_expanded(tmp_path: Path) -> None:
    """GNU's format 1.0 says in a few bytes that a file is a tebibyte."""
    info = member("GNUSparseFile.0/app")
    sparse_map = b"1\n1099511627775\n1\n".ljust(512, b"\0") + b"x"
    info.size = len(sparse_map)
    info.pax_headers = {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "app", "GNU.sparse.realsize": str(1 << 40),
    }  # fmt: skip
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(sparse_map))
    for found in (file("app", 1 << 40), file("app", len(sparse_map)), file("app", 3)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(room, "MOST_BYTES", 1 << 50)
            (output,) = collected(Container(app=buffer.getvalue()), tmp_path, found)
        assert output.path is None
        assert list(tmp_path.iterdir()) == []


def test_an_archive_that_does_not_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    container = Container(app=archive(member("app")) + b"\0" * (1 << 20))
    (output,) = collected(container, tmp_path, file("app"))
    assert "more came out of the container than was found in it" in str(output.complaint)
    assert container.read < 100_000


def test_a_header_that_claims_gigabytes_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 7 << 30
    container = Container(app=header.tobuf(tarfile.GNU_FORMAT) + b"x" * (1 << 20))
    (output,) = collected(container, tmp_path, file("app"))
    assert output.path is None
    assert container.read < 100_000


def test_a_file_that_the_engine_does_not_find_is_reported(tmp_path: Path) -> None:
    (output,) = collected(Container(), tmp_path, file("app"))
    assert output == Collected("app", None, "app is not what was found: the engine does not find it")


def test_nothing_is_written_over_or_through_what_is_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "app").symlink_to(outside)
    (output,) = collected(Container(app=archive(member("app"))), folder, file("app"))
    assert output == Collected("app", None, "app cannot be written here: File exists")
    assert outside.read_text() == "mine"


def test_a_file_for_which_there_is_no_room_is_not_kept_by_half_and_the_engine_need_not_go_on(tmp_path: Path) -> None:
    data = bytes(500_000)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = member("app")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    container = Container(app=buffer.getvalue())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            collect(cast("Pod", container), {"app": Listing((file("app", len(data)),))}, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    assert container.open == set()


def test_a_name_that_is_too_long_here_is_reported(tmp_path: Path) -> None:
    name = "/".join(["d" * 200] * 25)
    (output,) = collected(Container(**{name: archive(member("d" * 200))}), tmp_path, file(name))
    assert str(output.complaint).endswith("cannot be written here: File name too long")


@pytest.mark.parametrize("cut", [100, 511])
def test_an_archive_that_breaks_off_is_the_engines_error(tmp_path: Path, cut: int) -> None:
    with pytest.raises(EngineError, match="damaged archive"):
        collected(Container(app=archive(member("app"))[:cut]), tmp_path, file("app"))


def test_noise_instead_of_an_archive_is_the_engines_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="damaged archive"):
        collected(Container(app=b"no archive" * 500), tmp_path, file("app"))
