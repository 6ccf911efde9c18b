"""An engine that refuses process accounting, as rootless ones do: the run goes on, at a lower grade, and says so.

The refusal is the kernel's: the probe's container is made without CAP_SYS_PACCT, and acct(2) fails with EPERM.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from buildproof.ca import ca_bundle
from buildproof.discovery import load
from buildproof.engine import ContainerSpec, Engine
from buildproof.preflight import Finding, Level
from buildproof.record import BuildRecord, RunRecord
from buildproof.runfolder import RunFolder
from buildproof.session import Session
from buildproof.summary import told
from buildproof.verdict import Outcome, Verdict
from buildproof.verdict.claims import Answer, Claim, Decision, decide

FAULTS = Path(__file__).parents[2] / "fixtures" / "faults"
REFUSED = "acct(2): Operation not permitted"


class EngineWithoutAccounting(Engine):
    """An engine whose containers never get CAP_SYS_PACCT, whatever is asked for."""

    def create(self, spec: ContainerSpec) -> str:
        """Create a container with what capabilities there are."""
        return super().create(dataclasses.replace(spec, cap_add=tuple(set(spec.cap_add) - {"SYS_PACCT"})))


class Run(NamedTuple):
    """A run on that engine."""

    record: RunRecord
    folder: Path
    findings: list[Finding]

    def build(self, project: str) -> BuildRecord:
        """The one build of a project."""
        (build,) = [build for build in self.record.builds if build.project == project]
        return build

    def verdict(self, project: str) -> Verdict:
        """Its verdict."""
        verdict = self.build(project).verdict
        assert verdict is not None
        return verdict

    def decide(self, project: str, claim: Claim) -> Decision:
        """The answer to one claim about it."""
        return decide(claim, self.build(project).case())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Run]:
    builds = load([FAULTS / name for name in ("own-children-sigterm", "sigbus-swallowed", "lld-full-tmpfs", "crashed")])
    bundle = ca_bundle(pytestconfig.getoption("buildproof_ca_bundle"))
    folder = RunFolder.reserve(tmp_path_factory.mktemp("run"))
    with EngineWithoutAccounting.connect() as engine:
        session = Session(folder, ca_bundle=bundle, say=print, engine=engine)
        session.prepare(builds)
        for build in builds:
            session.outcome(build)
        record = session.close()
    assert record is not None
    yield Run(record, session.folder.path, session.findings)


PASSES = ["own-children-sigterm", "sigbus-swallowed"]
ALL = [*PASSES, "lld-full-tmpfs", "crashed"]


@pytest.mark.parametrize("project", ALL)
def test_the_run_goes_on_and_its_other_measurements_hold(run: Run, project: str) -> None:
    build = run.build(project)
    assert (build.ended.accounting, build.ended.accounting_refused) == (False, REFUSED)
    assert run.decide(project, Claim.MEASURED).answer is Answer.HELD
    assert run.decide(project, Claim.NO_OOM_KILL).answer is Answer.HELD
    assert build.memory.charged_peak
    assert build.processes.exited is None
    assert not build.processes.signalled


@pytest.mark.parametrize("project", PASSES)
def test_a_build_that_exits_0_passes_at_grade_status_and_no_sigbus_is_left_open(run: Run, project: str) -> None:
    """Of sigbus-swallowed nothing is left to see: just this must not be taken for proof."""
    assert (run.verdict(project).outcome, run.verdict(project).grade) == (Outcome.PASSED, "status")
    decision = run.decide(project, Claim.NO_SIGBUS)
    assert decision.answer is Answer.UNDECIDED
    assert decision.why == f"none was observed, but it is not proved: {REFUSED}"


def test_a_linker_that_died_of_sigbus_is_known_by_the_compilers_word(run: Run) -> None:
    verdict = run.verdict("lld-full-tmpfs")
    assert (verdict.outcome, verdict.cause, verdict.grade) == (Outcome.SIGBUS, "full-mount", "log")
    assert "/scratch" in verdict.summary
    assert run.decide("lld-full-tmpfs", Claim.NO_SIGBUS).answer is Answer.BROKEN


def test_a_crash_is_known_by_an_exit_status_or_a_line_of_the_log(run: Run) -> None:
    verdict = run.verdict("crashed")
    assert verdict.outcome is Outcome.CRASHED
    assert verdict.grade in {"status", "log"}


@pytest.mark.parametrize("project", ALL)
def test_nothing_claims_to_know_a_process_end_from_the_kernel(run: Run, project: str) -> None:
    verdict = run.verdict(project)
    assert verdict.grade != "kernel"
    assert "accounting" not in " ".join(clue.text for clue in verdict.evidence if clue.grade == "kernel")


def test_doctor_says_so(run: Run) -> None:
    (finding,) = [finding for finding in run.findings if finding.what == "process accounting"]
    assert (finding.level, finding.found) == (Level.WARNING, f"refused: {REFUSED}")
    assert f"process accounting: refused: {REFUSED}" in run.record.remarks


def test_the_summary_says_so_once_for_all_builds(run: Run) -> None:
    text = " ".join(told(run.record, run.folder, width=100, colour=False).split())
    assert f"not every process's end was seen, so “no SIGBUS” is not proved: {REFUSED} (all builds)" in text
    assert text.count(REFUSED) == 1
