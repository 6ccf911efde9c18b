"""squashfs 4.0 file systems, which AppImages carry: squashfs-tools-ng, doc/format.adoc; Linux, squashfs_fs.h.

Everything is bounds-checked. A folder is read once, so that a circle of folders is damage; a file is read from its own
blocks and its fragment, and how much is unpacked for that in all is bounded.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

from buildproof.bundles.member import BrokenError, Member
from buildproof.bundles.squashfs_blocks import METADATA, UNCOMPRESSED, Blocks, Cursor
from buildproof.bundles.streams import most_unpacked

_HEADER = struct.Struct("<4H2I")  # of an inode: type, mode, uid, gid, mtime, number
_FRAGMENT = struct.Struct("<QII")
_ENTRIES, _ENTRY = struct.Struct("<3I"), struct.Struct("<HhHH")
_DIR, _FILE, _LINK, _EXTENDED = 1, 2, 3, 7  # an extended inode's type is the basic one's plus 7
_FOLDERS = {_DIR: struct.Struct("<IIHHI"), _DIR + _EXTENDED: struct.Struct("<IIIIHHI")}
_FILES = {_FILE: struct.Struct("<4I"), _FILE + _EXTENDED: struct.Struct("<3Q4I")}
_SYMLINK = struct.Struct("<II")
_NO_FRAGMENT = 0xFFFFFFFF
_LONGEST_NAME, _DEEPEST = 4096, 200  # PATH_MAX; and folders in each other


class _File(NamedTuple):
    start: int
    size: int
    fragment: int
    offset: int
    blocks: tuple[int, ...]


def squashfs_members(file: IO[bytes], start: int, end: int) -> Iterator[Member]:
    """What is in the image that `file` has at `start` up to `end`, the root aside.

    Raises BrokenError where it is damaged, NotOpenedError where it is compressed with what is not read here.
    """
    yield from _Image(Blocks(file, start, end)).members()


class _Image:
    def __init__(self, blocks: Blocks) -> None:
        self._blocks, self._super = blocks, blocks.super
        self._seen: set[int] = set()

    def members(self) -> Iterator[Member]:
        pending = [("", self._super.root)]
        while pending:
            folder, reference = pending.pop()
            if reference in self._seen:
                raise BrokenError(f"the folder {folder or '/'} is there twice: in itself, or in two others")
            self._seen.add(reference)
            if folder.count("/") > _DEEPEST:
                raise BrokenError(f"over {_DEEPEST} folders are in each other")
            for name, where in self._folder(reference):
                path = f"{folder}/{name}" if folder else name
                if len(path) > _LONGEST_NAME:
                    raise BrokenError(f"a path has {len(path)} characters")
                member, is_folder = self._member(path, where)
                yield member
                if is_folder:
                    pending.append((path, where))

    def _inode(self, reference: int) -> tuple[int, Cursor]:
        cursor = Cursor(self._blocks, self._super.inode_table + (reference >> 16), reference & 0xFFFF)
        return cursor.unpack(_HEADER)[0], cursor

    def _folder(self, reference: int) -> Iterator[tuple[str, int]]:
        """Names in a folder, with the references of their inodes."""
        kind, cursor = self._inode(reference)
        if kind == _DIR:
            block, _, size, offset, _ = cursor.unpack(_FOLDERS[kind])
        elif kind == _DIR + _EXTENDED:
            _, size, block, _, _, offset, _ = cursor.unpack(_FOLDERS[kind])
        else:
            raise BrokenError(f"a folder is an inode of type {kind}")
        left = size - 3  # the entries . and .., which are not stored
        if left <= 0:
            return
        listing = Cursor(self._blocks, self._super.directory_table + block, offset)
        while left > 0:
            count, inodes, _ = listing.unpack(_ENTRIES)
            left -= _ENTRIES.size
            for _ in range(count + 1):
                at, _, _, length = listing.unpack(_ENTRY)
                yield listing.read(length + 1).decode("utf-8", "replace"), (inodes << 16) + at
                left -= _ENTRY.size + length + 1
                if left < 0:
                    raise BrokenError("a folder's entries go on behind its end")

    def _member(self, path: str, reference: int) -> tuple[Member, bool]:
        kind, cursor = self._inode(reference)
        basic = kind - _EXTENDED if kind > _EXTENDED else kind
        link = None
        content = _File(0, 0, _NO_FRAGMENT, 0, ())
        if basic == _FILE:
            content = self._file(path, kind, cursor)
        elif basic == _LINK:
            _, size = cursor.unpack(_SYMLINK)
            if size > _LONGEST_NAME:
                raise BrokenError(f"{path} is a link with a target of {size} bytes")
            link = cursor.read(size).decode("utf-8", "replace")
        elif not _DIR <= basic <= _EXTENDED:
            raise BrokenError(f"{path} is an inode of type {kind}")
        member = Member(
            name=path,
            size=content.size,
            regular=basic == _FILE,
            link=link,
            special=basic not in (_DIR, _FILE, _LINK),
            open=lambda: io.BufferedReader(_Content(self._pieces(path, content))),
        )
        return member, basic == _DIR

    def _file(self, path: str, kind: int, cursor: Cursor) -> _File:
        if kind == _FILE:
            start, fragment, offset, size = cursor.unpack(_FILES[kind])
        else:
            start, size, _, _, fragment, offset, _ = cursor.unpack(_FILES[kind])
        if size > most_unpacked(self._super.bytes_used):
            raise BrokenError(f"{path} unpacks to {size} bytes")
        whole, rest = divmod(size, self._super.block_size)
        count = whole + (1 if rest and fragment == _NO_FRAGMENT else 0)
        return _File(start, size, fragment, offset, struct.unpack(f"<{count}I", cursor.read(4 * count)))

    def _pieces(self, path: str, content: _File) -> Iterator[bytes]:
        at, left = content.start, content.size
        for word in content.blocks:
            length = min(left, self._super.block_size)
            data = self._blocks.data(at, word, length) if word else bytes(length)
            if len(data) != length:
                raise BrokenError(f"a block of {path} has {len(data)} bytes, not {length}")
            at, left = at + (word & ~UNCOMPRESSED), left - length
            yield data
        if content.fragment != _NO_FRAGMENT and left:
            block = self._blocks.fragment(*self._fragment(content.fragment))
            data = block[content.offset : content.offset + left]
            if len(data) != left:
                raise BrokenError(f"the end of {path} lies outside of its fragment of {len(block)} bytes")
            yield data

    def _fragment(self, number: int) -> tuple[int, int]:
        if number >= self._super.fragments:
            raise BrokenError(f"a file ends in fragment {number} of {self._super.fragments}")
        block, place = divmod(number * _FRAGMENT.size, METADATA)
        pointer = self._blocks.raw(self._super.fragment_table + 8 * block, 8, "the table of fragments")
        cursor = Cursor(self._blocks, int.from_bytes(pointer, "little"), place)
        at, word, _ = cursor.unpack(_FRAGMENT)
        return at, word


class _Content(io.RawIOBase):
    """A file out of its pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
