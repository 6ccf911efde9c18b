"""A link goes down in the midst of a fetch, in networks of the tests' own, and comes back, or does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.surroundings.dockerd import Dockerd
from tests.surroundings.packages import PACKAGE
from tests.surroundings.project import OUTPUT, Run, project
from tests.surroundings.uplink import BRIDGE, UPLINK, Uplink

from buildproof import labels
from buildproof.engine import Engine
from buildproof.record import Attempt, BuildRecord
from buildproof.verdict import Outcome, Verdict
from buildproof.verdict.claims import Answer, Claim, decide

# As a package manager does: what is there is not fetched again, and a package that is not whole is not kept.
CLIENT = f"""\
import os, pathlib, urllib.request
for name in ("first", "second", "third"):
    kept = pathlib.Path(os.environ["BUILDPROOF_CACHE"], name)
    if kept.exists():
        continue
    print("fetching", name, flush=True)
    with urllib.request.urlopen("{Uplink.url}/" + name, timeout=3) as answer:
        package = answer.read({len(PACKAGE) // 2})
        print("half of", name, flush=True)
        package += answer.read()
    kept.write_bytes(package)
"""
FETCH = "exec python3 fetch.py"
BUILD = f"cat $BUILDPROOF_CACHE/first $BUILDPROOF_CACHE/second $BUILDPROOF_CACHE/third | wc -c; {OUTPUT}"
WAITS_S = (2.0, 8.0, 32.0)


@pytest.fixture
def uplink(own: Dockerd, tmp_path: Path) -> Iterator[Uplink]:
    with Uplink(own, tmp_path).is_there() as uplink:
        yield uplink


@pytest.fixture
def run(engine: Engine, uplink: Uplink, tmp_path: Path) -> Run:
    """A run whose fetch has half of its second package."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "fetch.py").write_text(f"# {tmp_path}\n{CLIENT}")
    run = Run(engine, project(folder, BUILD, fetch=FETCH), tmp_path)
    run.begin()
    run.until_log("half of second", file="fetch.log")
    return run


def verdict_of(record: BuildRecord) -> Verdict:
    assert record.verdict is not None
    return record.verdict


def log_of(run: Run, tried: Attempt | BuildRecord) -> list[str]:
    """What the fetch command of one try printed; the record has the last one's."""
    assert tried.log is not None
    return (run.folder.path / tried.log).read_text().splitlines()


def assert_backed_off(record: BuildRecord) -> None:
    """Each wait is one of the table's, and half of it more or less."""
    for attempt, usual_s in zip(record.attempts, WAITS_S, strict=False):
        assert usual_s / 2 <= attempt.waited_s <= usual_s * 1.5


@pytest.mark.parametrize(
    ("link", "tries"),
    [pytest.param(BRIDGE, 1, marks=pytest.mark.quick), (BRIDGE, 2), (UPLINK, 2)],
)
def test_a_link_that_goes_down_during_a_fetch_and_comes_back_costs_tries_and_no_verdict(
    run: Run, uplink: Uplink, link: str, tries: int
) -> None:
    uplink.down(link)
    run.until_said(f"try {tries} failed: the fetch command")
    uplink.up(link)
    record = run.end()
    assert verdict_of(record).outcome is Outcome.PASSED
    assert record.last_lines == (str(3 * len(PACKAGE)),)
    assert [(tried.trouble, tried.phase, tried.ran_s) for tried in record.attempts] == [
        ("network", "fetch", None)
    ] * tries
    assert_backed_off(record)
    assert log_of(run, record.attempts[0])[:3] == ["fetching first", "half of first", "fetching second"]
    assert uplink.asked_for == ["first", "second", "second", "third"]  # what the first try had is not asked for again


def test_a_network_that_stays_away_is_told_with_how_often_it_was_tried(
    run: Run, uplink: Uplink, engine: Engine
) -> None:
    began = time.monotonic()
    uplink.down(UPLINK)
    record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause) == (Outcome.FETCH_ERROR, "network")
    assert "the fetch command 'exec python3 fetch.py' exited with status 1" in verdict.summary
    assert verdict.summary.endswith("It was tried 4 times.")
    assert [(tried.trouble, tried.phase) for tried in record.attempts] == [("network", "fetch")] * 3
    assert_backed_off(record)
    assert all(one.waited_s < later.waited_s for one, later in pairwise(record.attempts))
    assert time.monotonic() - began >= sum(tried.waited_s for tried in record.attempts)
    assert log_of(run, record.attempts[0])[:4] == [
        "fetching first",
        "half of first",
        "fetching second",
        "half of second",
    ]
    later: list[Attempt | BuildRecord] = [*record.attempts[1:], record]
    assert [log_of(run, tried)[0] for tried in later] == ["fetching second"] * 3
    told = [line for line in run.said if "failed" in line]
    assert [line.partition("failed")[0] for line in told] == [f"app-box: try {number} " for number in (1, 2, 3)]
    answers = {claim: decide(claim, record.case()).answer for claim in Claim}
    assert {claim for claim, answer in answers.items() if answer is Answer.BROKEN} == {Claim.MEASURED}
    assert uplink.asked_for == ["first", "second"]
    assert engine.things(f"{labels.RUN}={run.folder.id}") == []
