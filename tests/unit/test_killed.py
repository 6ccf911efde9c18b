"""A run that was killed: the next one closes its record, with what was known, and leaves nothing else of it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from buildproof.evidence import Grade
from buildproof.killed import close_killed
from buildproof.ownership import LONGEST_S
from buildproof.record import BuildRecord, Phase, RunRecord
from buildproof.runfolder import RunFolder
from buildproof.timeline import Timeline
from buildproof.verdict import Outcome, Verdict

_FORK = multiprocessing.get_context("fork")
PASSED = Verdict(outcome=Outcome.PASSED, cause=None, grade=Grade.KERNEL, summary="It passed.")


def build(name: str, phase: Phase, verdict: Verdict | None = None, **more: str) -> BuildRecord:
    return BuildRecord(
        id=name, project="app", builder="linux", profile="default", tier="gate", target="linux-x86_64",
        phase=phase, verdict=verdict, log=more.get("log"), timeline=more.get("timeline"),
    )  # fmt: skip


def run(*builds: BuildRecord) -> RunRecord:
    return RunRecord(buildproof="0", id="x", command=("pytest",), began=datetime.now(UTC), builds=builds)


def killed(folder: RunFolder, work: Callable[[RunFolder], None]) -> None:
    """Do `work` in a process that is killed then."""

    def life() -> None:
        folder.open()
        work(folder)
        os.kill(os.getpid(), signal.SIGKILL)

    process = _FORK.Process(target=life)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL


def half_way(folder: RunFolder) -> None:
    """One build done, one under way, one to come."""
    home = folder.build_folder("at-work")
    (home / "build.log").write_bytes(
        b"compiling a.c\ncollect2: fatal error: ld terminated with signal 7 [Bus error]\nhalf a li"
    )
    with (home / "timeline.jsonl").open("w") as file:
        timeline = Timeline(file)
        timeline.take({"event": "hello", "accounting_refused": None})
        timeline.take({"event": "limits", "mounts": []})
        for at_s, demand in ((0.25, 100), (0.5, 900), (0.75, 300)):
            timeline.take({"event": "sample", "at_s": at_s, "charged": 1000, "demand": demand})
        file.write("[1.0,1")
    folder.write(
        run(
            build("done", Phase.DONE, PASSED),
            build("at-work", Phase.BUILD, log="at-work/build.log", timeline="at-work/timeline.jsonl"),
            build("planned", Phase.PLANNED),
        )
    )
    (folder.path.parent / f".last-{folder.id}").symlink_to(folder.id)
    folder.path.with_suffix(".lock").touch()
    (folder.path / "record.json.partial").write_text("{")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder.reserve(tmp_path)
    killed(folder, half_way)
    return folder


def closed(folder: RunFolder) -> tuple[RunRecord, list[str]]:
    said: list[str] = []
    close_killed(folder.path.parent, said.append)
    return folder.read(), said


def test_the_record_of_a_killed_run_says_so_and_keeps_what_was_known(folder: RunFolder) -> None:
    record, said = closed(folder)
    assert record.ended is not None
    assert "killed before its end: its owner, process" in record.remarks[0]
    done, at_work, planned = record.builds
    assert done.verdict == PASSED
    assert (planned.phase, planned.verdict) == (Phase.PLANNED, None)
    assert at_work.phase is Phase.DONE
    assert at_work.verdict is not None
    assert (at_work.verdict.outcome, at_work.verdict.cause) == (Outcome.CANCELLED, "killed")
    assert "in the phase `build` 0.8 s into the build" in at_work.verdict.summary
    assert (at_work.memory.demand_peak, at_work.memory.demand_peak_at_s) == (900, 0.5)
    assert at_work.last_lines[0] == "compiling a.c"
    assert at_work.last_lines[-1] == "half a li"
    assert at_work.findings
    assert at_work.ended.accounting
    (told,) = said
    assert told.startswith(f"run {folder.id} was killed; its record says so now: {folder.path}/record.json; ")
    assert told.endswith(f"report: {folder.path}/report.html")
    assert "The harness was killed" in (folder.path / "report.html").read_text(encoding="utf-8")


def test_nothing_but_the_record_its_page_and_what_it_names_is_left(folder: RunFolder) -> None:
    closed(folder)
    names = {path.relative_to(folder.path.parent).as_posix() for path in folder.path.parent.rglob("*")}
    assert names - {".gitignore", ".killed.lock", "last"} == {
        folder.id, f"{folder.id}/record.json", f"{folder.id}/report.html",
        f"{folder.id}/at-work", f"{folder.id}/at-work/build.log", f"{folder.id}/at-work/timeline.jsonl",
    }  # fmt: skip


def test_a_worker_that_outlives_its_controller_may_remove_files_meanwhile(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = folder.live / "at-work.partial"
    partial.parent.mkdir()
    partial.write_text("{}")
    stat = Path.stat

    def gone_after(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = stat(path, follow_symlinks=follow_symlinks)
        if path == partial:
            path.unlink()
        return found

    monkeypatch.setattr(Path, "stat", gone_after)
    record, _said = closed(folder)
    assert record.ended is not None
    assert not partial.exists()


def test_a_record_is_closed_once(folder: RunFolder) -> None:
    first, _ = closed(folder)
    assert closed(folder) == (first, [])


def test_a_run_that_was_killed_before_its_first_record_leaves_nothing(tmp_path: Path) -> None:
    folder = RunFolder.reserve(tmp_path)
    killed(folder, lambda _folder: None)
    close_killed(folder.path.parent, print)
    assert not folder.path.exists()


def test_a_run_that_is_under_way_is_left_alone(tmp_path: Path) -> None:
    folder = RunFolder.reserve(tmp_path)
    folder.open()
    half_way(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    assert closed(folder)[0].ended is None
    assert {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")} == before


def test_a_run_of_another_host_is_given_up_when_its_record_was_not_touched_for_long(folder: RunFolder) -> None:
    owner = folder.path / ".owner"
    owner.write_text(json.dumps({**json.loads(owner.read_text()), "buildproof.host": "other/1"}))
    assert closed(folder)[0].ended is None
    record = folder.path / "record.json"
    long_ago = record.stat().st_mtime - LONGEST_S - 1
    os.utime(record, (long_ago, long_ago))
    assert closed(folder)[0].ended is not None


def test_a_run_that_ended_in_good_order_has_nothing_to_close(tmp_path: Path) -> None:
    folder = RunFolder.reserve(tmp_path)
    folder.open()
    folder.write(run(build("done", Phase.DONE, PASSED)))
    folder.close(lambda record: replace(record, ended=datetime.now(UTC)))
    assert [path.name for path in folder.path.iterdir()] == ["record.json"]
    assert closed(folder)[1] == []


def test_a_damaged_record_is_told_and_left_as_it_is(folder: RunFolder) -> None:
    (folder.path / "record.json").write_text("{")
    said: list[str] = []
    close_killed(folder.path.parent, said.append)
    assert "cannot be closed" in said[0]
    assert (folder.path / "record.json").read_text() == "{"
