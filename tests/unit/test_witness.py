"""The engine's events, over a real connection: what others do to a build's containers, and the engine's own end."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from tests.unit import fake_engine
from tests.unit.fake_engine import VERSION

from buildproof.engine import Engine, Happening

SOON_S = 30.0
EVENTS: list[dict[str, Any]] = [
    {"Type": "container", "Action": "kill", "Actor": {"ID": "abc", "Attributes": {"signal": "9"}},
     "time": 1700000000, "timeNano": 1700000000250000000},
    {"status": "destroy", "id": "abc", "time": 1700000001},  # as engines before API 1.22 told it, and Podman's first
]  # fmt: skip


class EventEngine:
    """An engine that tells `EVENTS`, and then waits until it is told to go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[str] = []
        self.refuse = False

    def serve(self) -> contextlib.AbstractContextManager[str]:
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # of chunks

            def do_GET(self) -> None:
                is_events = "/events" in self.path
                self.send_response(500 if is_events and engine.refuse else 200)
                if is_events and not engine.refuse:
                    self.send_header("Transfer-Encoding", "chunked")
                else:
                    self.send_header("Connection", "close")
                self.end_headers()
                if not is_events:
                    self.wfile.write(json.dumps(VERSION).encode())
                elif not engine.refuse:
                    engine.asked.append(urllib.parse.unquote_plus(self.path))
                    for event in EVENTS:
                        line = json.dumps(event).encode() + b"\n"
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.flush()
                    engine.go.wait(SOON_S)  # and goes without the last chunk
                self.close_connection = True

            def address_string(self) -> str:
                return "test"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
                pass

        return fake_engine.serving(Handler)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventEngine]:
    server = EventEngine()
    with server.serve() as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        yield server
        server.go.set()


def test_what_happens_is_told_and_then_that_the_engine_went(server: EventEngine) -> None:
    told: queue.Queue[Happening | None] = queue.Queue()
    with Engine.connect() as engine:
        engine.witness({"buildproof.run": "r1", "buildproof.build": "app"}, told.put)
        first, second = told.get(timeout=SOON_S), told.get(timeout=SOON_S)
        server.go.set()
        assert told.get(timeout=SOON_S) is None
    assert first == Happening(container="abc", what="kill", at_s=1700000000.25, signal=9)
    assert second == Happening(container="abc", what="destroy", at_s=1700000001.0)
    assert '"label": ["buildproof.run=r1", "buildproof.build=app"]' in server.asked[0]


def test_a_witness_that_was_dismissed_tells_nothing_more(server: EventEngine) -> None:
    told: queue.Queue[Happening | None] = queue.Queue()
    with Engine.connect() as engine:
        witness = engine.witness({"buildproof.run": "r1"}, told.put)
        told.get(timeout=SOON_S)
        told.get(timeout=SOON_S)
        witness.close()
        server.go.set()
        with pytest.raises(queue.Empty):
            told.get(timeout=0.5)


def test_an_engine_that_tells_no_events_is_not_gone(server: EventEngine) -> None:
    server.refuse = True
    told: queue.Queue[Happening | None] = queue.Queue()
    with Engine.connect() as engine:
        engine.witness({"buildproof.run": "r1"}, told.put)
        with pytest.raises(queue.Empty):
            told.get(timeout=0.5)
