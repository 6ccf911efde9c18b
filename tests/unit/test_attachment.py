"""The connection to a container's streams, over the SDK's own response."""

from __future__ import annotations

import gc
import socketserver
import sys
from typing import Any

import docker
import pytest
from tests.unit.fake_engine import serving

from buildproof.engine.attachment import Attachment

SAID = b"\x01\0\0\0\0\0\0\x05hello"


class Attached(socketserver.StreamRequestHandler):
    """Answers an attach request, prints a word when it hears one, and listens until the client hangs up."""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n")
        self.rfile.readline()
        self.wfile.write(SAID)
        self.rfile.read()


def test_hanging_up_leaves_no_response_that_complains_when_it_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    with serving(Attached) as address:
        client = docker.APIClient(base_url=address, version="1.45")
        sock = client.attach_socket("0123", params={"stdin": 1, "stream": 1})
        attachment, response = Attachment(sock), sock._response.raw._fp
        attachment.send(b"say\n")
        assert next(iter(attachment.chunks())) == b"hello"
        attachment.close()
        assert response.closed
        client.close()
    del sock, attachment, response
    gc.collect()
    assert complaints == []
