"""The time that counts against a build's limits: what it did not run in does not."""

from __future__ import annotations

import pytest

from buildproof.pod.stopwatch import Stopwatch


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch(100.0)


def run(watch: Stopwatch, until: float, since: float = 100.0) -> None:
    """Look twice a second, beside a probe that reports as often."""
    for half in range(int((until - since) * 2) + 1):
        watch.beat(since - 100.0 + half / 2)
        watch.look(since + half / 2)


def test_time_that_was_run_counts(watch: Stopwatch) -> None:
    run(watch, 130.0)
    assert watch.running_s(130.0) == 30.0
    assert watch.stopped_s == 0.0


def test_a_pause_through_the_engine_does_not_count(watch: Stopwatch) -> None:
    run(watch, 110.0)
    watch.pause(110.0, 5000.0)
    assert watch.is_paused
    assert (watch.running_s(170.0), watch.paused_for_s(170.0)) == (10.0, 60.0)
    watch.resume(170.0, 5060.0)
    assert not watch.is_paused
    assert (watch.running_s(175.0), watch.stopped_s) == (15.0, 60.0)


def test_a_pause_of_which_we_heard_late_is_as_long_as_the_engine_says(watch: Stopwatch) -> None:
    run(watch, 110.0)
    watch.look(170.0)  # we were stopped too
    watch.pause(170.0, 5000.0)
    watch.resume(170.0, 5060.0)
    run(watch, 185.0, since=170.0)
    assert watch.running_s(185.0) == pytest.approx(25.0)


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_wall_clock_that_is_set_while_paused_gives_no_hour_away(watch: Stopwatch, step_s: float) -> None:
    run(watch, 110.0)
    watch.pause(110.0, 5000.0)
    watch.resume(120.0, 5010.0 + step_s)
    assert 10.0 <= watch.stopped_s <= 20.0


def test_one_container_that_is_paused_beside_the_other_is_one_pause(watch: Stopwatch) -> None:
    watch.pause(110.0, 5000.0)
    watch.pause(111.0, 5001.0)
    watch.resume(120.0, 5010.0)
    watch.resume(121.0, 5011.0)
    assert watch.stopped_s == 10.0


def test_a_machine_that_slept_counts_for_nobody(watch: Stopwatch) -> None:
    run(watch, 110.0)
    watch.look(170.0)
    watch.beat(70.0)  # the probe's clock went on as ours did, and it said nothing meanwhile
    run(watch, 185.0, since=170.0)
    assert watch.stopped_s == pytest.approx(60.0)
    assert watch.running_s(185.0) == pytest.approx(25.0)


def test_a_build_that_ran_while_only_we_were_stopped_is_timed_by_its_probe(watch: Stopwatch) -> None:
    run(watch, 110.0)
    watch.look(170.0)
    assert watch.is_catching_up(170.0)
    assert watch.running_s(170.0) == 10.0  # as far as its probe was heard
    for second in range(11, 71):
        watch.beat(float(second))
    assert watch.running_s(170.1) == 70.0
    assert watch.stopped_s == 0.0


def test_a_probe_that_got_no_time_while_we_ran_stops_no_clock(watch: Stopwatch) -> None:
    run(watch, 110.0)
    for second in range(110, 136):
        watch.look(float(second))
    watch.beat(35.0)
    assert watch.running_s(135.0) == 35.0


def test_a_gap_long_after_we_were_stopped_is_not_laid_to_that(watch: Stopwatch) -> None:
    run(watch, 110.0)
    watch.look(117.0)
    run(watch, 140.0, since=117.0)
    stopped_s = watch.stopped_s
    watch.beat(60.0)
    assert watch.stopped_s == stopped_s
