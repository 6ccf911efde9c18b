"""An engine that answers two questions and refuses all others: for what must be said before anything is built."""

from __future__ import annotations

import contextlib
import json
import socketserver
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
def fake_engine(socket: Path, *, version: dict[str, Any] | None = None, **info: Any) -> Iterator[str]:
    """Serve on `socket`; yields what DOCKER_HOST has to say."""
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

    with _UnixServer(str(socket), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{socket}"
        server.shutdown()
