"""Deflate as NSIS writes it: RFC 1951, but that the length of a stored block stands there without its complement."""

from __future__ import annotations

import zlib

_STEP = 4096  # bytes that are tried at once
_STORED = "invalid stored block lengths"


class Inflate:
    """zlib for such a stream, with the words of `Decompressor`.

    zlib complains of a stored block at the second byte behind its length. It is set back to where the length ends, and
    given the complement. For that the last byte of the input is tried on a copy, and kept until there is another.
    One time in 65,536 a block's first bytes are the complement by chance; it is read wrongly then, and the stream
    after it makes no sense.
    """

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
        self._input = b""
        self._output = bytearray()
        self._last = b""  # the last two bytes that zlib took

    @property
    def eof(self) -> bool:
        """Whether all was handed out that the stream has in it."""
        return self._zlib.eof and not self._output

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without new input."""
        return len(self._input) < 2 and not self._output and not self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        """What stood behind the end of the stream."""
        return self._zlib.unused_data + self._input

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most so many bytes of output."""
        self._input += data
        while len(self._input) > 1 and not self._zlib.eof and (max_length < 0 or len(self._output) < max_length):
            self._step()
        size = len(self._output) if max_length < 0 else max_length
        out = bytes(self._output[:size])
        del self._output[:size]
        return out

    def _step(self) -> None:
        piece = self._input[:_STEP]
        before = self._zlib.copy()
        try:
            out = self._zlib.decompress(piece[:-1])
            ahead = self._zlib.copy()
            rest = ahead.decompress(piece[-1:])
        except zlib.error as error:
            end = _longest_without_error(before, piece) - 1
            if _STORED not in str(error) or end < 0:
                raise
            self._zlib = before
            self._taken(piece[:end], before.decompress(piece[:end]))
            before.decompress(bytes(byte ^ 0xFF for byte in self._last))
            return
        self._taken(piece[:-1], out)
        if ahead.eof:
            self._zlib = ahead
            self._taken(piece[-1:], rest)

    def _taken(self, piece: bytes, out: bytes) -> None:
        self._output += out
        self._input = self._input[len(piece) :]
        self._last = (self._last + piece)[-2:]


def _longest_without_error(state: zlib._Decompress, piece: bytes) -> int:
    low, high = 0, len(piece)  # so many bytes are taken, so many are not
    while high - low > 1:
        middle = (low + high) // 2
        try:
            state.copy().decompress(piece[:middle])
        except zlib.error:
            high = middle
        else:
            low = middle
    return low
