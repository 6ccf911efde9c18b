"""Two runs with two workers each on one engine, and a budget for two builds of the four: seen from their records."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from benchmarks.in_flight import in_flight, promises_in

from buildproof.budget.allowance import Allowance
from buildproof.budget.ledger import VARIABLE, Ledger
from buildproof.engine import Engine
from buildproof.patience import patient
from buildproof.record import RunRecord, load
from buildproof.verdict import Outcome

ROOT = Path(__file__).parents[2]
BUDGET = 600 << 20
EACH = 256 << 20  # the limit of each build of fixtures/small
LONGEST_S = 300.0


@dataclass(frozen=True)
class Ran:
    """One run: its exit code, all that it said, its record."""

    exit_code: int
    output: str
    record: RunRecord
    path: Path


def start(environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pytest.ini"), "--rootdir", str(ROOT), "-n", "2"]
    command += ["tests/verify", "--project", str(ROOT / "fixtures" / "small")]
    command += ["--memory-budget", str(BUDGET), "--cpu-budget", "off"]
    return subprocess.Popen(
        [*command, *options], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def ended(process: subprocess.Popen[str]) -> Ran:
    try:
        output, _ = process.communicate(timeout=patient(LONGEST_S))
    finally:
        process.terminate()  # nothing happens to one that has ended
    found = re.search(r"^record: (.+)$", output, re.MULTILINE)
    assert found, output
    return Ran(process.returncode, output, load(Path(found[1])), Path(found[1]))


def waiting(ledger: Ledger) -> int:
    return sum(not ticket.granted for ticket in ledger.tickets())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ran]]:
    """The test holds the whole budget until all four builds wait for it: so they do, however fast the machine is.

    The ledger is the test's own: what else this machine builds is no part of the sums.
    """
    with pytest.MonkeyPatch.context() as patch, Engine.connect() as engine:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("ledger")))
        ledger = Ledger.of(engine.facts())
        with ledger.draw(run="test", build="everything", memory=BUDGET, cpus=0.0, sequential=False) as everything:
            assert everything.claim(Allowance(memory=BUDGET, cpus=None)) == ()
            processes = [start(dict(os.environ)) for _ in range(2)]
            deadline = time.monotonic() + patient(LONGEST_S)
            while waiting(ledger) < 4 and time.monotonic() < deadline:
                if any(process.poll() is not None for process in processes):
                    break
                time.sleep(0.2)
            waited = waiting(ledger)
        found = [ended(process) for process in processes]
        assert waited == 4, "\n".join(ran.output for ran in found)
        yield found


def test_all_builds_of_both_runs_pass(runs: list[Ran]) -> None:
    for ran in runs:
        assert ran.exit_code == 0, ran.output
        verdicts = [build.verdict for build in ran.record.builds]
        assert [verdict and verdict.outcome for verdict in verdicts] == [Outcome.PASSED] * 2


def test_what_is_in_flight_is_never_above_the_budget(runs: list[Ran]) -> None:
    promises = promises_in(ran.path for ran in runs)
    assert [promised.memory for promised in promises] == [EACH] * 4, "together more than the budget"
    assert all(promised.until for promised in promises)
    found = in_flight(promises)
    assert found.memory_budget == BUDGET
    assert EACH <= found.memory <= BUDGET
    assert found.inside


def test_waiting_is_shown_and_counts_against_nobodys_time(runs: list[Ran]) -> None:
    for ran in runs:
        for build in ran.record.builds:
            (promised,) = build.promised
            assert promised.waited_s > 0
            assert build.phases_s["wait"] >= promised.waited_s
            said = (
                f"{build.id}: waits for 256 MiB of 600 MiB and 1 CPUs: everything of run test (process {os.getpid()})"
            )
            assert said in ran.output
            assert build.began
            assert (build.time.wall_s or 0) < (promised.until - promised.since).total_seconds()  # type: ignore[operator]


def test_sequential_builds_take_turns_and_look_at_the_machines_memory_first(tmp_path: Path) -> None:
    ran = ended(start({**os.environ, VARIABLE: str(tmp_path)}, "--tier", "nightly", "-k", "in-turn"))
    assert ran.exit_code == 0, ran.output
    promises = promises_in([ran.path])
    assert len(promises) == 2
    assert in_flight(promises).attempts == 1
    assert all(promised.available for promised in promises)
