"""However a harness ends, its builds end with it, and the next start leaves nothing of it but its record."""

from __future__ import annotations

import os
import pty
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.killed.conftest import GONE_WITHIN_S, Harness

from buildproof import labels
from buildproof.engine import Engine, Kind
from buildproof.patience import patient
from buildproof.record import Phase
from buildproof.verdict import Outcome

_WITH_WORKERS = 0.3  # of the kills: the harness is the controller of two workers then


def wait(harness: Harness, seconds: float) -> None:
    """Until the moment, or the end of the run if that comes first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and harness.process and harness.process.poll() is None:
        time.sleep(min(0.02, max(0.0, deadline - time.monotonic())))


def test_a_killed_harness_leaves_nothing(
    harness: Harness, moment: float, whole_run_s: float, record_property: Callable[[str, object], None]
) -> None:
    with_workers = moment * 97 % 1 < _WITH_WORKERS
    process = harness.start(*(("-n", "2") if with_workers else ()))
    wait(harness, moment * whole_run_s)
    harness.kill()
    run, phase = harness.run, harness.phase()
    record_property("killed_in", phase)
    record_property("over_after_s", harness.over_after_s(run))
    record_property("last", harness.last)
    before = harness.record()
    harness.next_start()
    if run is None:
        return
    left = harness.things(run)
    record_property("left", len(left))
    assert left == []
    assert list(Path(tempfile.gettempdir()).glob(f"buildproof-{process.pid}-*")) == []
    folder = harness.folder / ".buildproof" / run
    if before is None:
        assert not folder.exists()
        return
    assert not {".owner", ".locks", "record.json.partial"} & {path.name for path in folder.iterdir()}
    after = harness.record_of(run)
    assert after.ended is not None
    for known, build in zip(before.builds, after.builds, strict=True):
        if known.verdict:
            assert build == known
        elif known.phase is Phase.PLANNED:
            assert build.verdict is None
        else:
            assert build.verdict
            assert (build.verdict.outcome, build.verdict.cause) == (Outcome.CANCELLED, "killed")


def test_workers_whose_controller_is_killed_take_down_what_they_began(harness: Harness) -> None:
    harness.start("-n", "2")
    harness.await_phase("build")
    harness.kill()
    run = harness.run
    assert run
    assert harness.workers()
    harness.over_after_s(run)
    assert [thing for thing in harness.things(run) if thing.kind is Kind.CONTAINER] == [], harness.output()
    begun = [build for build in harness.record_of(run).builds if build.phase is not Phase.PLANNED]
    assert begun
    assert all(build.verdict and build.verdict.outcome is Outcome.CANCELLED for build in begun)


def running(mark: str) -> bool:
    """Whether a process of this host has a word in its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes():
                return True
    return False


def test_a_harness_that_is_killed_while_an_image_is_made_leaves_none_of_its_layers(
    harness: Harness, engine: Engine, own_cache: Path, tmp_path: Path
) -> None:
    mark = f"mark-{secrets.token_hex(8)}"
    base = "buildproof/debian"
    (harness.folder / "Dockerfile").write_text(f"FROM {base}\nRUN echo {mark} > /mark\nRUN sleep 300; echo {mark}\n")
    (harness.folder / "compose.yml").write_text(
        f"services:\n  own:\n    image: {mark}\n    build: .\n    mem_limit: 64m\n"
        "    x-buildproof:\n      target: linux-x86_64\n"
    )
    (harness.folder / "buildproof.toml").write_text(
        '[project]\nname = "killed"\ncompose = "compose.yml"\n'
        '[[build]]\nbuilder = "own"\ncommand = "true"\nartifacts = ["a"]\n'
    )
    harness.start()
    harness.until(lambda: running(f"sleep 300; echo {mark}"), "the second step of the image")
    layers = [line for path in (own_cache / "buildproof" / "layers").iterdir() for line in path.read_text().split()]
    assert len(layers) == 1
    assert engine.image_id(layers[0])
    harness.kill()
    deadline = time.monotonic() + patient(GONE_WITHIN_S)
    while running(mark):
        assert time.monotonic() < deadline, "the step goes on"
        time.sleep(0.1)
    Harness(engine, tmp_path / "another").next_start()
    assert engine.image_id(layers[0]) is None


@pytest.mark.parametrize(
    ("number", "options"),
    [(signal.SIGTERM, ()), (signal.SIGTERM, ("-n", "2")), (signal.SIGHUP, ())],
    ids=["SIGTERM", "SIGTERM-workers", "SIGHUP"],
)
def test_a_harness_that_is_told_to_end_takes_everything_down_itself(
    harness: Harness, number: signal.Signals, options: tuple[str, ...]
) -> None:
    process = harness.start(*options)
    harness.await_phase("fetch", "build")
    process.send_signal(number)
    process.wait(patient(60))
    run = harness.run
    assert run
    assert harness.things(run) == []
    record = harness.record_of(run)
    assert record.ended is not None
    begun = [build for build in record.builds if build.phase is not Phase.PLANNED]
    assert begun
    assert all(build.verdict and build.verdict.outcome is Outcome.CANCELLED for build in begun)


def test_the_start_of_a_run_touches_nothing_of_one_that_is_under_way(harness: Harness) -> None:
    process = harness.start()
    harness.await_phase("build")
    first = harness.run
    assert first
    before = {thing.id for thing in harness.things(first)}
    assert before
    harness.next_start()
    assert process.wait(patient(300)) == 0, harness.output()
    assert harness.record_of(first).ended is not None
    assert harness.things(first) == []


def shell(harness: Harness, build: str, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`buildproof shell` with a script instead of a person."""
    words = [str(Path(sys.executable).with_name("buildproof")), "shell", build, *options]
    return subprocess.run(
        words, cwd=harness.folder, input=script, text=True, capture_output=True, check=False, timeout=patient(300)
    )


def typed(harness: Harness, build: str, text: str, *, code: int) -> str:
    """The same with a person at a terminal, who types this; what the terminal shows."""
    person, terminal = pty.openpty()
    words = [str(Path(sys.executable).with_name("buildproof")), "shell", build]
    with subprocess.Popen(words, cwd=harness.folder, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        os.write(person, text.encode())
        shown = b""
        with suppress(OSError):  # EIO when nobody has the other end any more, pty(7)
            while data := os.read(person, 1 << 16):
                shown += data
        os.close(person)
    assert process.returncode == code, shown
    return shown.decode("utf-8", "replace")


def test_the_container_of_a_failed_build_is_kept_when_asked_for_and_can_be_entered(
    failing: Harness, engine: Engine
) -> None:
    assert failing.start("--keep", "failed").wait(patient(300)) == 10, failing.output()
    run = failing.run
    assert run
    bad, good = failing.record_of(run).builds
    assert (bad.kept, good.kept) == (f"buildproof-kept-{run}-{bad.id}", None)
    failing.next_start()
    (kept,) = [thing for thing in engine.things(f"{labels.RUN}={run}") if thing.kind is Kind.CONTAINER]
    assert kept.names == (bad.kept,)
    assert not kept.running
    entered = shell(failing, bad.id, "cat result; cat /proc/self/limits | grep -c .; echo more > result; exit 3")
    assert (entered.returncode, entered.stdout.splitlines()[0]) == (3, "almost"), entered
    again = shell(
        failing, bad.id, "cat result; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>&-"
    )
    assert again.stdout.splitlines()[0] == "more", "its volumes are the kept container's own"
    assert str(512 << 20) in again.stdout.splitlines()[1:]
    assert "/dev/pts/" in typed(failing, bad.id, "tty\nexit 5\n", code=5)
    fresh = shell(failing, bad.id, "ls; cat $BUILDPROOF_CACHE/two", "--fresh")
    assert fresh.stdout.split() == ["app.c", "buildproof.toml", "pytest.ini", "said", "2"], fresh
    left = [
        thing
        for thing in engine.things(labels.OURS)
        if labels.BUILD in thing.labels and thing.labels[labels.BUILD] == bad.id
    ]
    assert [thing.id for thing in left if thing.kind is Kind.CONTAINER] == [kept.id]
