"""The machine that runs the harness: its disk fills, its processes are stopped, and several runs share an engine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.surroundings.dockerd import Dockerd
from tests.surroundings.project import OUTPUT, SOON_S, Run, project

from buildproof import labels
from buildproof.box import folders
from buildproof.engine import Engine
from buildproof.errors import ExitCode
from buildproof.layout import SOURCE
from buildproof.pod import pod
from buildproof.record import BuildRecord, RunRecord, load
from buildproof.verdict import Outcome, Verdict


def verdict_of(record: BuildRecord | None) -> Verdict:
    assert record is not None
    assert record.verdict is not None
    return record.verdict


@dataclass
class Harness:
    """A run of pytest in a process of its own."""

    process: subprocess.Popen[str]
    root: Path

    @classmethod
    def start(cls, root: Path, manifest: Path) -> Harness:
        root.mkdir(exist_ok=True)
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "pytest",
            "-p",
            "buildproof.plugin",
            "-p",
            "no:cacheprovider",
        ]
        command += ["-c", os.devnull, "--rootdir", str(root), str(manifest)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return cls(subprocess.Popen(command, cwd=root, text=True, **streams), root)  # type: ignore[call-overload]

    @property
    def home(self) -> Path:
        return self.root / ".buildproof" / "last"

    def until_log(self, text: str) -> None:
        """Wait until its build has printed a line."""
        log = self.home / "app-box" / "build.log"
        deadline = time.monotonic() + SOON_S
        while not (log.is_file() and text in log.read_text().splitlines()):
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def end(self) -> tuple[int, str]:
        """Its exit code, and what it said."""
        try:
            said, _ = self.process.communicate(timeout=SOON_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            said, _ = self.process.communicate()
            raise AssertionError(f"it does not end; it said:\n{said}") from None
        return self.process.returncode, said

    def record(self) -> RunRecord:
        return load(self.home / "record.json")


# -- its disk --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def test_a_disk_that_fills_under_the_record_loses_neither_verdict_nor_the_old_record(
    own: Dockerd, tmp_path: Path, small_disk: Path
) -> None:
    manifest = project(tmp_path / "project", f"echo begun; read -r _ < fifo || sleep 5; {OUTPUT}")
    harness = Harness.start(small_disk, manifest)
    harness.until_log("begun")
    fill(small_disk)
    code, said = harness.end()
    assert code == ExitCode.INFRASTRUCTURE, said
    assert "the record cannot be written: No space left on device" in said
    assert "Traceback" not in said
    assert re.search(r"^app-box +(passed|host-no-space)", said, re.MULTILINE), said
    old = json.loads((harness.home / "record.json").read_text())
    assert old["builds"][0]["phase"] == "build"


@pytest.mark.quick
def test_a_run_does_not_begin_on_a_disk_that_is_full(own: Dockerd, tmp_path: Path, small_disk: Path) -> None:
    fill(small_disk)
    code, said = Harness.start(small_disk, project(tmp_path / "project", OUTPUT)).end()
    assert code == ExitCode.INFRASTRUCTURE, said
    assert "the record cannot be written" in said
    assert "Traceback" not in said


def test_an_output_for_which_the_disk_has_no_room_is_told_so(own: Dockerd, tmp_path: Path, small_disk: Path) -> None:
    manifest = project(tmp_path / "project", f"{OUTPUT}; head -c 4000000 /dev/zero >> app")
    harness = Harness.start(small_disk, manifest)
    code, said = harness.end()
    assert code == ExitCode.INFRASTRUCTURE, said
    verdict = verdict_of(harness.record().build("app-box"))
    assert (verdict.outcome, verdict.cause) == (Outcome.HOST_NO_SPACE, "own-disk-full")
    assert "No space left on device" in verdict.summary
    assert "Traceback" not in said


# -- stopped and paused ----------------------------------------------------------------------------------------------

SLEEPY = f"echo begun; sleep 6; {OUTPUT}"


def containers(engine: Engine) -> list[str]:
    """The pod's, the build first."""
    return [next(iter(engine.labelled(f"{labels.OURS}={purpose}"))) for purpose in ("build", "probe")]


def test_a_build_that_is_paused_through_the_engine_is_not_late(own: Dockerd, engine: Engine, tmp_path: Path) -> None:
    run = Run(engine, project(tmp_path / "project", SLEEPY, time_limit="12s"), tmp_path)
    run.begin()
    run.until_log("begun")
    build = containers(engine)[0]
    engine._api.pause(build)
    time.sleep(15)  # the fault itself, not a wait for something
    engine._api.unpause(build)
    record = run.end()
    verdict = verdict_of(record)
    assert verdict.outcome is Outcome.PASSED, verdict.summary
    assert record.time.paused_s is not None
    assert record.time.paused_s >= 14


def test_a_build_that_stays_paused_is_given_up_and_proves_nothing(
    own: Dockerd, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod, "MOST_PAUSED_S", 8.0)
    run = Run(engine, project(tmp_path / "project", SLEEPY, time_limit="1m"), tmp_path)
    run.begin()
    run.until_log("begun")
    engine._api.pause(containers(engine)[0])
    record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause) == (Outcome.UNMEASURED, "probe-lost")
    assert "somebody paused the pod through the engine, and did not let it go on for 8 s" in verdict.summary
    assert record.attempts == ()
    assert record.log is not None
    assert (run.folder.path / record.log).read_text() == "begun\n"


def test_a_harness_that_was_stopped_takes_no_build_for_late(own: Dockerd, tmp_path: Path) -> None:
    harness = Harness.start(tmp_path / "root", project(tmp_path / "project", SLEEPY, time_limit="12s"))
    harness.until_log("begun")
    harness.process.send_signal(signal.SIGSTOP)
    time.sleep(15)
    harness.process.send_signal(signal.SIGCONT)
    code, said = harness.end()
    assert code == 0, said
    assert verdict_of(harness.record().build("app-box")).outcome is Outcome.PASSED


def test_a_machine_that_sleeps_costs_a_build_no_time(own: Dockerd, engine: Engine, tmp_path: Path) -> None:
    """All of it is stopped at once: the build, its probe and the harness."""
    harness = Harness.start(tmp_path / "root", project(tmp_path / "project", SLEEPY, time_limit="12s"))
    harness.until_log("begun")
    both = containers(engine)
    harness.process.send_signal(signal.SIGSTOP)
    for container in both:
        engine._api.pause(container)
    time.sleep(15)
    for container in reversed(both):
        engine._api.unpause(container)
    harness.process.send_signal(signal.SIGCONT)
    code, said = harness.end()
    assert code == 0, said
    record = harness.record().build("app-box")
    assert verdict_of(record).outcome is Outcome.PASSED
    assert record is not None
    assert (record.time.paused_s or 0) >= 12


# -- many at once ----------------------------------------------------------------------------------------------------


def test_two_runs_at_once_leave_each_other_alone(own: Dockerd, engine: Engine, tmp_path: Path) -> None:
    manifest = project(tmp_path / "project", f"echo begun; until [ -e go ]; do sleep 0.1; done; {OUTPUT}")
    both = [Harness.start(tmp_path / name, manifest) for name in ("first", "second")]
    for harness in both:
        harness.until_log("begun")
    builds = engine.labelled(f"{labels.OURS}=build")
    assert len(builds) == 2
    for build in builds:
        engine.put(build, str(SOURCE), folders((0, 0), "go"))
    for harness in both:
        code, said = harness.end()
        assert code == 0, said
        record = harness.record().build("app-box")
        assert verdict_of(record).outcome is Outcome.PASSED
        assert record is not None
        assert record.attempts == ()
