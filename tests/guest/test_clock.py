"""The wall clock of the engine's host is set in the midst of a build, really: no time and no limit follows it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.midway import COMPILE, Midway

from buildproof import labels
from buildproof.ca import ca_bundle
from buildproof.engine import Attachment, ContainerSpec, Engine
from buildproof.images import PROBE_IMAGE, Images
from buildproof.verdict import Outcome

STEP_S = 7200.0
SETS_IT = """
import sys, time
print("ready", flush=True)
for line in sys.stdin:
    time.clock_settime(time.CLOCK_REALTIME, time.time() + float(line))
    print("set", flush=True)
"""


class WallClock:
    """The clock of an engine's host, set by a container that may: no namespace hides it, see time_namespaces(7)."""

    def __init__(self, line: Attachment) -> None:
        self._line, self._says = line, line.chunks()
        self._apart_s = 0.0
        assert b"ready" in next(self._says)

    def step(self, seconds: float) -> None:
        """Set it, and return when that is done."""
        self._line.send(f"{seconds}\n".encode())
        assert b"set" in next(self._says)
        self._apart_s += seconds

    def set_right(self) -> None:
        """Take back every step."""
        if self._apart_s:
            self.step(-self._apart_s)


@pytest.fixture
def in_guest(guest: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """This very process works on the guest's engine."""
    for name, value in guest.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def clock(in_guest: None, pytestconfig: pytest.Config) -> Iterator[WallClock]:
    with Engine.connect() as engine, contextlib.ExitStack() as stack:
        images = Images(engine, ca_bundle=ca_bundle(pytestconfig.getoption("buildproof_ca_bundle")), progress=print)
        spec = ContainerSpec(
            image=images.named(PROBE_IMAGE).reference,
            argv=("python3", "-c", SETS_IT),
            labels=labels.of("guest-clock"),
            cap_add=("SYS_TIME",),
            stdin=True,
        )
        container = engine.create(spec)
        stack.callback(engine.remove, container)
        line = stack.enter_context(contextlib.closing(engine.attach(container)))
        engine.start(container)
        found = WallClock(line)
        stack.callback(found.set_right)
        yield found


def test_a_clock_that_jumps_ahead_ends_no_build_and_lengthens_no_time(clock: WallClock, tmp_path: Path) -> None:
    """The build itself waits for the jump, so that it cannot miss it, and goes on to its end."""
    until = (
        f"began=$(date +%s); echo began; while [ $(date +%s) -lt $((began + {STEP_S / 2:.0f})) ]; do sleep 0.2; done"
    )
    build = Midway(tmp_path, f"{until}; {COMPILE}", bundle=None, time_limit="20m")
    record = build.run(lambda: clock.step(STEP_S), once_it_says="began")
    verdict, times = record.verdict, record.time
    assert verdict is not None
    assert verdict.outcome is Outcome.PASSED, verdict.summary
    assert times.clock_step_s == pytest.approx(STEP_S, abs=5)
    assert times.suspended_s == pytest.approx(0, abs=1)
    assert times.wall_s is not None
    assert times.wall_s < STEP_S / 2
    assert all(took < STEP_S / 2 for took in record.phases_s.values())
    assert record.memory.demand_peak_at_s is not None
    assert record.memory.demand_peak_at_s <= times.wall_s
    assert f"the wall clock of the engine's host was set by {times.clock_step_s:+.1f} s meanwhile" in str(
        verdict.contradictions
    )


def test_a_clock_that_jumps_back_defers_no_limit(clock: WallClock, tmp_path: Path) -> None:
    build = Midway(tmp_path, "echo began; sleep 3000", bundle=None, time_limit="30s")
    record = build.run(lambda: clock.step(-STEP_S), once_it_says="began")
    verdict, times = record.verdict, record.time
    assert verdict is not None
    assert verdict.outcome is Outcome.TIME_LIMIT, verdict.summary
    assert times.clock_step_s == pytest.approx(-STEP_S, abs=5)
    assert times.wall_s is not None
    assert 30 <= times.wall_s < STEP_S / 2
    assert "the wall clock of the engine's host was set by -" in str(verdict.contradictions)
