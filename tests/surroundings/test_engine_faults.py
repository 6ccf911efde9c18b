"""The engine stops, restarts, hangs and fills up; what it runs and holds is taken away by others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.surroundings.dockerd import Dockerd
from tests.surroundings.hanging import way_to
from tests.surroundings.project import OUTPUT, Run, project

from buildproof import labels
from buildproof.engine import ContainerSpec, Engine, failure
from buildproof.pod import pod
from buildproof.record import BuildRecord
from buildproof.verdict import Outcome, Verdict
from buildproof.verdict.claims import Answer, Claim, decide

BUILD = f"echo begun; sleep 6; {OUTPUT}"
Fault = Callable[[Dockerd, Run], None]


@pytest.fixture
def start(own: Dockerd, engine: Engine, tmp_path: Path) -> Callable[..., Run]:
    def start(command: str = BUILD, **settings: str) -> Run:
        return Run(engine, project(tmp_path / "project", command, **settings), tmp_path)

    return start


def verdict_of(record: BuildRecord) -> Verdict:
    assert record.verdict is not None
    return record.verdict


def answers(record: BuildRecord) -> dict[Claim, Answer]:
    return {claim: decide(claim, record.case()).answer for claim in Claim}


def assert_nobody_is_blamed(record: BuildRecord) -> None:
    """Only `measured` may turn red."""
    broken = {claim for claim, answer in answers(record).items() if answer is Answer.BROKEN}
    assert broken == {Claim.MEASURED}


def assert_kept(run: Run, record: BuildRecord, *, begun: bool = True) -> None:
    """The first try's log and timeline are there."""
    first = record.attempts[0]
    assert first.log is not None
    assert first.timeline is not None
    assert (run.folder.path / first.log).read_text() == ("begun\n" if begun else "")
    assert '"hello"' in (run.folder.path / first.timeline).read_text()


def container_of(engine: Engine, purpose: str) -> str:
    (container,) = engine.labelled(f"{labels.OURS}={purpose}")
    return container


# -- the engine goes -----------------------------------------------------------------------------------------------


def crash(own: Dockerd, _run: Run) -> None:
    own.kill()
    own.start()


def restart(own: Dockerd, _run: Run) -> None:
    own.stop()
    own.start()


@pytest.mark.parametrize("fault", [pytest.param(crash, marks=pytest.mark.quick), restart])
def test_a_build_under_which_the_engine_restarts_is_run_again_once(
    own: Dockerd, start: Callable[..., Run], fault: Fault
) -> None:
    run = start()
    run.begin()
    run.until_log("begun")
    fault(own, run)
    record = run.end()
    assert [attempt.trouble for attempt in record.attempts] == ["engine-unreachable"]
    assert record.attempts[0].ran_s
    assert_kept(run, record)
    assert verdict_of(record).outcome is Outcome.PASSED
    assert any("try 1 failed" in line for line in run.said)


def test_a_build_under_which_the_engine_restarts_again_and_again_is_not_run_a_third_time(
    own: Dockerd, start: Callable[..., Run]
) -> None:
    run = start()
    run.begin()
    run.until_log("begun")
    crash(own, run)
    run.until_said("try 1 failed")
    run.until_log("begun")
    crash(own, run)
    record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause) == (Outcome.ENGINE_ERROR, "engine-unreachable")
    assert verdict.summary.endswith("It was tried 2 times.")
    assert [attempt.trouble for attempt in record.attempts] == ["engine-unreachable"]
    assert_kept(run, record)
    assert record.log is not None
    assert (run.folder.path / record.log).read_text() == "begun\n"
    assert_nobody_is_blamed(record)


def test_an_engine_that_does_not_come_back_ends_the_build_and_nothing_that_was_seen_is_lost(
    own: Dockerd, start: Callable[..., Run]
) -> None:
    run = start()
    run.begin()
    run.until_log("begun")
    own.kill()
    record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause) == (Outcome.ENGINE_ERROR, "engine-unreachable")
    assert [attempt.trouble for attempt in record.attempts] == ["engine-unreachable"] * 4
    assert_kept(run, record)
    assert record.limits["memory"].in_force
    assert record.log == record.attempts[0].log
    assert_nobody_is_blamed(record)


def test_an_engine_that_is_away_before_the_command_is_waited_for(own: Dockerd, start: Callable[..., Run]) -> None:
    run = start(f"echo begun; {OUTPUT}")
    own.stop()
    run.begin()
    run.until_said("try 1 failed")
    own.start()
    record = run.end()
    assert verdict_of(record).outcome is Outcome.PASSED
    assert {(attempt.trouble, attempt.ran_s) for attempt in record.attempts} == {("engine-unreachable", None)}


@pytest.mark.quick
def test_a_build_that_failed_before_the_engine_went_has_failed(own: Dockerd, start: Callable[..., Run]) -> None:
    """Its gate is stopped: so the engine can go between the command's end and the container's."""
    run = start("echo begun; kill -STOP $PPID; exit 3")
    run.begin()
    run.until_log("begun")
    run.until(lambda: '"exit_code":3' in (run.home / "timeline.jsonl").read_text(), "the command's end was seen")
    own.kill()
    record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, record.ended.exit_code, record.attempts) == (Outcome.BUILD_ERROR, 3, ())


def test_an_engine_that_hangs_under_a_build_is_told_and_waited_for_as_long_as_is_said(
    own: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failure, "CALL_TIMEOUT_S", 4.0)
    monkeypatch.setattr(pod, "PROBE_SILENT_S", 6.0)
    with way_to(own.socket) as way:
        monkeypatch.setenv("DOCKER_HOST", way.host)
        with Engine.connect() as engine:
            run = Run(engine, project(tmp_path / "project", BUILD), tmp_path)
            run.begin()
            run.until_log("begun")
            way.hang()
            run.until(lambda: run.folder.read().builds[0].verdict is not None, "it has a verdict")
            way.go_on()
            record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause) == (Outcome.ENGINE_ERROR, "engine-hangs")
    assert "did not answer within 4 s" in verdict.summary
    assert [attempt.trouble for attempt in record.attempts] == ["engine-hangs", "engine-hangs"]
    assert_kept(run, record)
    assert_nobody_is_blamed(record)


# -- others ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["build", "probe"])
def test_a_build_of_which_somebody_removes_a_container_is_run_again_once(
    engine: Engine, start: Callable[..., Run], part: str
) -> None:
    run = start()
    run.begin()
    run.until_log("begun")
    engine.remove(container_of(engine, part))
    record = run.end()
    (attempt,) = record.attempts
    assert (attempt.trouble, attempt.what) == ("container-gone", f"somebody removed the {part} container")
    assert_kept(run, record)
    assert verdict_of(record).outcome is Outcome.PASSED


def test_a_build_that_somebody_kills_through_the_engine_proves_nothing(
    engine: Engine, start: Callable[..., Run]
) -> None:
    run = start()
    run.begin()
    run.until_log("begun")
    engine.kill(container_of(engine, "build"))
    record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause) == (Outcome.UNMEASURED, "probe-lost")
    assert "somebody sent SIGKILL to the build container through the engine" in verdict.summary
    assert record.attempts == ()
    assert_nobody_is_blamed(record)


class EngineThatLosesAnImage(Engine):
    """Somebody removes the builder's image right before the build's container is made of it: once."""

    lost: str | None = None

    def create(self, spec: ContainerSpec) -> str:
        """Create a container, or find its image gone."""
        if self.lost is None and spec.labels[labels.OURS] == "build":
            self.lost = spec.image
            for name in (spec.image, f"{spec.image.partition(':')[0]}:latest"):
                self.remove_image(name)
        return super().create(spec)


@pytest.mark.quick
def test_an_image_that_disappears_is_made_again(own: Dockerd, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM buildproof/probe\nLABEL that-disappears=1\n")
    manifest = project(folder, OUTPUT, image="surroundings/box", build="build: .")
    with EngineThatLosesAnImage.connect() as engine:
        run = Run(engine, manifest, tmp_path)
        run.begin()
        record = run.end()
        assert engine.lost
        assert engine.image_id(engine.lost)
    assert [attempt.trouble for attempt in record.attempts] == ["image-gone"]
    assert verdict_of(record).outcome is Outcome.PASSED


# -- disks -----------------------------------------------------------------------------------------------------------


@pytest.mark.quick
def test_an_engine_whose_disk_is_full_is_not_asked_again(own: Dockerd, start: Callable[..., Run]) -> None:
    run = start()
    own.fill()
    run.begin()
    record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause) == (Outcome.HOST_NO_SPACE, "engine-disk-full")
    assert "no space left on device" in verdict.summary
    assert record.attempts == ()
    assert_nobody_is_blamed(record)
