"""A small server for fetches: it answers each request with the next of the words that it was given.

`python3 answers.py ADDRESS PORT WORD...`: `reset` breaks the connection, `cut` breaks it in the midst of the answer,
`missing` says 404, `busy` says 503, `wait` says nothing while the client stays, `ok` serves the bytes `served`, a path
the file there. The last word stays. It prints a line for each request. With a PEM file named by `CERTIFICATE` it speaks
TLS.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close(2) sends RST, socket(7)
_WORDS = sys.argv[3:]
_BODY = b"served\n"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        word = _WORDS.pop(0) if len(_WORDS) > 1 else _WORDS[0]
        print(word, flush=True)  # noqa: T201
        match word:
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                self.connection.close()
            case "missing" | "busy":
                self.send_error(404 if word == "missing" else 503)
            case "wait":
                self.connection.recv(1)
            case _:
                body = Path(word).read_bytes() if word.startswith("/") else _BODY
                self.send_response(200)
                self.send_header("Content-Length", str(len(body) + (100 if word == "cut" else 0)))
                self.end_headers()
                self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), _Handler)
    if certificate := os.environ.get("CERTIFICATE"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()
