"""A container's streams over one connection, multiplexed as the Engine API's attach endpoint describes."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

from buildproof.engine.failure import told_as

_STREAM_HEADER = struct.Struct(">BxxxL")


class Attachment:
    """A container's streams over one connection. Closing it closes the container's stdin, and with it a lease.

    With a terminal there is one stream, which is `raw`.
    """

    def __init__(self, sock: Any, *, raw: bool = False) -> None:
        self._raw = raw
        self._sock: socket.socket = getattr(sock, "_sock", sock)
        self._holder = sock
        self._sock.settimeout(None)

    def send(self, data: bytes) -> None:
        """Write to the container's stdin; EngineError when the connection is gone."""
        with told_as("send to a container's stdin"):
            self._sock.sendall(data)

    def end_of_input(self) -> None:
        """Close the container's stdin, and go on listening to it."""
        with told_as("close a container's stdin"):
            self._sock.shutdown(socket.SHUT_WR)

    def chunks(self) -> Iterator[bytes]:
        """What the container prints, stdout and stderr as they come, until it ends or the connection does."""
        while self._raw and (data := self._receive(1 << 16)):
            yield data
        while header := self._exactly(_STREAM_HEADER.size):
            _stream, length = _STREAM_HEADER.unpack(header)
            while length:
                data = self._receive(min(length, 1 << 16))
                if not data:
                    return
                length -= len(data)
                yield data

    def _receive(self, most: int) -> bytes:
        try:
            return self._sock.recv(most)
        except (OSError, ValueError):
            return b""

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._receive(count - len(data))
            if not more:
                return b""
            data += more
        return data

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        # The SDK takes the socket from inside of its response: closed first, it makes the response complain of a closed
        # file when that is collected, aloud since Python 3.13 (io.IOBase's finalizer).
        response = getattr(self._holder, "_response", None)
        for thing in filter(None, (response, self._holder)):
            with contextlib.suppress(OSError, ValueError):
                thing.close()
