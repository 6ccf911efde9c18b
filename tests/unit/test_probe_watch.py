"""Watching one build, fed with fakes: what is counted, what is told, and when it is over."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from buildproof.probe import host
from buildproof.probe import watch as room
from buildproof.probe.accounting import Journal, Record
from buildproof.probe.cgroup import Usage
from buildproof.probe.clues import Clues
from buildproof.probe.ends import LAST_FAILED, MOST_REPORTED
from buildproof.probe.memory import DENSE_S, MOVED_BYTES, SPARSE_S, Sampler
from buildproof.probe.processes import Census, Seen
from buildproof.probe.space import Mount
from buildproof.probe.watch import Watch

MIB = 1 << 20
GATE = 50


def record(pid: int, ppid: int = 51, *, signal: int = 0, code: int = 0, comm: str = "cc1") -> Record:
    return Record(
        pid=pid,
        ppid=ppid,
        uid=0,
        comm=comm,
        status=signal | code << 8,
        began_unix_s=0,
        elapsed_s=1.2345,
        cpu_s=1.0,
        forked_only=False,
        dumped_core=bool(signal),
    )


class FakeJournal:
    suspended = False
    unreadable = 0

    def __init__(self) -> None:
        self.waiting: list[Record] = []

    def drain(self) -> Iterator[Record]:
        waiting, self.waiting = self.waiting, []
        yield from waiting


class FakeCgroup:
    version = 2

    def __init__(self) -> None:
        self.usages: Usage | None = Usage(charged=10 * MIB, demand=5 * MIB, swap=0)
        self.values: dict[str, int | None] = {"oom_kills": 0, "cpu_us": 100}
        self.hits_above = 3

    def usage(self) -> Usage:
        return self.usages or Usage(charged=None, demand=None, swap=None)

    def counters(self) -> dict[str, int | None]:
        return dict(self.values)

    def limits(self) -> dict[str, int | float | None]:
        return {"memory": 1024 * MIB}

    def ancestors(self) -> list[dict[str, str | int | None]]:
        return [{"path": "/docker", "limit": 2048 * MIB, "limit_hits": self.hits_above}]


class FakeCensus(Census):
    """Gate and command, and whom the test adds."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.add(GATE, 1, "sh")
        self.add(51, GATE, "sh")
        self.measured = self.noted = self.faults = 0

    def add(self, pid: int, ppid: int, comm: str, rss: int = 0) -> None:
        self.alive[pid] = Seen(pid, ppid, comm, (comm, "x.c"), peak_rss=rss, rss=rss, settled=True)

    def meet(self, *, thoroughly: bool = False) -> None:
        """Nothing to do: the test says who is alive."""

    def measure(self) -> None:
        self.measured += 1

    def childrens_faults(self, pid: int) -> int:
        assert pid == GATE
        return self.faults

    def top(self) -> list[Seen]:
        return sorted(self.alive.values(), key=lambda seen: seen.peak_rss, reverse=True)

    def note_mappings(self, is_noted: Callable[[str], bool], *, of_all: bool = True) -> None:
        assert is_noted("/work/a.rlib")
        self.noted += of_all


class FakeSpace:
    def __init__(self) -> None:
        self.mounts = [Mount("/dev/shm", "tmpfs", size=64, min_free=1)]
        self.thorough: list[float] = []

    def sample(self, now_s: float, *, thorough: bool = False) -> None:
        if thorough:
            self.thorough.append(now_s)


class Bench:
    """A watch with fakes around it, and a clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, accounting: bool = True) -> None:
        self.now = 1000.0
        self.events: list[dict[str, Any]] = []
        monkeypatch.setattr(
            room, "time", SimpleNamespace(monotonic=lambda: self.now, process_time=itertools.count(2.0).__next__)
        )
        self.journal, self.cgroup, self.census, self.space = FakeJournal(), FakeCgroup(), FakeCensus(), FakeSpace()
        journal = cast("Journal", self.journal) if accounting else None
        self.watch = Watch(journal, Path("/nowhere"), self._emit)
        self.watch._census = cast("Census", self.census)
        self.watch._cgroup = self.cgroup
        self.watch._memory = Sampler(self.cgroup, self.watch._census, GATE)
        self.watch._space = cast("Any", self.space)
        self.watch._gate_pid = GATE

    def _emit(self, event: str, **facts: object) -> None:
        self.events.append({"event": event, **facts})

    def go(self) -> None:
        self.watch.obey({"do": "go"})

    def tick(self, seconds: float = 0.05, *ended: Record) -> None:
        self.now += seconds
        self.journal.waiting += ended
        self.watch.tick()

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    def state(self) -> dict[str, Any]:
        """A fresh summing up."""
        self.watch.obey({"do": "sum-up"})
        return self.told("state")[-1]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(monkeypatch)
    bench.go()
    return bench


# -- before ---------------------------------------------------------------------------------------------------------


def test_before_the_clock_runs_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.tick(1.0, record(60, signal=7))
    bench.watch.obey({"do": "sum-up"})
    bench.watch.obey({"do": "something newer"})
    assert bench.events == []


def test_what_ended_before_the_start_is_not_the_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.journal.waiting = [record(60, signal=7)]
    bench.go()
    bench.tick()
    assert [event["event"] for event in bench.events[:1]] == ["started"]
    assert bench.told("signalled") == []
    assert bench.state()["exited"] == 0


def test_a_container_that_is_not_there_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[dict[str, Any]] = []
    watch = Watch(None, Path("/nowhere"), lambda event, **facts: events.append({"event": event, **facts}))
    monkeypatch.setattr(room, "os", SimpleNamespace(listdir=lambda _path: ["1", "self", "99"]))
    monkeypatch.setattr(room, "Path", lambda _text: Path("/nowhere/at/all"))
    watch.obey({"do": "watch", "container": "0123abcd"})
    watch.obey({"do": "limits"})
    assert events == [
        {
            "event": "limits",
            "found": False,
            "cgroup_version": None,
            "cgroup": None,
            "rlimits": None,
            "rights": None,
            "mounts": [],
            "disk_limit": None,
        }
    ]


def test_the_gate_is_the_process_in_the_containers_cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid, scope in (("1", "0123abcd"), ("7", "other"), ("9", "0123abcd")):
        (tmp_path / "proc" / pid).mkdir(parents=True)
        (tmp_path / "proc" / pid / "cgroup").write_text(f"0::/docker-{scope}.scope\n")
    (tmp_path / "proc" / "9" / "limits").write_text("Max open files  1  2  files\n")
    scope_folder = tmp_path / "cgroup" / "docker-0123abcd.scope"
    scope_folder.mkdir(parents=True)
    (scope_folder / "memory.current").write_text("1\n")
    (scope_folder / "memory.max").write_text("4096\n")
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(room, "os", SimpleNamespace(listdir=lambda _path: ["1", "self", "7", "8", "9"]))
    monkeypatch.setattr(room, "Path", lambda text: tmp_path / text.lstrip("/"))
    watch = Watch(None, tmp_path / "cgroup", lambda event, **facts: events.append({"event": event, **facts}))
    watch.obey({"do": "watch", "container": "0123abcd"})
    watch.obey({"do": "limits"})
    (told,) = events
    assert (told["found"], told["cgroup_version"], told["cgroup"]["memory"]) == (True, 2, 4096)
    assert told["rlimits"] == "Max open files  1  2  files\n"


# -- ends -----------------------------------------------------------------------------------------------------------


def test_a_signalled_grandchild_is_told_with_its_command_line(bench: Bench) -> None:
    bench.census.add(60, 55, "ld")
    bench.tick(0.5, record(60, ppid=55, signal=7, comm="ld"))
    assert bench.told("signalled") == [
        {
            "event": "signalled", "pid": 60, "ppid": 55, "comm": "ld", "cmdline": "ld x.c", "at_s": 0.5,
            "duration_s": 1.234, "signal": 7, "exit_code": None, "core_dumped": True, "cut_files": [],
        }
    ]  # fmt: skip


def test_a_failed_process_is_told_and_one_that_exits_0_is_counted(bench: Bench) -> None:
    bench.tick(0.1, record(60, code=2), record(61), record(62))
    (failed,) = bench.told("failed")
    assert (failed["pid"], failed["exit_code"], failed["signal"], failed["core_dumped"]) == (60, 2, None, False)
    assert bench.state()["exited"] == 3


def test_space_and_counters_are_asked_at_the_moment_of_a_signal(bench: Bench) -> None:
    bench.tick(0.01)
    bench.space.thorough.clear()
    bench.cgroup.values["oom_kills"] = 1
    bench.tick(0.01, record(60, signal=9))
    assert bench.space.thorough == [pytest.approx(0.02)]
    assert bench.state()["counters"]["oom_kills"] == 1


def test_many_signals_of_one_kind_do_not_hide_another(bench: Bench) -> None:
    bench.tick(0.1, *(record(pid, signal=13) for pid in range(1000, 1000 + MOST_REPORTED + 7)))
    bench.tick(0.1, record(60, signal=7))
    told = bench.told("signalled")
    assert len(told) == MOST_REPORTED + 1
    assert told[-1]["signal"] == 7
    state = bench.state()
    assert state["unreported"] == {"signal 13": 7}
    assert state["exited"] == MOST_REPORTED + 8


def test_what_failed_last_is_told_however_many_failed_before(bench: Bench) -> None:
    many = MOST_REPORTED + 100
    bench.tick(0.1, *(record(pid, code=1) for pid in range(1000, 1000 + many)))
    assert len(bench.told("failed")) == MOST_REPORTED
    bench.tick(0.1, record(51, GATE, code=1))
    told = [event["pid"] for event in bench.told("failed")]
    assert len(told) == MOST_REPORTED + LAST_FAILED
    assert told[-LAST_FAILED:] == [*range(1000 + many - LAST_FAILED + 1, 1000 + many), 51]
    assert [event["event"] for event in bench.events[-2:]] == ["failed", "state"]


def test_the_gates_own_end_is_not_the_builds(bench: Bench) -> None:
    bench.tick(0.1, record(GATE, 1, signal=9))
    assert bench.told("signalled") == []
    assert bench.state()["exited"] == 0


def test_files_that_were_cut_are_looked_for_behind_a_sigbus_and_behind_nothing_else(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "x.c").write_bytes(b"")
    bench.watch._clues = Clues(str(tmp_path))
    bench.census.add(60, 55, "ld")
    bench.census.add(61, 55, "ld")
    bench.tick(0.1, record(60, 55, signal=7, comm="ld"), record(61, 55, signal=11, comm="ld"), record(62, 55, signal=7))
    bus, segv, unmet = bench.told("signalled")
    assert bus["cut_files"] == [{"path": "/x.c", "size": 0, "needed": None}]
    assert (segv["cut_files"], unmet["cut_files"]) == ([], [])


def test_what_nobody_met_stumbled_over_what_its_parent_names(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "x.c").write_bytes(b"")
    bench.watch._clues = Clues(str(tmp_path))
    bench.census.add(60, 51, "cc")
    bench.tick(0.1, record(61, 60, code=4, comm="cc1"))
    (told,) = bench.told("failed")
    assert told["cmdline"] is None
    assert told["cut_files"] == [{"path": "/x.c", "size": 0, "needed": None}]


def test_a_forebear_that_ends_while_the_ends_are_read_is_read_with_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody met it, and it is gone from /proc before it can be looked at: its record was written before that."""
    child, parent = (replace(record(pid, ppid, signal=signal), forked_only=True) for pid, ppid, signal in
                     ((62, 61, 7), (61, 60, 0)))  # fmt: skip
    bench.census.add(60, 51, "cc1")
    bench.journal.waiting = [child]
    drain = bench.journal.drain

    def drained() -> Iterator[Record]:
        yield from drain()
        bench.journal.waiting = [parent] if parent not in seen else []
        seen.append(parent)

    seen: list[Record] = []
    monkeypatch.setattr(bench.journal, "drain", drained)
    bench.tick()
    (told,) = bench.told("signalled")
    assert (told["pid"], told["cmdline"]) == (62, "cc1 x.c")
    assert bench.state()["exited"] == 2


def test_mappings_are_noted_every_second(bench: Bench) -> None:
    for _ in range(60):
        bench.tick(0.05)
    assert 3 <= bench.census.noted <= 4


def test_what_has_ended_and_was_not_waited_for_is_not_left_over(bench: Bench) -> None:
    bench.census.add(60, 1, "sleep")
    bench.census.alive[51].is_over = True
    bench.tick(0.1, record(51, GATE))
    assert [seen["pid"] for seen in bench.told("state")[-1]["leftover"]] == [60]


@pytest.mark.parametrize(("signal", "code", "is_looked_at"), [(7, 0, True), (0, 4, True), (0, 1, False), (9, 0, False)])
def test_files_are_looked_at_where_sigbus_ended_a_process_or_gcc_caught_it(
    bench: Bench, signal: int, code: int, *, is_looked_at: bool
) -> None:
    cut = [{"path": "/plugin.so", "size": 0, "needed": None}]
    bench.watch._clues = cast("Any", SimpleNamespace(cut_files=lambda _seen: cut))
    bench.census.add(60, 51, "cc1")
    bench.tick(0.1, record(60, signal=signal, code=code))
    (end,) = bench.told("signalled") + bench.told("failed")
    assert end["cut_files"] == (cut if is_looked_at else [])


# -- memory ---------------------------------------------------------------------------------------------------------


def test_the_demand_peak_is_the_largest_sample_with_its_moment(bench: Bench) -> None:
    for demand in (20, 300, 100):
        bench.cgroup.usages = Usage(charged=0, demand=demand * MIB, swap=demand)
        bench.tick(0.1)
    state = bench.state()
    assert (state["demand_peak"], state["demand_peak_at_s"], state["swap_peak"]) == (300 * MIB, 0.2, 300)
    assert (state["samples"], state["longest_gap_ms"]) == (3, 100.0)


def test_a_sample_that_cannot_be_taken_is_no_sample(bench: Bench) -> None:
    bench.cgroup.usages = None
    bench.tick(0.1)
    state = bench.state()
    assert (state["demand_peak"], state["swap_peak"], state["samples"]) == (None, None, 0)
    bench.cgroup.usages = Usage(charged=1, demand=1, swap=None)
    bench.tick(0.3)
    state = bench.state()
    assert (state["demand_peak"], state["swap_peak"], state["samples"]) == (1, None, 1)
    assert state["longest_gap_ms"] == pytest.approx(400)


def test_sampling_is_dense_while_memory_moves_and_sparse_when_it_rests(bench: Bench) -> None:
    pauses = []
    for demand in (5 * MIB, 5 * MIB + MOVED_BYTES, 6 * MIB + 2 * MOVED_BYTES, *[6 * MIB + 2 * MOVED_BYTES] * 9, 0):
        bench.cgroup.usages = Usage(charged=0, demand=demand, swap=0)
        bench.tick()
        pauses.append(round(bench.watch.pause_s, 4))
    assert pauses[0] > DENSE_S
    assert pauses[1] > DENSE_S
    assert pauses[2] == DENSE_S
    assert pauses[3:11] == sorted(pauses[3:11])
    assert pauses[11] == SPARSE_S
    assert pauses[12] == DENSE_S


def test_who_holds_the_memory_is_noted_at_a_new_peak(bench: Bench) -> None:
    for pid, size in ((60, 5), (61, 900), (62, 0)):
        bench.census.add(pid, 51, f"p{pid}", size * MIB)
    bench.cgroup.usages = Usage(charged=0, demand=905 * MIB, swap=0)
    bench.tick()
    assert bench.state()["holders"] == [
        {"pid": 61, "comm": "p61", "cmdline": "p61 x.c", "rss": 900 * MIB},
        {"pid": 60, "comm": "p60", "cmdline": "p60 x.c", "rss": 5 * MIB},
    ]
    measured = bench.census.measured
    bench.cgroup.usages = Usage(charged=0, demand=906 * MIB, swap=0)
    bench.tick()
    assert bench.census.measured == measured


def test_samples_that_differ_are_told_at_most_ten_times_a_second(bench: Bench) -> None:
    for step in range(100):
        bench.cgroup.usages = Usage(charged=10 * MIB, demand=5 * MIB * (step + 1), swap=0)
        bench.tick(0.01)
    assert 9 <= len(bench.told("sample")) <= 11


def test_samples_that_are_all_the_same_are_told_once_a_second(bench: Bench) -> None:
    for _ in range(300):
        bench.tick(0.01)
    assert 3 <= len(bench.told("sample")) <= 4


def test_a_sample_names_the_largest_process_that_was_told_before(bench: Bench) -> None:
    bench.census.add(60, 51, "rustc", 9 * MIB)
    bench.tick(0.01)
    assert bench.events[-3:-1] == [
        {"event": "process", "pid": 60, "comm": "rustc", "cmdline": "rustc x.c"},
        {
            "event": "sample", "at_s": 0.01, "charged": 10 * MIB, "demand": 5 * MIB, "swap": 0, "pids": 2,
            "largest": 60, "largest_rss": 9 * MIB, "free": [None],
        },
    ]  # fmt: skip


def test_counters_that_vanish_keep_their_last_value(bench: Bench) -> None:
    bench.cgroup.values = {"oom_kills": 2, "cpu_us": 500}
    bench.tick(0.3)
    bench.cgroup.values = {"oom_kills": None, "cpu_us": 600}
    bench.tick(0.3)
    state = bench.state()
    assert state["counters"] == {"oom_kills": 2, "cpu_us": 600}
    assert state["counters_at_start"] == {"oom_kills": 0, "cpu_us": 100}


def test_counters_are_read_four_times_a_second(bench: Bench) -> None:
    bench.tick(0.01)
    bench.cgroup.values["cpu_us"] = 777
    bench.tick(0.2)
    assert bench.watch._counters["cpu_us"] == 100
    bench.tick(0.06)
    assert bench.watch._counters["cpu_us"] == 777


def test_before_the_client_ends_a_build_all_that_happened_until_then_is_told(bench: Bench) -> None:
    bench.tick(0.01)
    bench.cgroup.values["oom_kills"] = 1
    bench.journal.waiting += [record(60, signal=9), record(61)]
    state = bench.state()
    assert (state["final"], state["exited"], state["counters"]["oom_kills"]) == (False, 2, 1)
    assert [event["event"] for event in bench.events[-2:]] == ["signalled", "state"]


def test_an_answer_has_the_number_of_its_question(bench: Bench) -> None:
    bench.tick(1.1)
    bench.watch.obey({"do": "sum-up", "number": 2})
    assert [event["answers"] for event in bench.told("state")] == [None, 2]


def test_a_command_that_had_ended_when_the_client_would_end_it_is_told_as_ended(bench: Bench) -> None:
    bench.tick(0.01)
    bench.journal.waiting.append(record(51, GATE, code=3))
    state = bench.state()
    assert (state["final"], state["command"]["exit_code"]) == (True, 3)
    before = len(bench.events)
    bench.watch.obey({"do": "sum-up"})
    bench.tick(0.01)
    assert len(bench.events) == before


def test_counters_are_read_when_the_gate_has_ended_for_its_cgroup_goes_with_it(bench: Bench) -> None:
    bench.tick(0.01)
    bench.cgroup.values["oom_kills"] = 1
    bench.tick(0.01, record(GATE, 1, signal=9))
    assert bench.watch._counters["oom_kills"] == 1


def test_a_state_tells_the_limits_above_now_and_at_the_start(bench: Bench) -> None:
    before = bench.cgroup.ancestors()
    bench.cgroup.hits_above = 8
    state = bench.state()
    assert state["ancestors_at_start"] == before
    assert state["ancestors"] == [{"path": "/docker", "limit": 2048 * MIB, "limit_hits": 8}]


def test_a_state_tells_what_the_host_did_since_the_start_or_that_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    readings: dict[str, float | None] = {"swapped": 4096, "busy_s": 10.0}
    monkeypatch.setattr(host, "swapped", lambda: readings["swapped"])
    monkeypatch.setattr(host, "busy_s", lambda: readings["busy_s"])
    bench = Bench(monkeypatch)
    bench.go()
    assert (bench.state()["host_swapped"], bench.state()["host_busy_s"]) == (0, 0)
    readings.update(swapped=3 * 4096, busy_s=22.5)
    assert (bench.state()["host_swapped"], bench.state()["host_busy_s"]) == (2 * 4096, 12.5)
    readings.update(swapped=None, busy_s=None)
    state = bench.state()
    assert (state["host_swapped"], state["host_busy_s"]) == (None, None)
    assert set(state["clocks"]) == {"suspended_s", "clock_step_s"}


def test_a_process_that_is_not_settled_has_no_name_yet(bench: Bench) -> None:
    bench.census.add(60, 51, "make", 9 * MIB)
    bench.census.alive[60].settled = False
    bench.tick(0.01)
    assert bench.told("process") == []
    bench.census.add(60, 51, "cc1", 9 * MIB)
    bench.tick(1.1)
    assert [event["comm"] for event in bench.told("process")] == ["cc1"]
    bench.tick(1.1)
    assert len(bench.told("process")) == 1


# -- the end --------------------------------------------------------------------------------------------------------


def test_the_build_is_over_when_the_command_ended(bench: Bench) -> None:
    bench.tick(0.1, record(60, 51))
    assert not bench.told("state")[-1]["final"]
    bench.cgroup.values["cpu_us"] = 900
    bench.census.add(70, 1, "sccache")
    bench.tick(0.1, record(51, GATE, code=3))
    final = bench.told("state")[-1]
    assert (final["final"], final["exited"], final["at_s"]) == (True, 2, 0.2)
    assert final["command"] == {"pid": 51, "signal": None, "exit_code": 3, "elapsed_s": 1.2345}
    assert final["counters"]["cpu_us"] == 900
    assert [seen["comm"] for seen in final["leftover"] if seen["pid"] == 70] == ["sccache"]
    assert GATE not in {seen["pid"] for seen in (*final["leftover"], *final["top"])}
    assert bench.space.thorough[-1] == pytest.approx(0.2)


def test_the_commands_own_end_is_the_last_that_is_told_for_what_fails_after_it_does_not_explain_it(
    bench: Bench,
) -> None:
    bench.tick(0.1, record(60, 51, code=3), record(51, GATE, code=3), record(61, 1, code=3))
    assert [event["pid"] for event in bench.told("failed")] == [60, 61, 51]
    assert bench.told("state")[-1]["exited"] == 3


def test_what_ended_with_the_command_is_counted_with_it(bench: Bench) -> None:
    bench.tick(0.1, record(51, GATE), record(60, 51, signal=7))
    final = bench.told("state")[-1]
    assert (final["final"], final["exited"]) == (True, 2)
    assert final["command"]["pid"] == 51
    assert [event["event"] for event in bench.events].index("signalled") < len(bench.events) - 1


def test_after_the_end_nothing_is_watched_any_more(bench: Bench) -> None:
    bench.tick(0.1, record(51, GATE))
    before = len(bench.events)
    bench.tick(2.0, record(60, signal=7))
    assert len(bench.events) == before


def test_the_build_is_over_when_the_gate_is_gone(bench: Bench) -> None:
    del bench.census.alive[GATE]
    bench.tick()
    final = bench.told("state")[-1]
    assert (final["final"], final["command"]) == (True, None)


def test_a_gate_that_has_ended_and_was_not_waited_for_is_gone(bench: Bench) -> None:
    bench.census.alive[GATE].is_over = True
    bench.tick()
    assert bench.told("state")[-1]["final"]


def test_who_is_on_its_way_out_when_the_build_is_over_is_not_left_over(bench: Bench) -> None:
    bench.census.add(60, 51, "cc")
    bench.census.add(70, 1, "sccache")
    bench.tick(0.1, record(60, 51), record(51, GATE))
    assert [seen["pid"] for seen in bench.told("state")[-1]["leftover"]] == [70]


def test_leftovers_are_told_only_at_the_end(bench: Bench) -> None:
    bench.tick(1.5)
    assert bench.told("state")[-1]["leftover"] == []


def test_a_state_is_told_every_second_so_that_a_lost_probe_leaves_the_last(bench: Bench) -> None:
    for _ in range(50):
        bench.tick(0.1)
    assert 5 <= len(bench.told("state")) <= 6
    assert not any(state["final"] for state in bench.told("state"))


def test_the_peak_of_pids_does_not_count_the_gate(bench: Bench) -> None:
    bench.tick()
    for pid in (60, 61):
        bench.census.add(pid, 51, "cc1")
    bench.tick()
    for pid in (60, 61):
        del bench.census.alive[pid]
    bench.tick()
    assert bench.state()["peak_pids"] == 3


def test_a_state_says_how_well_was_watched(bench: Bench) -> None:
    bench.journal.suspended, bench.journal.unreadable = True, 4
    state = bench.state()
    assert (state["accounting_suspended"], state["accounting_unreadable"]) == (True, 4)
    assert state["space"][0]["mount"] == "/dev/shm"
    assert state["probe_cpu_s"] == 1.0


# -- where accounting is refused --------------------------------------------------------------------------------------


@pytest.fixture
def unaccounted(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(monkeypatch, accounting=False)
    bench.go()
    return bench


def test_without_accounting_ended_processes_are_unknown_never_none(unaccounted: Bench) -> None:
    state = unaccounted.state()
    assert (state["exited"], state["accounting_suspended"], state["accounting_unreadable"]) == (None, None, None)


def test_without_accounting_the_build_is_over_when_the_gate_has_been_alone_for_a_while(unaccounted: Bench) -> None:
    for _ in range(20):
        unaccounted.tick()
    assert not unaccounted.told("state")[-1]["final"]
    del unaccounted.census.alive[51]
    unaccounted.census.add(70, 1, "daemon")
    unaccounted.tick()
    unaccounted.tick()
    unaccounted.census.add(52, GATE, "sh")
    unaccounted.tick()
    del unaccounted.census.alive[52]
    unaccounted.tick()
    unaccounted.tick()
    assert not any(state["final"] for state in unaccounted.told("state"))
    unaccounted.tick()
    assert unaccounted.told("state")[-1]["final"]


def test_with_suspended_accounting_the_build_is_over_when_the_gate_has_been_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.go()
    del bench.census.alive[51]
    bench.census.faults = 90
    for _ in range(20):
        bench.tick()
    assert not any(state["final"] for state in bench.told("state"))
    bench.journal.suspended = True
    for _ in range(4):
        bench.tick()
    final = bench.told("state")[-1]
    assert (final["final"], final["command"], final["accounting_suspended"]) == (True, None, True)


def test_without_accounting_a_gate_that_was_not_let_go_yet_is_waited_for(unaccounted: Bench) -> None:
    """The word to go passes through the client and the engine: a busy machine may need long for it."""
    del unaccounted.census.alive[51]
    for _ in range(200):
        unaccounted.tick()
    assert not any(state["final"] for state in unaccounted.told("state"))
    unaccounted.census.add(51, GATE, "sh")
    unaccounted.tick()
    del unaccounted.census.alive[51]
    for _ in range(3):
        unaccounted.tick()
    assert unaccounted.told("state")[-1]["final"]


def test_without_accounting_a_command_that_nobody_met_has_ended_when_the_gate_has_waited_for_it(
    unaccounted: Bench,
) -> None:
    del unaccounted.census.alive[51]
    unaccounted.tick()
    unaccounted.census.faults = 90
    for _ in range(3):
        unaccounted.tick()
    assert unaccounted.told("state")[-1]["final"]


def test_without_a_cgroup_the_processes_are_watched_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.watch._look_at(GATE, None)
    bench.go()
    bench.tick(0.1, record(60, signal=7), record(51, GATE))
    final = bench.told("state")[-1]
    assert (final.get("demand_peak"), final["counters"], final["exited"]) == (None, {}, 2)
    assert len(bench.told("signalled")) == 1
