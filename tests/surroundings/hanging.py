"""A way to an engine that can be made to hang: it takes everything, and hands nothing on, until it is let go on."""

from __future__ import annotations

import contextlib
import selectors
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1 << 16


class Way:
    """A Unix socket in front of another. `open` says whether anything passes."""

    def __init__(self, path: Path, target: Path) -> None:
        self.host = f"unix://{path}"
        self._target = target
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def hang(self) -> None:
        """From now on nothing passes; connections are taken all the same."""
        self._open.clear()

    def go_on(self) -> None:
        """Let pass what waits, and all that follows."""
        self._open.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine, contextlib.suppress(OSError):
            self._open.wait()
            engine.connect(str(self._target))
            with selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_READ, engine)
                selector.register(engine, selectors.EVENT_READ, client)
                while selector.get_map():
                    for key, _ in selector.select():
                        self._open.wait()
                        self._pass_on(key, selector)

    @staticmethod
    def _pass_on(key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
        source, sink = key.fileobj, key.data
        assert isinstance(source, socket.socket)
        data = source.recv(_CHUNK)
        if data:
            sink.sendall(data)
            return
        selector.unregister(source)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)  # half-closed: that is how a lease ends

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()


@contextlib.contextmanager
def way_to(target: Path) -> Iterator[Way]:
    """A way to the engine at that socket."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="bp-") as folder:
        way = Way(Path(folder) / "way.sock", target)
        try:
            yield way
        finally:
            way.go_on()
            way.close()
