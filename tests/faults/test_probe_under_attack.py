"""The probe is attacked while a build runs, from outside of the pod by somebody who may use the engine; and its gate.

What a build itself can do to the probe is the fault `attack-on-probe`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.midway import COMPILE, Midway

from buildproof import labels
from buildproof.ca import ca_bundle
from buildproof.doctor import engine_is_local
from buildproof.engine import Engine
from buildproof.plan import Build
from buildproof.pod import pod
from buildproof.record import BuildRecord
from buildproof.verdict import Outcome
from buildproof.verdict.claims import Answer, Claim, Decision, decide

COUNTING = "for step in $(seq {steps}); do echo step $step; sleep 0.05; done; " + COMPILE
SILENT_S = 4.0

Attack = Callable[[Engine, str], None]


class Run(Midway):
    """A build that counts, and may be attacked meanwhile."""

    def under(self, attack: Attack) -> BuildRecord:
        """The record of the build, whose probe was attacked in its midst."""
        return self.run(lambda: attack(self.engine, self._probe()), once_it_says="step 2")

    def _probe(self) -> str:
        (probe,) = self.engine.labelled(f"{labels.OURS}=probe", f"{labels.RUN}={self.session.folder.id}")
        return probe

    def leftovers(self) -> dict[str, dict[str, str]]:
        """The containers of this run that are still there."""
        return self.engine.labelled(f"{labels.RUN}={self.session.folder.id}")


@pytest.fixture
def start(tmp_path: Path, pytestconfig: pytest.Config) -> Callable[[int], Run]:
    bundle = ca_bundle(pytestconfig.getoption("buildproof_ca_bundle"))
    return lambda steps: Run(tmp_path, COUNTING.replace("{steps}", str(steps)), bundle=bundle)


def answers(record: BuildRecord) -> dict[Claim, Decision]:
    return {claim: decide(claim, record.case()) for claim in Claim}


def nothing_is_held(record: BuildRecord) -> bool:
    """Whether the measurement failed, loudly, and nothing else is said to be proved."""
    found = {claim: decision.answer for claim, decision in answers(record).items()}
    return found.pop(Claim.MEASURED) is Answer.BROKEN and set(found.values()) == {Answer.UNDECIDED}


def test_a_paused_probe_makes_the_run_unmeasured(start: Callable[[int], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod, "PROBE_SILENT_S", SILENT_S)
    run = start(2000)
    record = run.under(lambda engine, probe: engine._api.pause(probe))
    verdict = record.verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.cause) == (Outcome.UNMEASURED, "probe-lost")
    assert "fell silent" in verdict.summary
    assert nothing_is_held(record)
    assert not run.leftovers()


def test_a_killed_probe_takes_the_build_with_it_and_makes_the_run_unmeasured(start: Callable[[int], Run]) -> None:
    run = start(2000)
    mark = f"sleep 0.05; done; echo {run.session.folder.id}"
    run.build = _marked(run.build, mark)
    said: list[int] = []

    def kill(engine: Engine, probe: str) -> None:
        assert processes_with(mark) or not engine_is_local()
        engine.kill(probe)
        said.append(len(run.log.read_bytes()))
        assert gone_within(20.0, mark)

    record = run.under(kill)
    verdict = record.verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.cause) == (Outcome.UNMEASURED, "probe-lost")
    assert "somebody sent SIGKILL to the probe container through the engine" in verdict.summary
    assert nothing_is_held(record)
    assert len(run.log.read_bytes()) <= said[0] + len("step 1999\n"), "the build went on printing"
    assert not run.leftovers()


def test_a_build_that_stops_the_shell_around_it_is_unmeasured(
    start: Callable[[int], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod, "ENDING_S", 5.0)
    run = start(10)
    command = f"{run.build.spec.command}; kill -STOP $PPID"
    run.build = replace(run.build, spec=replace(run.build.spec, command=command))
    record = run.under(lambda _engine, _probe: None)
    verdict = record.verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.cause) == (Outcome.UNMEASURED, "probe-lost")
    assert "something in the build stopped it" in verdict.summary
    assert nothing_is_held(record)
    assert not run.leftovers()


def test_a_filled_accounting_file_system_leaves_no_sigbus_undecided(start: Callable[[int], Run]) -> None:
    def fill(engine: Engine, probe: str) -> None:
        command = ["dd", "if=/dev/zero", "of=/buildproof/acct/filler", "bs=1M"]
        said = engine._api.exec_start(engine._api.exec_create(probe, command)["Id"])
        assert b"No space left on device" in said

    record = start(120).under(fill)
    assert record.verdict is not None
    assert record.verdict.outcome is Outcome.PASSED
    assert record.verdict.grade != "kernel"
    decision = answers(record)[Claim.NO_SIGBUS]
    assert decision.answer is Answer.UNDECIDED
    assert "nearly full" in decision.why
    assert answers(record)[Claim.MEASURED].answer is Answer.HELD


def _marked(build: Build, mark: str) -> Build:
    """The same build with `mark` in the command line of its shell."""
    command = build.spec.command.replace("sleep 0.05; done", mark)
    return replace(build, spec=replace(build.spec, command=command))


def processes_with(mark: str) -> list[str]:
    """The processes of the engine's host whose command line has `mark` in it; none where that is another machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def gone_within(seconds: float, mark: str) -> bool:
    deadline = time.monotonic() + seconds
    while processes_with(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
