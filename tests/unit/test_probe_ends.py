"""The ends of processes: every one counted, those that failed told, a flood bounded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildproof.probe.accounting import Record
from buildproof.probe.ends import LAST_FAILED, MOST_REPORTED, Ends, as_met, forebear
from buildproof.probe.processes import Census, Seen

CUT: list[dict[str, object]] = [{"path": "/work/a.o", "size": 1, "needed": 2}]


def record(
    pid: int, *, signal: int = 0, code: int = 0, ppid: int = 9, comm: str = "ld", forked_only: bool = False
) -> Record:
    return Record(
        pid=pid,
        ppid=ppid,
        uid=0,
        comm=comm,
        status=signal | code << 8,
        began_unix_s=0,
        elapsed_s=2.34567,
        cpu_s=1.0,
        forked_only=forked_only,
        dumped_core=False,
    )


class Bench:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.ends = Ends(lambda kind, **facts: self.told.append({"kind": kind, **facts}))

    def take(self, *records: Record) -> None:
        for one in records:
            self.ends.take(one, None, 1.0, [])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_success_is_counted_and_not_told(bench: Bench) -> None:
    bench.take(record(1), record(2))
    assert (bench.ends.exited, bench.told) == (2, [])


def test_an_end_is_told_with_all_that_is_known(bench: Bench) -> None:
    seen = Seen(60, 9, "ld", ("ld", "-o", "app"))
    bench.ends.take(record(60, signal=7), seen, 12.34567, CUT)
    assert bench.told == [
        {
            "kind": "signalled", "pid": 60, "ppid": 9, "comm": "ld", "cmdline": "ld -o app", "at_s": 12.346,
            "duration_s": 2.346, "signal": 7, "exit_code": None, "core_dumped": False, "cut_files": CUT,
        }
    ]  # fmt: skip


def test_a_process_that_was_never_met_has_no_command_line(bench: Bench) -> None:
    bench.take(record(60, code=3))
    (told,) = bench.told
    assert (told["kind"], told["cmdline"], told["signal"], told["exit_code"]) == ("failed", None, None, 3)


def test_the_name_is_that_of_the_process_and_not_of_the_thread_that_ended_last(bench: Bench) -> None:
    bench.ends.take(record(60, signal=7, comm="opt cgu.0"), Seen(60, 9, "rustc", ("rustc", "a.rs")), 1.0, [])
    assert bench.told[0]["comm"] == "rustc"


def test_a_signal_that_the_record_does_not_name_is_told_as_unknown(bench: Bench) -> None:
    headless = Seen(60, 9, "ld", ("ld",), headless=2)
    bench.ends.take(replace(record(60), thread_signalled=True), headless, 1.0, [])
    assert [(end["kind"], end["signal"], end["exit_code"]) for end in bench.told] == [("signalled", None, None)]


def test_threads_that_ended_with_their_process_are_no_sign_of_a_signal(bench: Bench) -> None:
    once = Seen(60, 9, "ld", ("ld",), threaded=True, headless=1)
    bench.ends.take(replace(record(60), thread_signalled=True), once, 1.0, [])
    bench.ends.take(replace(record(60), thread_signalled=True), Seen(60, 9, "ld", ("ld",), threaded=True), 1.0, [])
    bench.ends.take(record(60), Seen(60, 9, "ld", ("ld",), headless=2), 1.0, [])
    assert bench.told == []


def test_each_signal_and_the_failures_have_a_bound_of_their_own(bench: Bench) -> None:
    flood = MOST_REPORTED + 3
    bench.take(*(record(pid, signal=13) for pid in range(flood)))
    bench.take(*(record(pid, code=1) for pid in range(flood)))
    bench.take(record(7001, signal=7), record(7002, signal=11))
    assert [told["pid"] for told in bench.told[2 * MOST_REPORTED :]] == [7001, 7002]
    assert bench.ends.unreported == {"signal 13": 3, "failed": 3}
    assert bench.ends.exited == 2 * flood + 2


def test_nothing_is_unreported_at_the_bound_itself(bench: Bench) -> None:
    bench.take(*(record(pid, code=1) for pid in range(MOST_REPORTED)))
    assert bench.ends.unreported == {}


def test_those_that_failed_last_are_told_once_at_the_end(bench: Bench) -> None:
    count = MOST_REPORTED + LAST_FAILED + 5
    bench.take(*(record(pid, code=1) for pid in range(count)))
    assert len(bench.told) == MOST_REPORTED
    bench.ends.tell_the_last()
    bench.ends.tell_the_last()
    assert [told["pid"] for told in bench.told[MOST_REPORTED:]] == list(range(count - LAST_FAILED, count))


def test_orphans_do_not_crowd_out_those_whose_parents_failed_with_them(bench: Bench) -> None:
    bench.take(*(record(pid, code=1) for pid in range(2, MOST_REPORTED + 2)))
    bench.take(record(900, code=1), *(record(pid, code=1, ppid=1) for pid in range(901, 990)))
    bench.ends.tell_the_last()
    assert [end["pid"] for end in bench.told[MOST_REPORTED:]] == [900]


def test_a_flood_of_signals_is_not_told_again_at_the_end(bench: Bench) -> None:
    bench.take(*(record(pid, signal=13) for pid in range(MOST_REPORTED + 9)))
    bench.ends.tell_the_last()
    assert len(bench.told) == MOST_REPORTED


# -- who it was, when it was too short-lived to be met -----------------------------------------------------


def census(tmp_path: Path, *met: Seen) -> Census:
    found = Census(tmp_path)
    found.alive = {seen.pid: seen for seen in met}
    return found


LINKER = Seen(20, 9, "ld", ("ld", "-o", "app"), cwd="/work", mapped={"/work/a.o": 4096}, peak_rss=1 << 30)


def test_a_child_that_never_called_exec_has_the_command_line_and_mappings_of_its_parent(tmp_path: Path) -> None:
    child = record(21, ppid=20, signal=7, forked_only=True)
    met = as_met(child, census(tmp_path, LINKER), {21: child})
    assert met == Seen(21, 20, "ld", ("ld", "-o", "app"), cwd="/work", mapped={"/work/a.o": 4096})


def test_a_grandchild_is_told_through_a_parent_that_nobody_met_either(tmp_path: Path) -> None:
    child, grandchild = record(21, ppid=20, forked_only=True), record(22, ppid=21, signal=7, forked_only=True)
    met = as_met(grandchild, census(tmp_path, LINKER), {21: child, 22: grandchild})
    assert met is not None
    assert (met.pid, met.cmdline) == (22, "ld -o app")


def test_a_child_that_was_met_when_it_had_ended_has_the_command_line_of_its_parent(tmp_path: Path) -> None:
    child, zombie = record(21, ppid=20, signal=7, forked_only=True), Seen(21, 20, "ld", is_over=True)
    met = as_met(child, census(tmp_path, LINKER, zombie), {21: child})
    assert met is not None
    assert met.cmdline == "ld -o app"


def test_a_zombie_that_called_exec_stays_without_a_command_line(tmp_path: Path) -> None:
    child, zombie = record(21, ppid=20, signal=7), Seen(21, 20, "ld", is_over=True)
    assert as_met(child, census(tmp_path, LINKER, zombie), {21: child}) == zombie


def test_who_was_met_before_its_exec_has_not_its_parents_command_line(tmp_path: Path) -> None:
    child, early = record(21, ppid=20, signal=7), Seen(21, 20, "ld", LINKER.words, cwd="/work")
    met = as_met(child, census(tmp_path, LINKER, early), {21: child})
    assert met is not None
    assert (met.pid, met.cmdline, met.cwd) == (21, None, "/work")


def test_who_has_its_parents_words_under_another_name_was_met_after_its_exec(tmp_path: Path) -> None:
    wrapped, wrapper = record(21, ppid=20, signal=7), Seen(20, 9, "sccache", LINKER.words)
    met = as_met(wrapped, census(tmp_path, wrapper, Seen(21, 20, "ld", LINKER.words)), {21: wrapped})
    assert met is not None
    assert met.cmdline == "ld -o app"


def test_a_parent_that_is_alive_and_was_not_met_before_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "20"
    folder.mkdir()
    (folder / "status").write_bytes(b"Name:\tld\nState:\tS (sleeping)\nPPid:\t9\nVmRSS:\t8 kB\n")
    (folder / "cmdline").write_bytes(b"ld\0-o\0app\0")
    child = record(21, ppid=20, signal=7, forked_only=True)
    met = as_met(child, census(tmp_path), {21: child})
    assert met is not None
    assert met.cmdline == "ld -o app"


@pytest.mark.parametrize(
    "child",
    [
        record(21, ppid=20, signal=7),  # it called exec(2): what it ran is not known
        record(21, ppid=20, signal=7, comm="as", forked_only=True),  # it gave itself another name
        record(21, ppid=21, signal=7, forked_only=True),  # a circle
        record(21, ppid=30, signal=7, forked_only=True),
    ],
)
def test_nothing_is_made_up_about_a_process_that_nobody_met(tmp_path: Path, child: Record) -> None:
    assert as_met(child, census(tmp_path, LINKER), {21: child}) is None


def test_the_forebear_of_what_nobody_met_is_the_nearest_one_that_was_met(tmp_path: Path) -> None:
    driver, compiler = record(30, ppid=20, comm="cc"), record(31, ppid=30, code=4, comm="cc1")
    assert forebear(compiler, census(tmp_path, LINKER), {30: driver, 31: compiler}) == LINKER


def test_a_forebear_that_is_alive_and_was_not_met_before_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "30"
    folder.mkdir()
    (folder / "status").write_bytes(b"Name:\tcc\nState:\tS (sleeping)\nPPid:\t20\nVmRSS:\t8 kB\n")
    (folder / "cmdline").write_bytes(b"cc\0-fplugin=./plugin.so\0")
    compiler = record(31, ppid=30, code=4, comm="cc1")
    above = forebear(compiler, census(tmp_path, LINKER), {31: compiler})
    assert above is not None
    assert above.cmdline == "cc -fplugin=./plugin.so"


@pytest.mark.parametrize("parent", [record(30, ppid=99), record(30, ppid=30)])
def test_a_process_without_a_forebear_that_was_met_has_none(tmp_path: Path, parent: Record) -> None:
    assert forebear(record(31, ppid=30), census(tmp_path, LINKER), {30: parent}) is None
