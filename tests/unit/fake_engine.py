"""An engine that answers two questions and refuses all others: for what must be said before anything is built."""

from __future__ import annotations

import contextlib
import json
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

INFO: dict[str, Any] = {
    "CgroupVersion": "2", "CgroupDriver": "systemd", "Driver": "overlay2", "DockerRootDir": "/nowhere",
    "NCPU": 4, "MemTotal": 16 << 30, "MemoryLimit": True, "SwapLimit": True, "PidsLimit": True, "CpuCfsQuota": True,
    "KernelVersion": "6.12", "OperatingSystem": "Test", "Architecture": "x86_64", "SecurityOptions": [],
}  # fmt: skip

VERSION = {"ApiVersion": "1.45", "MinAPIVersion": "1.24", "Version": "26.0", "Components": [{"Name": "Engine"}]}


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    """Yields what DOCKER_HOST has to say. The path of a socket has to be short, see unix(7): pytest's own are not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        socket = Path(folder, "engine.sock")
        with _UnixServer(str(socket), handler) as server:
            poll_s = 0.01  # how long `shutdown` waits
            threading.Thread(target=server.serve_forever, args=(poll_s,), daemon=True).start()
            yield f"unix://{socket}"
            server.shutdown()


def fake_engine(*, version: dict[str, Any] | None = None, **info: Any) -> contextlib.AbstractContextManager[str]:
    """The engine, which says `info` of itself beside or in the place of INFO; entered, it is its address."""
    answers = {"version": {**VERSION, **(version or {})}, "info": {**INFO, **info}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.get(self.path.rpartition("/")[2], {"message": "no such thing here"})).encode()
            known = self.path.rpartition("/")[2] in answers
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "test"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
            pass

    return serving(Handler)


def hanging_up() -> contextlib.AbstractContextManager[str]:
    """What takes every connection and closes it without a word; entered, it is its address."""
    return serving(socketserver.BaseRequestHandler)
