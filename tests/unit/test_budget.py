"""The budget of a machine: who gets a promise when, with real files, real locks and real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from benchmarks.in_flight import in_flight
from tests.unit.test_preflight import ENGINE

from buildproof.budget import promises as promises_room
from buildproof.budget.allowance import CPU_VARIABLE, MEMORY_VARIABLE, Allowance, Asked
from buildproof.budget.comeback import wait_for
from buildproof.budget.ledger import VARIABLE, Entry, Ledger
from buildproof.budget.promises import Promises
from buildproof.budget.ticket import Ticket, in_the_way
from buildproof.discovery import load
from buildproof.errors import EngineError, InputError
from buildproof.plan import Build
from buildproof.record import Promised

GIB = 1 << 30
MIB = 1 << 20
PATIENCE_S = 30.0
HOLD_ON = """\
import sys
from pathlib import Path
from buildproof.budget.allowance import Allowance
from buildproof.budget.ledger import Ledger

ledger, memory = Ledger(Path(sys.argv[1])), int(sys.argv[2])
with ledger.draw(run="other", build="held", memory=memory, cpus=1.0, sequential=False) as entry:
    while entry.claim(Allowance(memory=memory, cpus=None)):
        pass
    print("granted", flush=True)
    sys.stdin.read()
"""
# Each takes its share again and again, and checks at each turn that all shares together fit.
CROWD = """\
import random, sys, time
from pathlib import Path
from buildproof.budget.allowance import Allowance
from buildproof.budget.ledger import Ledger

ledger, chance, most = Ledger(Path(sys.argv[1])), random.Random(sys.argv[2]), 100
for turn in range(12):
    memory = chance.randint(1, 60)
    with ledger.draw(run=sys.argv[2], build="b", memory=memory, cpus=1.0, sequential=False) as entry:
        while entry.claim(Allowance(memory=most, cpus=None)):
            time.sleep(0.001)
        promised = sum(ticket.memory for ticket in ledger.tickets() if ticket.granted)
        assert promised <= most, promised
print("inside")
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "all" / "machine")


def draw(ledger: Ledger, memory: int, build: str = "mine", *, sequential: bool = False) -> Entry:
    return ledger.draw(run="run", build=build, memory=memory, cpus=1.0, sequential=sequential)


def ticket(number: int, memory: int = 1, *, granted: bool = False, sequential: bool = False) -> Ticket:
    return Ticket(
        number=number, run="r", build=f"b{number}", pid=1, memory=memory, cpus=1.0,
        sequential=sequential, granted=granted, since=0.0,
    )  # fmt: skip


def blockers(mine: Ticket, *others: Ticket, memory: int | None = 10, cpus: float | None = None) -> list[int]:
    return [other.number for other in in_the_way(mine, others, Allowance(memory=memory, cpus=cpus))]


# -- the rule -----------------------------------------------------------------------------------------


def test_what_fits_into_the_rest_of_the_budget_goes_at_once() -> None:
    assert blockers(ticket(3, 4), ticket(1, 3, granted=True), ticket(2, 3, granted=True)) == []


def test_what_does_not_fit_waits_for_all_that_hold_something() -> None:
    assert blockers(ticket(3, 5), ticket(1, 3, granted=True), ticket(2, 3, granted=True)) == [1, 2]


def test_cpus_are_a_budget_of_their_own() -> None:
    assert blockers(ticket(3), ticket(1, granted=True), ticket(2, granted=True), memory=None, cpus=2.5) == [1, 2]
    assert blockers(ticket(2), ticket(1, granted=True), memory=None, cpus=2.5) == []


def test_a_small_build_does_not_overtake_a_large_one_that_waits() -> None:
    assert blockers(ticket(3, 1), ticket(1, 5, granted=True), ticket(2, 9)) == [1, 2]


def test_what_is_larger_than_the_budget_goes_when_nothing_else_is_under_way() -> None:
    assert blockers(ticket(2, 11), ticket(1, 1, granted=True)) == [1]
    assert blockers(ticket(2, 11)) == []
    assert blockers(ticket(3, 1), ticket(2, 11, granted=True)) == [2]


def test_two_sequential_builds_are_never_under_way_at_once() -> None:
    running, waiting = ticket(1, granted=True, sequential=True), ticket(2, sequential=True)
    assert blockers(waiting, running, memory=None) == [1]
    assert blockers(ticket(3, sequential=True), waiting, memory=None) == [2], "in the order in which they came"


def test_a_sequential_build_that_waits_for_another_holds_up_nobody_else() -> None:
    running, waiting = ticket(1, 5, granted=True, sequential=True), ticket(2, 5, sequential=True)
    assert blockers(ticket(3, 5), running, waiting) == []
    assert blockers(ticket(4, 5), waiting, ticket(3, 6, granted=True)) == [3, 2], "its turn has come: it counts again"


# -- the ledger ---------------------------------------------------------------------------------------


def test_tickets_are_numbered_in_the_order_in_which_they_were_drawn(ledger: Ledger) -> None:
    with draw(ledger, 1, "a"), draw(ledger, 2, "b"):
        assert [(ticket.build, ticket.granted) for ticket in ledger.tickets()] == [("a", False), ("b", False)]
    assert ledger.tickets() == ()
    assert list(ledger.folder.iterdir()) == [], "what is given back leaves nothing"


def test_what_one_gives_back_another_can_take(ledger: Ledger) -> None:
    allowance = Allowance(memory=10, cpus=None)
    first, second = draw(ledger, 4, "first"), draw(ledger, 8, "second")
    with second:
        with first:
            assert [blocker.build for blocker in second.claim(allowance)] == ["first"], "it was drawn before"
            assert first.claim(allowance) == ()
            assert [blocker.build for blocker in second.claim(allowance)] == ["first"], "it holds what is missing"
        assert second.claim(allowance) == ()


@pytest.fixture
def other_process(ledger: Ledger) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Another process that was granted so many bytes, and holds them until it ends."""
    started: list[subprocess.Popen[str]] = []

    def start(memory: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD_ON, str(ledger.folder), str(memory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "granted\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_killed_process_leaves_no_promise_behind(
    ledger: Ledger, other_process: Callable[[int], subprocess.Popen[str]]
) -> None:
    process = other_process(8)
    with draw(ledger, 8) as entry:
        (blocker,) = entry.claim(Allowance(memory=10, cpus=None))
        assert (blocker.run, blocker.build, blocker.pid) == ("other", "held", process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert entry.claim(Allowance(memory=10, cpus=None)) == ()
    assert list(ledger.folder.iterdir()) == []


def test_a_program_that_was_started_meanwhile_does_not_keep_the_promise(ledger: Ledger) -> None:
    with draw(ledger, 8) as entry:
        assert entry.claim(Allowance(memory=10, cpus=None)) == ()
        child = subprocess.Popen(["sleep", "60"])
    try:
        assert ledger.tickets() == ()
    finally:
        child.kill()
        child.wait()


def test_many_processes_together_never_hold_more_than_the_budget(ledger: Ledger) -> None:
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", CROWD, str(ledger.folder), str(number)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(4)
    ]  # fmt: skip
    for process in crowd:
        assert process.communicate() == ("inside\n", "")


def test_a_file_that_nobody_locks_or_that_is_no_ticket_counts_for_nothing(ledger: Ledger) -> None:
    ledger.tickets()
    (ledger.folder / "00000009.ticket").write_text("left by a machine that lost its power")
    (ledger.folder / "00000010.ticket").symlink_to("/etc/passwd")
    with draw(ledger, 1):
        assert [ticket.number for ticket in ledger.tickets()] == [11], "a name that is taken is not taken again"
        assert not (ledger.folder / "00000009.ticket").exists()


def test_a_ledger_that_cannot_be_kept_is_told_with_its_folder_and_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError) as caught:
        Ledger(tmp_path / "file" / "machine").tickets()
    assert str(tmp_path / "file") in caught.value.what
    assert VARIABLE in (caught.value.next_step or "")


def test_engines_of_one_machine_share_a_ledger_and_those_of_two_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    podman = replace(ENGINE, product="Podman", version="5.4", storage_driver="vfs")
    assert Ledger.of(podman).folder == Ledger.of(ENGINE).folder
    assert Ledger.of(replace(ENGINE, name="another")).folder != Ledger.of(ENGINE).folder
    assert Ledger.of(ENGINE).folder.parent.name == "buildproof"


# -- how much -----------------------------------------------------------------------------------------


def test_a_machine_allows_its_memory_less_a_reserve_and_twice_its_cores() -> None:
    assert Asked().of(memory=20 * GIB, cores=4) == Allowance(memory=18 * GIB, cpus=8.0)
    assert Asked().of(memory=2 * GIB, cores=1).memory == 2 * GIB - 512 * MIB


def test_the_option_outranks_the_variable_and_both_outrank_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "1g")
    monkeypatch.setenv(CPU_VARIABLE, "1.5")
    assert Asked.read(None, None).of(memory=20 * GIB, cores=4) == Allowance(memory=GIB, cpus=1.5)
    assert Asked.read("2g", "3").of(memory=20 * GIB, cores=4) == Allowance(memory=2 * GIB, cpus=3.0)
    assert Asked.read("off", "OFF").of(memory=20 * GIB, cores=4) == Allowance(memory=None, cpus=None)


@pytest.mark.parametrize(("memory", "cpus"), [("much", None), ("0", None), (None, "two"), (None, "0"), (None, "nan")])
def test_a_budget_that_is_none_is_refused_with_what_was_written(
    memory: str | None, cpus: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=f"--(memory|cpu)-budget: .*{memory or cpus}"):
        Asked.read(memory, cpus)
    monkeypatch.setenv(MEMORY_VARIABLE, memory or "")
    monkeypatch.setenv(CPU_VARIABLE, cpus or "")
    with pytest.raises(InputError, match=f"{MEMORY_VARIABLE if memory else CPU_VARIABLE}: .*{memory or cpus}"):
        Asked.read(None, None)


# -- memory that comes back ----------------------------------------------------------------------------


class Memory:
    """A machine on which so much is available at each look, and then what was last."""

    def __init__(self, *available: int | None) -> None:
        self._available, self.looks, self.told = list(available), 0, list[int]()

    def look(self) -> int | None:
        self.looks += 1
        return self._available.pop(0) if len(self._available) > 1 else self._available[0]


def test_a_machine_with_enough_memory_is_not_waited_for() -> None:
    machine = Memory(8 * GIB)
    found = wait_for(6 * GIB, machine.look, on_wait=machine.told.append)
    assert (found.available, found.settled, machine.looks, machine.told) == (8 * GIB, None, 1, [])


def test_memory_that_comes_back_is_waited_for_until_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildproof.budget.comeback.PAUSE_S", 0.0)
    machine = Memory(GIB, 2 * GIB, 5 * GIB, 6 * GIB, 7 * GIB)
    found = wait_for(6 * GIB, machine.look, on_wait=machine.told.append)
    assert (found.available, found.settled) == (6 * GIB, None)
    assert machine.told == [GIB, 2 * GIB, 5 * GIB]


def test_memory_that_others_keep_is_waited_for_only_as_long_as_more_comes_back() -> None:
    machine = Memory(GIB, 2 * GIB, 2 * GIB + MIB)
    found = wait_for(6 * GIB, machine.look, on_wait=machine.told.append, steady_s=0.02)
    assert found.available == 2 * GIB + MIB
    assert found.settled is not None
    assert "none came back" in found.settled


def test_memory_that_never_settles_is_not_waited_for_for_ever() -> None:
    more = iter(range(0, 1 << 40, 32 * MIB))
    found = wait_for(1 << 50, lambda: next(more), on_wait=lambda _there: None, steady_s=0.01, longest_s=0.1)
    assert found.settled is not None
    assert "was waited for" in found.settled


def test_what_nobody_can_tell_is_not_waited_for() -> None:
    machine = Memory(None)
    assert wait_for(6 * GIB, machine.look, on_wait=machine.told.append).available is None


# -- promises to builds --------------------------------------------------------------------------------

COMPOSE = """\
services:
  small: {image: x, mem_limit: 1g, cpus: 1.0, x-buildproof: {target: linux-x86_64}}
  huge: {image: x, mem_limit: 100g, x-buildproof: {target: linux-x86_64}}
  open: {image: x, x-buildproof: {target: linux-x86_64}}
  guide: {image: x, mem_limit: 1g, x-buildproof: {target: linux-x86_64, sequential: true}}
"""
BUILD = '[[build]]\nbuilder = "{0}"\ncommand = "make"\nartifacts = ["x"]\n'


class Machine:
    """A machine with a ledger of its own, and what the runs on it say."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        (folder / "compose.yml").write_text(COMPOSE)
        names = ("small", "huge", "open", "guide")
        text = '[project]\nname = "p"\ncompose = "compose.yml"\n' + "".join(map(BUILD.format, names))
        (folder / "buildproof.toml").write_text(text)
        self._builds = {build.builder.name: build for build in load([folder / "buildproof.toml"])}

    def build(self, builder: str) -> Build:
        return self._builds[builder]

    def promises(self, run: str = "run", *, memory: str | None = None, available: int | None = None) -> Promises:
        asked = Asked.read(memory, "off")
        return Promises(ENGINE, asked, run=run, say=self.said.append, available=lambda: available)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger"))
    monkeypatch.setattr(promises_room, "POLL_S", 0.01)
    return Machine(tmp_path)


def test_a_promise_says_what_was_promised_out_of_which_budget(machine: Machine) -> None:
    with machine.promises(memory="3g").to(machine.build("small")) as promised:
        assert (promised.memory, promised.cpus, promised.memory_budget, promised.cpu_budget) == (
            GIB,
            1.0,
            3 * GIB,
            None,
        )
        assert (promised.until, promised.available, promised.remarks, machine.said) == (None, None, (), [])


def test_a_build_that_waits_says_for_whom_and_gets_its_promise_when_that_one_ends(machine: Machine) -> None:
    promised: list[Promised] = []

    def second() -> None:
        with machine.promises("two", memory="1g").to(machine.build("small")) as promise:
            promised.append(promise)

    waiting = threading.Thread(target=second)
    with machine.promises("one", memory="1g").to(machine.build("small")) as first:
        waiting.start()
        deadline = time.monotonic() + PATIENCE_S
        while not machine.said and time.monotonic() < deadline:
            time.sleep(0.01)
        ended = datetime.now(UTC)
    waiting.join(PATIENCE_S)
    (later,) = promised
    assert first.since < ended <= later.since
    assert later.waited_s > 0
    assert machine.said[0].startswith("p-small: waits for 1 GiB of 1 GiB and 1 CPUs: p-small of run one (process ")
    assert f"(process {os.getpid()}) holds 1 GiB and 1 CPUs for " in machine.said[0]


@pytest.mark.parametrize(("builder", "words"), [("huge", "limit of 100 GiB"), ("open", "without a memory limit")])
def test_a_build_that_is_larger_than_the_budget_runs_and_it_is_said(machine: Machine, builder: str, words: str) -> None:
    with machine.promises().to(machine.build(builder)) as promised:
        (remark,) = promised.remarks
        assert words in remark
        assert machine.said == [f"p-{builder}: {remark}"]
        assert promised.memory >= ENGINE.memory


def test_a_sequential_build_keeps_how_much_memory_was_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with machine.promises(available=2 * GIB).to(machine.build("guide")) as promised:
        assert (promised.available, promised.remarks) == (2 * GIB, ())
    monkeypatch.setattr(promises_room, "wait_for", partial(wait_for, steady_s=0.0))
    with machine.promises(available=GIB // 2).to(machine.build("guide")) as promised:
        (remark,) = promised.remarks
        assert remark.startswith("512 MiB of 1 GiB were available when it began")


# -- what the records show -----------------------------------------------------------------------------


def promise(memory: int, since_s: float, until_s: float | None, budget: int | None = 10) -> Promised:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return Promised(
        memory=memory, cpus=1.0, memory_budget=budget, cpu_budget=None, since=began + timedelta(seconds=since_s),
        until=None if until_s is None else began + timedelta(seconds=until_s), waited_s=0.0,
    )  # fmt: skip


def test_the_most_in_flight_is_what_records_had_promised_at_one_moment() -> None:
    found = in_flight([promise(4, 0, 10), promise(5, 5, 15), promise(3, 10, 20), promise(1, 30, 31, budget=9)])
    assert (found.memory, found.cpus, found.attempts) == (9, 2.0, 2)
    assert (found.memory_budget, found.inside) == (9, True)


def test_a_promise_of_a_killed_run_counts_as_never_given_back() -> None:
    found = in_flight([promise(4, 0, None), promise(7, 1000, 1001)])
    assert (found.memory, found.inside) == (11, False)
