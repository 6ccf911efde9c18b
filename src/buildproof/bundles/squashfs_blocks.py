"""The blocks of a squashfs image: the superblock, and metadata and data, unpacked and bounded."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import IO, NamedTuple

from buildproof.bundles.member import BrokenError, NotOpenedError
from buildproof.bundles.streams import Decompressor, Zlib, most_unpacked, xz, zstd

MAGIC = b"hsqs"
_SUPERBLOCK = struct.Struct("<4s4I6H8Q")
METADATA = 8192  # bytes of a block of metadata, unpacked
UNCOMPRESSED, _UNCOMPRESSED_METADATA = 1 << 24, 1 << 15
_CACHED_METADATA, _CACHED_DATA = 4096, 8  # blocks
_AGAIN = 4  # how often, on average, a byte may be unpacked: neighbours share fragments

_COMPRESSORS: dict[int, Callable[[], Decompressor]] = {
    1: partial(Zlib, zlib.MAX_WBITS),
    2: partial(xz, lzma.FORMAT_ALONE),
    4: xz,
    6: zstd,
}
_NOT_READ = {3: "LZO", 5: "LZ4"}


class _Super(NamedTuple):
    magic: bytes
    inodes: int
    time: int
    block_size: int
    fragments: int
    compressor: int
    block_log: int
    flags: int
    ids: int
    major: int
    minor: int
    root: int
    bytes_used: int
    id_table: int
    xattr_table: int
    inode_table: int
    directory_table: int
    fragment_table: int
    export_table: int


class Blocks:
    """Blocks of the image, unpacked: the last ones are kept."""

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        self._file, self._start, self._size = file, start, end - start
        head = self.raw(0, _SUPERBLOCK.size, "the superblock")
        self.super = _Super(*_SUPERBLOCK.unpack(head))
        self._check()
        self._left = _AGAIN * most_unpacked(self._size)
        self._data: OrderedDict[int, bytes] = OrderedDict()
        self._metadata: OrderedDict[int, tuple[bytes, int]] = OrderedDict()

    def _check(self) -> None:
        found = self.super
        if found.magic != MAGIC or (found.major, found.minor) != (4, 0):
            raise BrokenError(f"it is no squashfs 4.0, but {found.magic!r} {found.major}.{found.minor}")
        if found.bytes_used > self._size:
            raise BrokenError(f"the squashfs has {found.bytes_used} bytes, of which {self._size} are there")
        if found.block_size != 1 << found.block_log or not 12 <= found.block_log <= 20:
            raise BrokenError(f"its blocks have {found.block_size} bytes, and not 2 to the {found.block_log}")
        if found.compressor in _NOT_READ:
            raise NotOpenedError(f"a squashfs compressed with {_NOT_READ[found.compressor]}")
        if found.compressor not in _COMPRESSORS:
            raise BrokenError(f"its compressor has the number {found.compressor}, which does not exist")
        self._size = found.bytes_used

    def raw(self, at: int, size: int, what: str) -> bytes:
        """Bytes of the image."""
        if at + size > self._size:
            raise BrokenError(f"{what} at {at:#x} has {size} bytes and lies outside of the image of {self._size}")
        self._file.seek(self._start + at)
        return self._file.read(size)

    def data(self, at: int, word: int, most: int) -> bytes:
        """The data block at `at` whose entry is `word`: of up to `most` bytes."""
        size = word & ~UNCOMPRESSED
        if size > self.super.block_size:
            raise BrokenError(f"a data block at {at:#x} has {size} bytes, over {self.super.block_size}")
        packed = self.raw(at, size, "a data block")
        return packed[:most] if word & UNCOMPRESSED else self._unpacked(packed, most)

    def fragment(self, at: int, word: int) -> bytes:
        """A fragment block, of which several files have a part each."""
        if at not in self._data:
            self._data[at] = self.data(at, word, self.super.block_size)
            if len(self._data) > _CACHED_DATA:
                self._data.popitem(last=False)
        return self._data[at]

    def metadata(self, at: int) -> tuple[bytes, int]:
        """The metadata block at `at`, and where the next one begins."""
        if at not in self._metadata:
            word = int.from_bytes(self.raw(at, 2, "a metadata block"), "little")
            size = word & ~_UNCOMPRESSED_METADATA
            packed = self.raw(at + 2, size, "a metadata block")
            data = packed if word & _UNCOMPRESSED_METADATA else self._unpacked(packed, METADATA)
            if not 0 < len(data) <= METADATA:
                raise BrokenError(f"the metadata block at {at:#x} unpacks to {len(data)} bytes")
            self._metadata[at] = (data, at + 2 + size)
            if len(self._metadata) > _CACHED_METADATA:
                self._metadata.popitem(last=False)
        return self._metadata[at]

    def _unpacked(self, packed: bytes, most: int) -> bytes:
        stream = _COMPRESSORS[self.super.compressor]()
        data = stream.decompress(packed, most)
        if not stream.eof and (more := stream.decompress(b"", 1) if not stream.needs_input else b""):
            raise BrokenError(f"a block unpacks to more than its {most + len(more) - 1} bytes")
        if not stream.eof:
            raise BrokenError("a block is cut: its compressed data does not come to an end")
        self._left -= len(data)
        if self._left < 0:
            raise BrokenError("the same blocks have to be unpacked over and over")
        return data


class Cursor:
    """Reads on through metadata blocks that follow each other."""

    def __init__(self, blocks: Blocks, block: int, offset: int) -> None:
        self._blocks = blocks
        self._data, self._next = blocks.metadata(block)
        self._at = offset
        if offset > len(self._data):
            raise BrokenError(f"a reference leads to byte {offset} of a metadata block of {len(self._data)}")

    def read(self, size: int) -> bytes:
        """`size` bytes."""
        parts = [self._data[self._at : self._at + size]]
        self._at += size
        missing = size - len(parts[0])
        while missing:
            self._data, self._next = self._blocks.metadata(self._next)
            parts.append(self._data[:missing])
            self._at, missing = len(parts[-1]), missing - len(parts[-1])
        return b"".join(parts)

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """The fields of one structure."""
        return layout.unpack(self.read(layout.size))
