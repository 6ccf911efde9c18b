"""A small server of packages that is reached over a network of its own, and tells what it is asked for.

`python3 packages.py PORT GATE`: it prints its process id, and then a line for each package that it is asked for. Each
package has the bytes `PACKAGE`. Of the one called `second` it sends the first half, and the rest once the file GATE is
there: so a test can do something to the network in the midst of it.
"""

from __future__ import annotations

import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PACKAGE = b"package" * 10_000
_HALF = len(PACKAGE) // 2


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        print(name, flush=True)  # noqa: T201
        self.send_response(200)
        self.send_header("Content-Length", str(len(PACKAGE)))
        self.end_headers()
        self.wfile.write(PACKAGE[:_HALF])
        while name == "second" and not Path(sys.argv[2]).exists():
            time.sleep(0.02)
        self.wfile.write(PACKAGE[_HALF:])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass


if __name__ == "__main__":
    print(os.getpid(), flush=True)  # noqa: T201
    ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), _Handler).serve_forever()  # noqa: S104 (in a network of its own)
