"""Does an engine answer? Asked of real sockets."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildproof import ping

OK = b"HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\n\r\nOK"


@contextlib.contextmanager
def serving(server: socket.socket, answer: bytes | None) -> Iterator[list[bytes]]:
    """Accept one connection, note what it asks, and answer; None: accept and say nothing."""
    asked: list[bytes] = []
    done = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                if answer is None:
                    done.wait(5)
                    return
                asked.append(connection.recv(4096))
                connection.sendall(answer)

    with server:
        server.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield asked
        done.set()
        thread.join(1)


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a socket can be bound: such paths have to be short, see unix(7), and pytest's own are not on a Mac."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_TLS_VERIFY", raising=False)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.chdir(folder)
        yield Path("docker.sock")
        monkeypatch.undo()


def unix(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    return server


def address(path: Path) -> str:
    return f"unix://{path.resolve()}"


def test_an_engine_on_a_unix_socket_answers(path: Path) -> None:
    with serving(unix(path), OK) as asked:
        assert ping.answers(address(path))
    assert asked[0].startswith(b"GET /_ping HTTP/1.0\r\n")


def test_an_engine_on_a_tcp_port_answers(path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    with serving(server, OK):
        assert ping.answers(f"tcp://127.0.0.1:{port}")


def test_an_address_without_a_port_means_dockers_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], _timeout_s: float) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    for name in ("tcp://", "tcp://engine", "tcp://engine:2376"):
        assert ping.answers(name) is False
    assert asked == [("localhost", 2375), ("engine", 2375), ("engine", 2376)]


@pytest.mark.parametrize("answer", [b"HTTP/1.0 500 Internal Server Error\r\n\r\n", b"SSH-2.0-OpenSSH", b""])
def test_what_answers_otherwise_is_no_engine(path: Path, answer: bytes) -> None:
    with serving(unix(path), answer):
        assert not ping.answers(address(path))


def test_a_socket_that_says_nothing_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "_TIMEOUT_S", 0.05)
    began = time.monotonic()
    with serving(unix(path), None):
        assert not ping.answers(address(path))
    assert time.monotonic() - began < 2


def test_where_nobody_listens_is_no_engine(path: Path) -> None:
    assert not ping.answers(address(path))
    path.touch()
    assert not ping.answers(address(path))
    unix(Path("stale.sock")).close()
    assert not ping.answers(address(Path("stale.sock")))


def test_an_address_that_is_none_is_no_engine(path: Path) -> None:
    assert not ping.answers("tcp://127.0.0.1:port")


@pytest.mark.parametrize("name", ["ssh://me@host", "https://host:2376", "npipe:////./pipe/docker_engine"])
def test_what_cannot_be_asked_is_taken_at_its_word(path: Path, name: str) -> None:
    assert ping.answers(name)


def test_an_engine_behind_tls_is_taken_at_its_word(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert ping.answers("tcp://127.0.0.1:1")


def test_docker_host_is_asked_alone_and_else_the_usual_sockets(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "_SOCKETS", (Path("none.sock").resolve(), path.resolve()))
    assert ping.main() == 1
    with serving(unix(path), OK):
        assert ping.main() == 0
    path.unlink()
    with serving(unix(path), OK):
        monkeypatch.setenv("DOCKER_HOST", address(Path("other.sock")))
        assert ping.main() == 1
        monkeypatch.setenv("DOCKER_HOST", "")
        assert ping.main() == 0
