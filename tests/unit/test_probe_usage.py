"""What a build has on disk: counted once, wherever it hides, and never for longer than a few milliseconds."""

from __future__ import annotations

import gc
import mmap
import os
import threading
from pathlib import Path

import pytest

from buildproof.probe import usage
from buildproof.probe.usage import Usage

KIB = 1 << 10
SLACK = 64 * KIB  # folders take blocks, too


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def counted(root: Path, pids: list[int] | None = None, *, others: tuple[str, ...] = (), limit: int = 1) -> Usage:
    found = Usage(str(root), ["/work"], others, limit)
    found.finish(usage.PASS_EVERY_S, 1 << 40, pids or [])
    return found


def used(root: Path, pids: list[int] | None = None, others: tuple[str, ...] = ()) -> int:
    found = counted(root, pids, others=others).used
    assert found is not None
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path


def test_files_at_every_depth_are_counted_by_their_blocks(root: Path) -> None:
    write(root / "work" / "a", 256 * KIB)
    write(root / "work" / "deep" / "er" / "b", 256 * KIB)
    assert 512 * KIB <= used(root) <= 512 * KIB + SLACK


def test_a_root_that_is_gone_leaves_what_was_counted_before(root: Path) -> None:
    """The gate was killed: /proc/<pid>/root leads nowhere, and the last counters are still to be told."""
    write(root / "work" / "a", 256 * KIB)
    found = counted(root)
    before = found.used
    root.rename(root.with_name("elsewhere"))
    assert not found.tick(3 * usage.PASS_EVERY_S, 1 << 39, [])
    found.finish(5 * usage.PASS_EVERY_S, 1 << 38, [])
    assert found.used == before


def test_a_file_without_content_takes_nothing_however_long_it_is(root: Path) -> None:
    with (root / "work" / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert used(root) <= SLACK


def test_a_file_with_many_names_is_counted_once(root: Path) -> None:
    write(root / "work" / "a", 256 * KIB)
    for number in range(5):
        os.link(root / "work" / "a", root / "work" / f"link{number}")
    assert used(root) <= 256 * KIB + SLACK


def test_a_removed_file_that_a_process_has_open_is_counted_once(root: Path) -> None:
    write(root / "work" / "keep", KIB)
    write(root / "work" / "gone", 256 * KIB)
    with (root / "work" / "gone").open("rb") as file, (root / "work" / "gone").open("rb"):
        (root / "work" / "gone").unlink()
        assert file.readable()
        assert 256 * KIB <= used(root, [os.getpid()]) <= 256 * KIB + SLACK
    assert used(root, [os.getpid()]) <= SLACK


def test_a_removed_file_that_only_a_mapping_holds_is_counted(root: Path) -> None:
    write(root / "work" / "keep", KIB)
    write(root / "work" / "gone", 256 * KIB)
    with (root / "work" / "gone").open("r+b") as file:
        held = mmap.mmap(file.fileno(), 256 * KIB)
    (root / "work" / "gone").unlink()
    assert 256 * KIB <= used(root, [os.getpid()]) <= 256 * KIB + SLACK
    held.close()


def test_links_are_not_followed_and_other_mounts_not_entered(root: Path) -> None:
    write(root / "elsewhere" / "big", 256 * KIB)
    write(root / "work" / "cache" / "big", 256 * KIB)
    (root / "work" / "link").symlink_to(root / "elsewhere")
    assert used(root, others=("/work/cache",)) <= SLACK


def test_what_cannot_be_looked_into_is_taken_from_what_the_file_system_lost(root: Path) -> None:
    folder = root / "work"
    inside = os.open(folder, os.O_RDONLY)
    for _ in range(usage._DEEPEST + 5):  # by descriptors: the path gets too long for a name
        os.mkdir("d", dir_fd=inside)
        below = os.open("d", os.O_RDONLY, dir_fd=inside)
        os.close(inside)
        inside = below
    os.close(inside)
    found = Usage(str(root), ["/work"], (), 1 << 30)
    found.finish(usage.PASS_EVERY_S, 1 << 40, [])
    found.finish(2 * usage.PASS_EVERY_S, (1 << 40) - (1 << 31), [])
    assert found.used is not None
    assert found.used >= 1 << 31
    assert found.is_over


def test_a_pass_begins_when_half_of_the_room_is_gone_and_not_before(root: Path) -> None:
    write(root / "work" / "a", 512 * KIB)
    found = Usage(str(root), ["/work"], (), 256 * KIB)
    assert not found.tick(1.0, 1 << 30, [])
    assert not found.tick(2.0, (1 << 30) - 100 * KIB, [])
    assert found.used is None
    assert found.tick(3.0, (1 << 30) - 200 * KIB, [])
    assert found.is_over


def test_a_long_pass_is_done_in_short_steps(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        (root / "work" / str(number)).write_bytes(b"x" * 4096)
    monkeypatch.setattr(usage, "STEP_S", 0.0)
    found = Usage(str(root), ["/work"], (), 1)
    steps = 0
    while not found.tick(usage.PASS_EVERY_S + steps / 1000, 1 << 30, []):
        steps += 1
        assert steps < 1000
    assert steps >= 300


def test_a_folder_that_changes_under_the_pass_does_no_harm(root: Path) -> None:
    done = threading.Event()

    def churn() -> None:
        number = 0
        while not done.is_set():
            folder = root / "work" / f"f{number % 7}"
            folder.mkdir(exist_ok=True)
            (folder / "file").write_bytes(b"x")
            (folder / "file").unlink(missing_ok=True)
            folder.rmdir()
            number += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(50):
            assert used(root) <= 1 << 20
    finally:
        done.set()
        thread.join()


def test_descriptors_are_given_back(root: Path) -> None:
    write(root / "work" / "deep" / "er" / "b", KIB)
    gc.collect()  # what other tests left is not given back in this one
    before = len(list(Path("/proc/self/fd").iterdir()))
    used(root)
    half = Usage(str(root), ["/work"], (), 1)
    half._begin(0, [])
    assert half._pass is not None
    next(half._pass)
    del half
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
