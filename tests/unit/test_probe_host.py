"""The host's swap and clocks: what cannot be read is unknown, what moved is told apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildproof.probe import host as room
from buildproof.probe.host import Clocks, busy_s, memory_available, swap_total, swapped

PAGE = os.sysconf("SC_PAGE_SIZE")


class FakeTime:
    """Three clocks that the test moves."""

    CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME = range(3)

    def __init__(self) -> None:
        self.now = [500.0, 900.0, 1.7e9]

    def clock_gettime(self, clock: int) -> float:
        return self.now[clock]

    def go_on(self, awake: float = 0.0, *, asleep: float = 0.0, step: float = 0.0) -> None:
        self.now[0] += awake
        self.now[1] += awake + asleep
        self.now[2] += awake + asleep + step


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(room, "time", fake)
    return fake


@pytest.mark.parametrize(
    ("asleep", "step", "facts"),
    [
        (0.0, 0.0, {"suspended_s": 0.0, "clock_step_s": 0.0}),
        (3600.0, 0.0, {"suspended_s": 3600.0, "clock_step_s": 0.0}),
        (0.0, 7.5, {"suspended_s": 0.0, "clock_step_s": 7.5}),
        (0.0, -86400.0, {"suspended_s": 0.0, "clock_step_s": -86400.0}),
        (12.0, -3.25, {"suspended_s": 12.0, "clock_step_s": -3.25}),
    ],
)
def test_sleep_and_a_clock_that_was_set_are_told_apart(
    clock: FakeTime, asleep: float, step: float, facts: dict[str, float]
) -> None:
    clocks = Clocks()
    clock.go_on(100.0)
    clock.go_on(20.0, asleep=asleep, step=step)
    assert clocks.facts() == facts
    clock.go_on(5.0)
    assert clocks.facts() == facts


def test_what_moved_before_the_start_does_not_count(clock: FakeTime) -> None:
    clock.go_on(asleep=50.0, step=99.0)
    assert Clocks().facts() == {"suspended_s": 0.0, "clock_step_s": 0.0}


def test_clocks_that_went_a_little_backwards_have_not_drifted_by_minus_nothing(clock: FakeTime) -> None:
    clocks = Clocks()
    clock.go_on(asleep=-0.001, step=-0.001)
    assert str(clocks.facts()) == str({"suspended_s": 0.0, "clock_step_s": 0.0})


def test_the_clocks_of_this_machine_do_not_drift_in_an_instant() -> None:
    facts = Clocks().facts()
    assert abs(facts["suspended_s"]) < 1.0
    assert abs(facts["clock_step_s"]) < 1.0


def test_pages_in_and_out_are_added_up_in_bytes(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 77\npswpin 3\npswpout 40\npgfault 9\n")
    assert swapped(vmstat) == 43 * PAGE


@pytest.mark.parametrize(
    "text", [None, "", "pswpin 3\n", "pswpout 3\n", "pswpin three\npswpout 1\n", "pswpin\npswpout 1\n", "\xff\n"]
)
def test_a_vmstat_that_does_not_tell_is_unknown_never_zero(tmp_path: Path, text: str | None) -> None:
    vmstat = tmp_path / "vmstat"
    if text is not None:
        vmstat.write_text(text, encoding="latin-1")
    assert swapped(vmstat) is None


def test_swap_space_is_bytes_and_none_at_all_is_zero(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       100 kB\nSwapTotal:      2048 kB\n")
    assert swap_total(meminfo) == 2048 * 1024
    meminfo.write_text("SwapTotal:      0 kB\n")
    assert swap_total(meminfo) == 0


def test_available_memory_is_bytes(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemFree:        100 kB\nMemAvailable:   3072 kB\n")
    assert memory_available(meminfo) == 3072 * 1024


@pytest.mark.parametrize("text", [None, "", "MemTotal: 1 kB\n", "SwapTotal: many kB\nMemAvailable: some kB\n"])
def test_a_meminfo_that_does_not_tell_is_unknown(tmp_path: Path, text: str | None) -> None:
    meminfo = tmp_path / "meminfo"
    if text is not None:
        meminfo.write_text(text)
    assert swap_total(meminfo) is None
    assert memory_available(meminfo) is None


def test_the_hosts_cpus_are_busy_with_all_but_idling_and_waiting_for_disks(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    ticks = os.sysconf("SC_CLK_TCK")
    columns = [10, 20, 30, 10**9, 10**9, 40, 50, 60, 5, 6]
    stat.write_text(f"cpu  {' '.join(str(column * ticks) for column in columns)}\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    assert busy_s(stat) == 210.0


@pytest.mark.parametrize("text", [None, "", "cpu 1 2 3\n", "cpu a b c d e f g h\n"])
def test_a_stat_that_does_not_tell_is_unknown_never_zero(tmp_path: Path, text: str | None) -> None:
    stat = tmp_path / "stat"
    if text is not None:
        stat.write_text(text)
    assert busy_s(stat) is None
