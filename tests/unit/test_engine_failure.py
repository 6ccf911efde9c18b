"""Which trouble an engine's failure is: met over real connections where it can be."""

from __future__ import annotations

import socketserver
import time
from pathlib import Path

import docker.errors
import pytest
import requests
import urllib3
from tests.unit.fake_engine import hanging_up, serving

from buildproof.engine import Engine
from buildproof.engine import failure as room
from buildproof.engine.failure import told_as
from buildproof.errors import EngineError, Trouble


def trouble_of(error: Exception) -> Trouble:
    with pytest.raises(EngineError) as told, told_as("do something"):
        raise error
    return told.value.trouble


def answered(status: int, said: str, kind: type[docker.errors.APIError] = docker.errors.APIError) -> Exception:
    response = requests.Response()
    response.status_code = status
    return kind(said, response=response, explanation=said)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (answered(404, "No such image: builder:1", docker.errors.ImageNotFound), Trouble.IMAGE_GONE),
        (answered(404, "No such container: abc", docker.errors.NotFound), Trouble.CONTAINER_GONE),
        (answered(500, "mkdir /var/lib/docker/x: no space left on device"), Trouble.ENGINE_DISK),
        (answered(500, "write /var/lib/docker/x: disk quota exceeded"), Trouble.ENGINE_DISK),
        (answered(409, "Conflict"), Trouble.REFUSED),
        (requests.exceptions.ReadTimeout("read timeout=60"), Trouble.HANGS),
        (requests.exceptions.ConnectionError("Connection aborted."), Trouble.UNREACHABLE),
        (urllib3.exceptions.ProtocolError("IncompleteRead"), Trouble.UNREACHABLE),
        (BrokenPipeError("Broken pipe"), Trouble.UNREACHABLE),
        (TimeoutError("timed out"), Trouble.HANGS),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_failure_is_known_for_what_it_is(error: Exception, trouble: Trouble) -> None:
    assert trouble_of(error) is trouble


def test_no_socket_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(EngineError) as error:
        Engine.connect()
    assert error.value.trouble is Trouble.UNREACHABLE


def test_an_engine_that_hangs_up_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with hanging_up() as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(EngineError) as error:
            Engine.connect()
    assert error.value.trouble is Trouble.UNREACHABLE


class _Hanging(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while self.request.recv(1 << 16):
            """Take in everything, and say nothing."""


def test_an_engine_that_hangs_is_waited_for_as_long_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CALL_TIMEOUT_S", 1.0)
    with serving(_Hanging) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(EngineError, match="did not answer within 1 s when asked to say its version") as error:
            Engine.connect()
    assert error.value.trouble is Trouble.HANGS
    assert "docker info" in str(error.value.next_step)


def test_a_wait_that_was_too_long_is_told_apart_from_an_engine_that_went() -> None:
    def wait_on(handler: type[socketserver.BaseRequestHandler]) -> int | None:
        with serving(handler) as address, Engine(docker.APIClient(base_url=address, version="1.41")) as engine:
            return engine.wait("abc", 1)

    began = time.monotonic()
    assert wait_on(_Hanging) is None
    assert time.monotonic() - began >= 1
    with pytest.raises(EngineError) as error:
        wait_on(socketserver.BaseRequestHandler)
    assert error.value.trouble is Trouble.UNREACHABLE
