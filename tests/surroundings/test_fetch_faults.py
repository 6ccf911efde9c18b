"""The network dies while a project is fetched, in a network of the tests' own: what may pass is tried again."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.surroundings.dockerd import BRIDGE, Dockerd
from tests.surroundings.project import OUTPUT, SOON_S, Run, project

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


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing was downloaded before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@contextlib.contextmanager
def answering(*words: str) -> Iterator[str]:
    """The same server on this machine's loopback, for what the harness itself asks; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, str(SERVER), "127.0.0.1", str(port), *words]) as process:
        deadline = time.monotonic() + SOON_S
        while not listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{port}/source.tar"
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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


@pytest.mark.quick
def test_a_definite_answer_is_not_asked_for_again(
    fetch: Callable[..., contextlib.AbstractContextManager[Run]],
) -> None:
    with fetch("missing") as run:
        record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause, record.attempts) == (Outcome.FETCH_ERROR, "fetch-command", ())
    assert "404" in verdict.summary
    assert record.log is not None
    assert (run.folder.path / record.log).read_text().startswith("fetching\n")


@pytest.mark.parametrize("word", ["reset", "cut", "busy"])
def test_a_source_whose_download_breaks_off_is_asked_for_again(
    own: Dockerd, engine: Engine, cache: Path, tmp_path: Path, word: str
) -> None:
    archive, told = tmp_path / "source.tar", tmp_path / "told"
    told.write_text("from the archive\n")
    with tarfile.open(archive, "w") as tar:
        tar.add(told, "tool-1.0/told")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    with answering(word, str(archive)) as address:
        source = f'source = {{ archive = "{address}", sha256 = "{sha256}" }}'
        run = Run(engine, project(tmp_path / "project", f"cat told; {OUTPUT}", source=source), tmp_path)
        run.begin()
        record = run.end()
    assert verdict_of(record).outcome is Outcome.PASSED
    assert record.last_lines == ("from the archive",)
    (attempt,) = record.attempts
    assert (attempt.trouble, attempt.phase, attempt.ran_s) == ("network", "sources", None)
    assert 1.0 <= attempt.waited_s <= 3.0
    assert f"cannot download {address}" in attempt.what


def test_a_source_that_is_not_there_is_not_asked_for_again(
    own: Dockerd, engine: Engine, cache: Path, tmp_path: Path
) -> None:
    with answering("missing") as address:
        source = f'source = {{ archive = "{address}", sha256 = "{"0" * 64}" }}'
        run = Run(engine, project(tmp_path / "project", OUTPUT, source=source), tmp_path)
        run.begin()
        record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause, record.attempts) == (Outcome.FETCH_ERROR, "fetch-command", ())
    assert "404" in verdict.summary
