"""The network dies while a project is fetched, in a network of the tests' own: what may pass is tried again."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.surroundings.dockerd import BRIDGE, Dockerd
from tests.surroundings.project import OUTPUT, Run, project

from buildproof.engine import Engine
from buildproof.record import BuildRecord
from buildproof.verdict import Outcome, Verdict

SERVER = Path(__file__).with_name("answers.py")
PORT = "8321"
FETCH = (
    'echo fetching; exec python3 -c "import os, urllib.request as u; '
    f'open(os.environ[\\"BUILDPROOF_CACHE\\"] + \\"/got\\", \\"wb\\")'
    f'.write(u.urlopen(\\"http://{BRIDGE}:{PORT}/\\", timeout=3).read())"'
)
BUILD = f"cat $BUILDPROOF_CACHE/got; {OUTPUT}"


@pytest.fixture
def fetch(own: Dockerd, engine: Engine, tmp_path: Path) -> Callable[..., contextlib.AbstractContextManager[Run]]:
    @contextlib.contextmanager
    def fetch(*words: str) -> Iterator[Run]:
        with own.background(sys.executable, str(SERVER), BRIDGE, PORT, *words):
            run = Run(engine, project(tmp_path / "project", BUILD, fetch=f"{FETCH} # {tmp_path}"), tmp_path)
            run.begin()
            yield run

    return fetch


def verdict_of(record: BuildRecord) -> Verdict:
    assert record.verdict is not None
    return record.verdict


@pytest.mark.parametrize("word", ["reset", "cut", "busy", "wait"])
def test_a_fetch_whose_network_fails_once_is_tried_again(
    fetch: Callable[..., contextlib.AbstractContextManager[Run]], word: str
) -> None:
    with fetch(word, "ok") as run:
        record = run.end()
    assert verdict_of(record).outcome is Outcome.PASSED
    assert record.last_lines == ("served",)
    (attempt,) = record.attempts
    assert (attempt.trouble, attempt.phase, attempt.ran_s) == ("network", "fetch", None)
    assert 1.0 <= attempt.waited_s <= 3.0
    assert attempt.log is not None
    assert (run.folder.path / attempt.log).read_text().startswith("fetching\n")
    assert any("try 1 failed: the fetch command" in line for line in run.said)


def test_a_definite_answer_is_not_asked_for_again(
    fetch: Callable[..., contextlib.AbstractContextManager[Run]],
) -> None:
    with fetch("missing") as run:
        record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause, record.attempts) == (Outcome.FETCH_ERROR, "fetch-command", ())
    assert "404" in verdict.summary
