"""A file that keeps beginning and end: never more on disk than it may, and nothing lost that it need not lose."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from buildproof.capped import CappedFile, parts_of

HEAD, TAIL = 100, 60
MARK = re.compile(rb"\n\[buildproof: (\d+) bytes with (\d+) line ends are left out here\]\n")


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def written(path: Path, data: bytes, sizes: list[int]) -> CappedFile:
    """A file that was written in pieces of these sizes, and looked at after each."""
    file = CappedFile(path, head=HEAD, tail=TAIL)
    at = 0
    for size in sizes:
        file.write(data[at : at + size])
        at += size
        assert on_disk(path.parent) <= HEAD + 2 * TAIL
    assert at >= len(data)
    return file


@pytest.mark.parametrize("length", [0, 1, HEAD, HEAD + 1, HEAD + TAIL])
def test_what_fits_is_kept_as_it_is(tmp_path: Path, length: int) -> None:
    data = bytes(number % 251 for number in range(length))
    file = written(tmp_path / "log", data, [7] * (length // 7 + 1))
    assert (tmp_path / "log").read_bytes() == data[:HEAD]
    file.close()
    assert (tmp_path / "log").read_bytes() == data
    assert file.dropped == 0
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.fuzz
def test_of_more_the_beginning_and_the_end_are_kept_and_the_rest_is_counted(
    tmp_path: Path, rounds: Callable[[int], int]
) -> None:
    chance = random.Random(5)  # noqa: S311
    for number in range(rounds(500)):
        folder = tmp_path / str(number)
        folder.mkdir()
        data = chance.randbytes(HEAD + TAIL + 1 + chance.randrange(1000)).replace(b"[", b"(")
        sizes: list[int] = []
        while sum(sizes) < len(data):
            sizes.append(chance.choice((1, 13, 59, 60, 61, 119, 500)))
        file = written(folder / "log", data, sizes)
        file.close()
        kept = (folder / "log").read_bytes()
        found = MARK.search(kept)
        assert found
        assert (kept[: found.start()], kept[found.end() :]) == (data[:HEAD], data[-TAIL:])
        assert int(found[1]) == file.dropped == len(data) - HEAD - TAIL
        assert int(found[2]) == data[HEAD:-TAIL].count(b"\n")
        assert [path.name for path in folder.iterdir()] == ["log"]


def test_what_a_killed_writer_leaves_can_be_read_in_order(tmp_path: Path) -> None:
    data = bytes(number % 251 for number in range(1000))
    written(tmp_path / "log", data, [9] * 112)
    head, *tail = [part.read_bytes() for part in parts_of(tmp_path / "log")]
    assert head == data[:HEAD]
    assert data.endswith(b"".join(tail))
    assert len(b"".join(tail)) >= TAIL


def test_another_file_at_the_same_place_begins_anew(tmp_path: Path) -> None:
    written(tmp_path / "log", b"x" * 1000, [1000])
    file = written(tmp_path / "log", b"y" * 120, [120])
    file.close()
    assert (tmp_path / "log").read_bytes() == b"y" * 120


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's, full(4)")
@pytest.mark.parametrize("full", ["log", "log.tail"])
def test_a_disk_that_fills_up_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    opened = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *how, **more: opened(Path("/dev/full") if path.name == full else path, *how, **more)
    )
    file = CappedFile(tmp_path / "log", head=HEAD, tail=TAIL)
    for _ in range(50):
        file.write(b"line\n")
    file.close()
    file.close()
    assert file.lost == "No space left on device"
    assert file.written == 250
