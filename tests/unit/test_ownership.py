"""Whose a thing is, read back from its labels, and when that owner counts as dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from buildproof import labels
from buildproof.ownership import (
    Here,
    Keep,
    Mark,
    Owner,
    Process,
    abandoned,
    here,
    scratch_folder,
    scratch_prefix,
    this_process,
    why_dead,
)
from buildproof.ownership.process import start_time

NOW = 1_800_000_000.0
PROCESS = Process(pid=4711, started=500, host="boot/1")


def mark(process: Process = PROCESS, deadline: float = NOW + 60) -> Mark:
    return Mark(process=process, deadline=deadline, keep=Keep.NONE, run="run-1")


def seen(started: int | None, *, host: str = "boot/1", now: float = NOW) -> Here:
    return Here(host=host, started=lambda pid: started if pid == 4711 else None, now=now)


def test_a_mark_is_read_back_as_it_was_written() -> None:
    owner = Owner(process=PROCESS, run="run-1", keep=Keep.FAILED)
    written = owner.mark(NOW, lasts_s=10)
    assert Mark.read(written.labels()) == written
    assert (written.run, written.keep) == ("run-1", Keep.FAILED)
    assert written.deadline > NOW + 10
    assert owner.mark(NOW, shared=True).keep is Keep.SHARED
    assert Owner(process=PROCESS).mark(NOW).labels()[labels.RUN] == "", "or a container would inherit its image's"


@pytest.mark.parametrize("key", [labels.OWNER, labels.DEADLINE, labels.KEEP])
@pytest.mark.parametrize("value", [None, "", "x/y", "-"])
def test_damaged_or_missing_labels_tell_no_owner(key: str, value: str | None) -> None:
    told = mark().labels()
    told.pop(key)
    assert Mark.read(told if value is None else {**told, key: value}) is None


def test_an_owner_that_is_there_lives_whatever_its_deadline() -> None:
    assert why_dead(mark(deadline=NOW - 1e6), seen(500)) is None


def test_an_owner_that_is_gone_is_dead_before_its_deadline() -> None:
    assert why_dead(mark(), seen(None)) == "its owner, process 4711, is gone"


def test_a_process_that_got_the_owners_id_is_another_one() -> None:
    assert why_dead(mark(), seen(501)) == "its owner is gone, and process 4711 is another one now"


@pytest.mark.parametrize("host", ["boot/2", "other/1", ""])
def test_an_owner_elsewhere_is_judged_by_its_deadline_alone(host: str) -> None:
    assert why_dead(mark(), seen(None, host=host)) is None
    assert why_dead(mark(deadline=NOW - 90), seen(500, host=host)) == (
        "its owner cannot be seen from here, and its deadline passed 1 min 30 s ago"
    )


def test_where_no_process_can_be_asked_for_two_hosts_are_never_the_same() -> None:
    nameless = mark(Process(pid=4711, started=0, host=""))
    assert why_dead(nameless, seen(None, host="")) is None


def test_this_process_lives_and_its_ended_child_does_not() -> None:
    own = this_process()
    assert own.pid == os.getpid()
    assert why_dead(mark(own), here()) is None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = start_time(child.pid)
        assert started is not None
        assert started >= own.started
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert start_time(child.pid) is None, "a zombie counts as dead: nobody has asked for its status yet"
    assert why_dead(mark(Process(pid=child.pid, started=started, host=own.host)), here()) is not None


def test_a_name_of_a_process_may_contain_anything(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "stat").write_text(f"7 (a) Z 1 (b)) S {' '.join(str(n) for n in range(4, 60))}\n")
    assert start_time(7, tmp_path) == 22


def test_a_scratch_folder_tells_its_owner_and_is_found_when_that_is_dead(tmp_path: Path) -> None:
    gone = scratch_prefix().replace(f"-{os.getpid()}-", "-999999999-", 1)
    for name in (
        f"{scratch_prefix()}mine",
        f"{gone}dir",
        "buildproof-x",
        "buildproof-999999999-1-000000000000-elsewhere",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / f"{gone}file").touch()
    assert {path.name for path in abandoned(tmp_path, here())} == {f"{gone}dir", f"{gone}file"}
    with scratch_folder() as folder:
        assert Path(folder).name.startswith(scratch_prefix())


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (Keep.NONE, (False, False)),
        (Keep.FAILED, (False, True)),
        (Keep.ALL, (True, True)),
        (Keep.SHARED, (False, False)),
    ],
)
def test_a_policy_says_whose_containers_stay(policy: Keep, kept: tuple[bool, bool]) -> None:
    assert (policy.keeps(passed=True), policy.keeps(passed=False)) == kept
