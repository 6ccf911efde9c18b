"""Does an engine answer? `./verify` asks by path, before anything else: standard library only, in milliseconds.

Exit status 0 when an engine answers at DOCKER_HOST or the usual sockets.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

_TIMEOUT_S = 5.0
_SOCKETS = (Path("/var/run/docker.sock"), Path.home() / ".docker/run/docker.sock")


def _connection(address: str) -> socket.socket:
    url = urlsplit(address)
    if url.scheme == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(_TIMEOUT_S)
        sock.connect(url.path)
        return sock
    return socket.create_connection((url.hostname or "localhost", url.port or 2375), _TIMEOUT_S)


def answers(address: str) -> bool:
    """Whether something speaks HTTP there; an engine behind TLS or SSH is taken at its word."""
    if not address.startswith(("unix://", "tcp://")) or os.environ.get("DOCKER_TLS_VERIFY"):
        return True
    try:
        with _connection(address) as sock:
            sock.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            return b" 200 " in sock.recv(64)
    except (OSError, ValueError):  # ValueError: a port that is no number
        return False


def main() -> int:
    """0 when an engine answers."""
    named = os.environ.get("DOCKER_HOST")
    addresses = [named] if named else [f"unix://{path}" for path in _SOCKETS]
    return 0 if any(map(answers, addresses)) else 1


if __name__ == "__main__":
    sys.exit(main())
