"""The network dies while a project is fetched, in a network of the tests' own: what may pass is tried again."""

from __future__ import annotations

import contextlib
import hashlib
import os
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
from buildproof.errors import ExitCode, FetchError
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
def certificate(tmp_path: Path) -> Path:
    """A certificate for the loopback and the bridge, which nobody trusts but who is told to, and its key."""
    path = tmp_path / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=answers"]
    words += [
        "-addext",
        f"subjectAltName=IP:127.0.0.1,IP:{BRIDGE}",
        "-keyout",
        str(path),
        "-out",
        str(tmp_path / "public.pem"),
    ]
    subprocess.run(words, check=True, capture_output=True)
    with path.open("ab") as file:
        file.write((tmp_path / "public.pem").read_bytes())
    return path


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


def test_a_fetch_that_reaches_its_time_limit_is_ended_and_not_tried_again(
    own: Dockerd, engine: Engine, tmp_path: Path
) -> None:
    with own.background(sys.executable, str(SERVER), BRIDGE, PORT, "wait"):
        patient = FETCH.replace("timeout=3", "timeout=300")
        manifest = project(tmp_path / "project", BUILD, fetch=f"{patient} # {tmp_path}", fetch_limit="5s")
        run = Run(engine, manifest, tmp_path)
        run.begin()
        record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause, record.attempts) == (Outcome.FETCH_ERROR, "fetch-command", ())
    assert "still ran after 5.0 s" in verdict.summary
    assert record.log is not None
    assert (run.folder.path / record.log).read_text() == "fetching\n"


def test_a_certificate_that_a_fetch_command_does_not_trust_is_refused_at_once(
    own: Dockerd, engine: Engine, certificate: Path, tmp_path: Path
) -> None:
    with own.background(sys.executable, str(SERVER), BRIDGE, PORT, "ok", environment={"CERTIFICATE": str(certificate)}):
        manifest = project(tmp_path / "project", BUILD, fetch=f"{FETCH.replace('http:', 'https:')} # {tmp_path}")
        run = Run(engine, manifest, tmp_path)
        run.begin()
        record = run.end()
    verdict = verdict_of(record)
    assert (verdict.outcome, verdict.cause, record.attempts) == (Outcome.FETCH_ERROR, "fetch-command", ())
    assert "CERTIFICATE_VERIFY_FAILED" in verdict.summary
    assert "--ca-bundle" in verdict.advice[0]


# -- what the harness itself downloads, over TLS: this machine's loopback --------------------------------------------


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    told, path = tmp_path / "told", tmp_path / "source.tar"
    told.write_text("from the archive\n")
    with tarfile.open(path, "w") as tar:
        tar.add(told, "tool-1.0/told")
    return path


@contextlib.contextmanager
def answering(certificate: Path, *words: str) -> Iterator[str]:
    """The same server on the loopback; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(SERVER), "127.0.0.1", str(port), *words]
    with subprocess.Popen(command, env={**os.environ, "CERTIFICATE": str(certificate)}) as process:
        deadline = time.monotonic() + SOON_S
        while not listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        try:
            yield f"https://127.0.0.1:{port}/source.tar"
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def download(
    own: Dockerd, engine: Engine, certificate: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Run]]:
    """Begins a run of a project whose source is an archive, with nothing downloaded before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    with contextlib.ExitStack() as while_it_runs:

        def download(*words: str, trusted: bool = True) -> Run:
            address = while_it_runs.enter_context(answering(certificate, *words))
            source = f'source = {{ archive = "{address}", sha256 = "{sha256}" }}'
            manifest = project(tmp_path / "project", f"cat told; {OUTPUT}", source=source)
            run = Run(engine, manifest, tmp_path, ca_bundle=tmp_path / "public.pem" if trusted else None)
            run.begin()
            return run

        yield download


@pytest.mark.parametrize("word", ["reset", "cut", "busy"])
def test_a_source_whose_download_breaks_off_stops_no_run_and_is_asked_for_again(
    download: Callable[..., Run], archive: Path, word: str
) -> None:
    """Once while the run is prepared, and once in the build's own first try."""
    run = download(word, word, str(archive))
    record = run.end()
    assert verdict_of(record).outcome is Outcome.PASSED
    assert record.last_lines == ("from the archive",)
    (attempt,) = record.attempts
    assert (attempt.trouble, attempt.phase, attempt.ran_s) == ("network", "sources", None)
    assert 1.0 <= attempt.waited_s <= 3.0
    assert "cannot download https://127.0.0.1:" in attempt.what
    assert run.said[0].endswith("; the builds of app will try again")


def test_a_source_that_is_not_there_ends_the_run_at_once(download: Callable[..., Run]) -> None:
    with pytest.raises(FetchError, match="404") as error:
        download("missing", "wait")
    assert error.value.exit_code is ExitCode.INFRASTRUCTURE


def test_a_source_whose_certificate_is_not_trusted_ends_the_run_at_once(
    download: Callable[..., Run], archive: Path
) -> None:
    with pytest.raises(FetchError, match="answers with a certificate that is not trusted") as error:
        download(str(archive), trusted=False)
    assert "--ca-bundle PATH" in str(error.value.next_step)
