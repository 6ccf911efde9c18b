"""Streams that packages are made of: a part of a file, what a compressor put out, and how much of it is read at most.

The decompressors of the standard library's file objects ask for whatever memory the file wants. Here each has a limit:
`MOST_MEMORY` for its dictionary, and `Bounded` for what comes out.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Protocol

from backports.zstd import DecompressionParameter, ZstdDecompressor

from buildproof.bundles.member import BrokenError, Stream

MOST_MEMORY = 128 << 20  # bytes: twice what `xz -9` asks for, and what `zstd --long` asks for
_WINDOW_LOG = 27
_CHUNK = 1 << 18
MOST_BYTES = 4 << 30  # that a package may unpack to
_ALWAYS, _RATIO = 256 << 20, 200  # and more than the first not above this many times its size


def most_unpacked(size: int) -> int:
    """How many bytes a package of `size` bytes may unpack to: a small one must not take long."""
    return min(MOST_BYTES, max(_ALWAYS, _RATIO * size))


class Decompressor(Protocol):
    """What bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of a stream was read, and its checksum was right."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without new input."""

    @property
    def unused_data(self) -> bytes:
        """What stood behind the end of the stream."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most so many bytes of output."""


class Zlib:
    """zlib with the words of the others. `wbits` as in zlib.decompressobj()."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)
        self._full = False  # then there may be more without new input

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was read, and its checksum was right."""
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without new input."""
        return not self._zlib.unconsumed_tail and not self._full

    @property
    def unused_data(self) -> bytes:
        """What stood behind the end of the stream."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most so many bytes of output."""
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))
        self._full = len(out) == max_length
        return out


def gzip() -> Decompressor:
    """RFC 1952."""
    return Zlib(16 + zlib.MAX_WBITS)


def xz(form: int = lzma.FORMAT_XZ) -> Decompressor:
    """The .xz file format, or the .lzma one."""
    return lzma.LZMADecompressor(form, memlimit=MOST_MEMORY)


def zstd() -> Decompressor:
    """RFC 8878."""
    return ZstdDecompressor(options={DecompressionParameter.window_log_max: _WINDOW_LOG})


_STARTS: tuple[tuple[bytes, Callable[[], Decompressor]], ...] = (
    (b"\x1f\x8b", gzip),
    (b"\xfd7zXZ\0", xz),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\x28\xb5\x2f\xfd", zstd),
)


class Window(io.RawIOBase):
    """`size` bytes of a file from `start` on, read in order."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        file.seek(start)
        self._file, self._left = file, max(0, size)

    def read(self, size: int = -1) -> bytes:
        """The next bytes; fewer where the file ends before the window does."""
        data = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(data)
        return data


class Unpacked(io.RawIOBase):
    """What comes out of a compressed stream, or of several behind each other, as gzip, xz and zstd allow; or `once`.

    Raises EOFError where the input ends first, and what the decompressor raises.
    """

    def __init__(self, file: Stream, make: Callable[[], Decompressor], *, once: bool = False) -> None:
        self._file, self._make, self._once = file, make, once
        self._stream = make()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, none at the end only."""
        while True:
            if self._stream.eof:
                if self._once:
                    return b""
                rest = self._stream.unused_data.lstrip(b"\0") or (self._file.read(_CHUNK) or b"").lstrip(b"\0")
                if not rest:
                    return b""
                self._stream = self._make()
            else:
                rest = (self._file.read(_CHUNK) or b"") if self._stream.needs_input else b""
                if not rest and self._stream.needs_input:
                    raise EOFError("the compressed data ends in the middle")
            data = self._stream.decompress(rest, size if size >= 0 else _CHUNK)
            if data:
                return data


class Bounded:
    """A stream that is read forward, up to `most` bytes, and never many at a time.

    Raises BrokenError where there is more, or where somebody wants more at once than `_MOST_AT_ONCE`: what is read in
    one piece is kept in memory.
    """

    _MOST_AT_ONCE = 1 << 20
    _AHEAD = 1 << 16
    _TAIL = 1024

    def __init__(self, stream: Stream, most: int) -> None:
        self._stream, self._most = stream, most
        self._buffer, self._used, self._fetched = b"", 0, 0
        self.tail = b""  # the last bytes that came out of the stream, once it was read to its end

    def read(self, size: int) -> bytes:
        """`size` bytes, or fewer at the end."""
        end = self._used + size
        if end > len(self._buffer):
            self._fill(size)
            end = size
        data = self._buffer[self._used : end]
        self._used += len(data)
        return data

    def _fill(self, size: int) -> None:
        if size > self._MOST_AT_ONCE:
            raise BrokenError(f"a header of {size} bytes, over {self._MOST_AT_ONCE} of them")
        parts = [self._buffer[self._used :]]
        left = size - len(parts[0])
        while left > 0 and (data := self._stream.read(max(left, self._AHEAD)) or b""):
            parts.append(data)
            left -= len(data)
            self._fetched += len(data)
            if self._fetched > self._most:
                raise BrokenError(f"it unpacks to more than {self._most >> 20} MiB")
            self.tail = (self.tail + data[-self._TAIL :])[-self._TAIL :]
        self._buffer, self._used = b"".join(parts), 0

    def tell(self) -> int:
        """How far it was read."""
        return self._fetched - len(self._buffer) + self._used

    def seek(self, to: int) -> None:
        """Read on up to there, or up to the end."""
        left = to - self.tell()
        if left < 0:
            raise BrokenError(f"something lies in front of what was read already, at {to:#x}")
        while left > 0 and (data := self.read(min(left, self._MOST_AT_ONCE))):
            left -= len(data)

    def exactly(self, size: int, what: str) -> bytes:
        """`size` bytes; EOFError where the stream ends before."""
        data = self.read(size)
        if len(data) < size:
            raise EOFError(f"{what} ends after {len(data)} of {size} bytes")
        return data


class Part(io.RawIOBase):
    """The next `size` bytes of a stream."""

    def __init__(self, stream: Bounded, size: int) -> None:
        self._stream, self._end = stream, stream.tell() + size

    def read(self, size: int = -1) -> bytes:
        """The next bytes; fewer where the stream ends."""
        left = self._end - self._stream.tell()
        return self._stream.read(min(left, size) if size >= 0 else left)


def decompressed(file: Stream, start: bytes) -> Stream:
    """A stream of what was compressed, by how the file starts, with `start`; the file itself where it is not."""
    make = next((make for magic, make in _STARTS if start.startswith(magic)), None)
    return Unpacked(file, make) if make else file
