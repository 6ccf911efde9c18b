"""A run's folder: several processes write to it at once, and one that is killed leaves the old record whole."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from buildproof.errors import ExitCode, InputError, RecordError
from buildproof.evidence import Grade
from buildproof.record import BuildRecord, Phase, RunRecord
from buildproof.runfolder import KEPT_RUNS, RunFolder
from buildproof.verdict import Outcome, Verdict

_FORK = multiprocessing.get_context("fork")


def build(name: str) -> BuildRecord:
    return BuildRecord(id=name, project="app", builder="linux", profile="default", tier="gate", target="linux-x86_64")


def run(*builds: BuildRecord) -> RunRecord:
    return RunRecord(buildproof="0", id="x", command=("pytest",), began=datetime.now(UTC), builds=builds)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder.reserve(tmp_path)
    folder.open()
    folder.write(run())
    return folder


def in_processes(count: int, work: Callable[[int], None]) -> list[int | None]:
    """Run `work` in so many processes at once; their exit codes."""
    processes = [_FORK.Process(target=work, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    return [process.exitcode for process in processes]


def test_a_run_without_builds_leaves_nothing(tmp_path: Path) -> None:
    reserved = RunFolder.reserve(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not reserved.begun
    assert reserved.path.parent == tmp_path / ".buildproof"
    assert reserved.id == reserved.path.name
    assert RunFolder.reserve(tmp_path).id != reserved.id


def test_a_run_has_begun_when_its_first_record_is_there(tmp_path: Path) -> None:
    folder = RunFolder.reserve(tmp_path)
    folder.open()
    assert not folder.begun
    folder.write(run())
    assert folder.begun


def test_last_points_at_the_newest_run_and_git_sees_none(tmp_path: Path) -> None:
    folders = [RunFolder.reserve(tmp_path) for _ in range(3)]
    for folder in folders:
        folder.open()
    state = tmp_path / ".buildproof"
    assert (state / "last").readlink() == Path(folders[-1].id)
    assert (state / ".gitignore").read_text() == "*\n"
    assert {path.name for path in state.iterdir()} == {"last", ".gitignore", *(folder.id for folder in folders)}


def test_a_run_can_be_opened_again(folder: RunFolder) -> None:
    folder.put_build(build("kept"))
    folder.open()
    assert folder.read().build("kept")


def test_the_oldest_runs_beyond_the_last_twenty_are_removed(tmp_path: Path) -> None:
    state = tmp_path / ".buildproof"
    for number in range(KEPT_RUNS + 5):
        old = RunFolder(state / f"20250101-0000{number:02}-000000")
        old.open()
        old.write(replace(run(), ended=datetime.now(UTC)))
    strange = state / "notes"
    strange.mkdir()
    newest = RunFolder.reserve(tmp_path)
    newest.open()
    newest.write(run())
    left = sorted(path.name for path in state.iterdir() if path.is_dir() and not path.is_symlink())
    expected = [f"20250101-0000{number:02}-000000" for number in range(6, KEPT_RUNS + 5)]
    assert left == [*expected, newest.id, "notes"]


def test_a_run_that_goes_on_is_never_removed(tmp_path: Path) -> None:
    at_work = RunFolder(tmp_path / ".buildproof" / "20240101-000000-000000")
    at_work.open()
    at_work.write(run())
    for _ in range(KEPT_RUNS + 2):
        other = RunFolder.reserve(tmp_path)
        other.open()
        other.write(replace(run(), ended=datetime.now(UTC)))
    assert at_work.begun


def test_paths_in_the_record_are_relative_to_the_run(folder: RunFolder) -> None:
    home = folder.build_folder("app-linux")
    assert home.is_dir()
    assert folder.build_folder("app-linux") == home
    assert folder.relative(home / "build.log") == "app-linux/build.log"


def test_a_change_is_made_to_what_is_there_and_returned(folder: RunFolder) -> None:
    folder.put_build(build("a"))
    changed = folder.update(lambda record: replace(record, remarks=("one",)))
    assert changed == folder.read()
    assert changed.remarks == ("one",)
    folder.put_build(replace(build("a"), phase=Phase.DONE))
    assert [known.phase for known in folder.read().builds] == [Phase.DONE]


def test_eight_processes_at_once_lose_nothing(folder: RunFolder) -> None:
    def work(number: int) -> None:
        own = RunFolder(folder.path)
        for phase in (Phase.IMAGE, Phase.BUILD, Phase.DONE):
            own.put_build(replace(build(f"build-{number}"), phase=phase))
            assert own.read().build(f"build-{number}")

    assert in_processes(8, work) == [0] * 8
    builds = folder.read().builds
    assert {known.id for known in builds} == {f"build-{number}" for number in range(8)}
    assert {known.phase for known in builds} == {Phase.DONE}


def test_a_reader_never_sees_half_a_record(folder: RunFolder) -> None:
    big = replace(build("big"), last_lines=tuple(f"line {number}" * 20 for number in range(500)))
    folder.put_build(big)

    def work(_number: int) -> None:
        for turn in range(10):
            folder.put_build(replace(big, log=str(turn)))

    writer = _FORK.Process(target=work, args=(0,))
    writer.start()
    seen = 0
    while writer.is_alive():
        known = folder.read().build("big")
        assert known is not None
        assert known.last_lines == big.last_lines
        seen += 1
    writer.join()
    assert (writer.exitcode, seen > 1) == (0, True)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_killed_writer_leaves_the_old_record_and_no_lock(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder.put_build(build("before"))
    before = (folder.path / "record.json").read_bytes()

    def die(*_args: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def work(_number: int) -> None:
        if step == "fsync":
            monkeypatch.setattr(os, "fsync", die)
        else:
            monkeypatch.setattr(Path, "replace", die)
        folder.put_build(build("lost"))

    assert in_processes(1, work) == [-signal.SIGKILL]
    assert (folder.path / "record.json").read_bytes() == before
    folder.put_build(build("after"))
    assert [known.id for known in folder.read().builds] == ["before", "after"]


def test_a_lock_keeps_other_processes_out(folder: RunFolder) -> None:
    log = folder.path / "log"

    def work(number: int) -> None:
        with RunFolder(folder.path).lock("one-build"), log.open("a") as file:
            file.write(f"{number} in\n")
            file.flush()
            time.sleep(0.01)
            file.write(f"{number} out\n")

    assert in_processes(4, work) == [0] * 4
    lines = log.read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["in", "out"] * 4
    assert all(first.split()[0] == second.split()[0] for first, second in zip(lines[::2], lines[1::2], strict=True))


def test_a_record_that_was_damaged_is_not_overwritten(folder: RunFolder) -> None:
    (folder.path / "record.json").write_text("{")
    with pytest.raises(InputError, match="no record that can be read"):
        folder.put_build(build("x"))
    assert (folder.path / "record.json").read_text() == "{"


def test_the_record_on_disk_is_the_record(folder: RunFolder) -> None:
    folder.put_build(build("a"))
    data = json.loads((folder.path / "record.json").read_text())
    assert [known["id"] for known in data["builds"]] == ["a"]


# -- a disk that is full ------------------------------------------------------------------------------


def fill(folder: RunFolder) -> None:
    """Let the next record go to /dev/full, which refuses it with ENOSPC, full(4)."""
    (folder.path / "record.json.partial").symlink_to("/dev/full")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
class TestFullDisk:
    def test_a_record_that_cannot_be_written_is_held_and_the_old_one_stays_whole(self, folder: RunFolder) -> None:
        before = (folder.path / "record.json").read_bytes()
        fill(folder)
        folder.put_build(build("app"))
        assert folder.read().build("app")
        assert folder.unwritten
        assert folder.unwritten.exit_code is ExitCode.INFRASTRUCTURE
        assert "No space left on device" in str(folder.unwritten)
        assert str(folder.path / "record.json") in str(folder.unwritten)
        assert (folder.path / "record.json").read_bytes() == before
        assert not os.path.lexists(folder.path / "record.json.partial")

    def test_it_is_written_as_soon_as_there_is_space(self, folder: RunFolder) -> None:
        fill(folder)
        folder.put_build(build("first"))
        folder.put_build(build("second"))
        assert folder.unwritten is None
        assert [known.id for known in RunFolder(folder.path).read().builds] == ["first", "second"]

    def test_what_one_process_could_not_write_another_takes_over(self, folder: RunFolder) -> None:
        worker = RunFolder(folder.path)
        assert worker.hand_over() is None
        fill(worker)
        verdict = Verdict(outcome=Outcome.PASSED, grade=Grade.KERNEL, summary="Built.")
        worker.put_build(replace(build("app"), verdict=verdict))
        held = worker.hand_over()
        assert held is not None
        folder.put_build(build("other"))
        folder.take_over(held)
        found = RunFolder(folder.path).read()
        assert [(known.id, known.verdict) for known in found.builds] == [("other", None), ("app", verdict)]

    def test_a_run_does_not_begin_without_its_record(self, tmp_path: Path) -> None:
        folder = RunFolder.reserve(tmp_path)
        folder.open()
        fill(folder)
        with pytest.raises(RecordError, match="the record cannot be written: No space left on device"):
            folder.write(run())
        assert not folder.begun
