"""RPM packages: rpm.org, "RPM V3 Package format", "V4" and "V6"; LSB 5.0 Core, chapter 25, "Package Format".

A lead that nobody reads, a header of signatures, the header, and a compressed cpio archive. What the headers say of
sizes and digests is compared before anything is unpacked.
"""

from __future__ import annotations

import hashlib
import lzma
import stat
import struct
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from buildproof.artifacts.reader import OutOfFileError, Reader
from buildproof.bundles.cpio import Known, cpio_members
from buildproof.bundles.member import BrokenError, Member, Stream, told
from buildproof.bundles.streams import Bounded, Unpacked, Window, decompressed, most_unpacked, xz

_LEAD, _LEAD_MAGIC = 96, b"\xed\xab\xee\xdb"
_HEADER, _HEADER_MAGIC = struct.Struct(">4s4xII"), b"\x8e\xad\xe8\x01"
_ENTRY = struct.Struct(">IIII")  # tag, type, offset, count
_MOST_ENTRIES, _MOST_DATA = 0xFFFF, 32 << 20  # of a header; rpm itself takes 256 MiB
_MOST_FILES = 1_000_000
_INTEGERS = {2: "B", 3: "H", 4: "I", 5: "Q"}  # INT8 to INT64
_STRING, _BIN, _STRINGS, _I18N = 6, 7, 8, 9

# Tags of the signature header.
_LONG_SIZE, _SHA1, _SHA256, _SIZE, _MD5 = 270, 269, 273, 1000, 1004
# Tags of the header.
_FILE_SIZES, _LONG_FILE_SIZES, _FILE_MODES, _DEVICES, _INODES = 1028, 5008, 1030, 1095, 1096
_DIR_INDEXES, _BASE_NAMES, _DIR_NAMES = 1116, 1117, 1118
_PAYLOAD_FORMAT, _COMPRESSOR, _PAYLOAD_DIGEST, _DIGEST_ALGORITHM = 1124, 1125, 5092, 5093
_ALGORITHMS = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}  # RFC 4880, 9.4


class _Header:
    """One header: its entries by tag, whose values are read when somebody asks."""

    def __init__(self, data: bytes) -> None:
        reader = Reader(data)
        _, count, size = reader.unpack(_HEADER, 0, "a header")
        self._store = Reader(data[_HEADER.size + count * _ENTRY.size :])
        self._store.require(0, size, "a header's data")
        entries = reader.table(_ENTRY, _HEADER.size, count, "a header's entries")
        self._entries = {tag: (kind, at, number) for tag, kind, at, number in entries}

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The integers under a tag; none where there is no such entry."""
        kind, at, count = self._entries.get(tag, (4, 0, 0))
        if kind not in _INTEGERS or count > _MOST_FILES:
            raise BrokenError(f"header entry {tag} is {count} values of type {kind}")
        return self._store.unpack(struct.Struct(f">{count}{_INTEGERS[kind]}"), at, f"header entry {tag}")

    def texts(self, tag: int) -> list[str]:
        """The strings under a tag; none where there is no such entry."""
        kind, at, count = self._entries.get(tag, (_STRINGS, 0, 0))
        if kind not in (_STRING, _STRINGS, _I18N) or count > _MOST_FILES:
            raise BrokenError(f"header entry {tag} is {count} values of type {kind}")
        found: list[str] = []
        for _ in range(count):
            text = self._store.text(at, self._store.size)
            if text is None:
                raise BrokenError(f"header entry {tag} has {count} texts, of which {len(found)} are there")
            found.append(text.decode("utf-8", "replace"))
            at += len(text) + 1
        return found

    def binary(self, tag: int) -> bytes | None:
        """The bytes under a tag."""
        if tag not in self._entries:
            return None
        _, at, count = self._entries[tag]
        return self._store.read(at, count, f"header entry {tag}")


def rpm_members(path: Path) -> Iterator[Member]:
    """The members of an RPM package. Raises BrokenError where it is damaged, or is of a kind that is not read here."""
    with told(), path.open("rb") as file:
        size = path.stat().st_size
        try:
            if file.read(_LEAD)[:4] != _LEAD_MAGIC:
                raise BrokenError("it is no RPM package: it does not start like one")
            signature = _header(file, _LEAD, size, "the header of signatures")
            start = -(-(_LEAD + len(signature)) // 8) * 8
            data = _header(file, start, size, "the header")
            header, payload = _Header(data), start + len(data)
            for problem in _problems(file, _Header(signature), header, data, (start, payload, size)):
                raise BrokenError(problem)
            stream = Bounded(_payload(file, header, payload, size), most_unpacked(size))
            yield from cpio_members(stream, _files(header))
        except OutOfFileError as error:
            raise BrokenError(f"{error.what} is cut") from error
        while stream.read(1 << 20):  # to the compressor's checksum
            pass


def _header(file: IO[bytes], at: int, size: int, what: str) -> bytes:
    file.seek(at)
    start = file.read(_HEADER.size)
    if len(start) < _HEADER.size or start[:4] != _HEADER_MAGIC:
        raise BrokenError(f"{what} does not start at {at:#x}, where it has to")
    _, entries, data = _HEADER.unpack(start)
    length = entries * _ENTRY.size + data
    if entries > _MOST_ENTRIES or data > _MOST_DATA:
        raise BrokenError(f"{what} has {entries} entries and {data} bytes of data")
    if at + _HEADER.size + length > size:
        raise BrokenError(f"{what} has {length} bytes at {at:#x}, of which {size - at - _HEADER.size} are there")
    return start + file.read(length)


def _problems(
    file: IO[bytes], signature: _Header, header: _Header, data: bytes, places: tuple[int, int, int]
) -> Iterator[str]:
    """Where the package is not what its headers say."""
    start, payload, size = places
    for declared in (*signature.numbers(_SIZE), *signature.numbers(_LONG_SIZE)):
        if declared != size - start:
            yield f"header and payload have {size - start} bytes, and {declared} by the signature"
    for tag, name in ((_SHA1, "sha1"), (_SHA256, "sha256")):
        for text in signature.texts(tag):
            if text != _digest(name, [data]):
                yield f"the {name} of the header is not that in the signature"
    md5 = signature.binary(_MD5)
    if md5 is not None and md5.hex() != _digest("md5", _chunks(file, start)):
        yield "the md5 of header and payload is not that in the signature"
    for text, number in zip(header.texts(_PAYLOAD_DIGEST), header.numbers(_DIGEST_ALGORITHM), strict=False):
        if number in _ALGORITHMS and text != _digest(_ALGORITHMS[number], _chunks(file, payload)):
            yield f"the {_ALGORITHMS[number]} of the payload is not that in the header"


def _digest(algorithm: str, chunks: Iterable[bytes]) -> str:
    digest: Any = hashlib.new(algorithm, usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return str(digest.hexdigest())


def _chunks(file: IO[bytes], start: int) -> Iterator[bytes]:
    file.seek(start)
    yield from iter(partial(file.read, 1 << 20), b"")


def _payload(file: IO[bytes], header: _Header, start: int, size: int) -> Stream:
    form = header.texts(_PAYLOAD_FORMAT) or ["cpio"]
    if form != ["cpio"]:
        raise BrokenError(f"its payload is {form[0]}, which is not read here, and no cpio archive")
    if header.texts(_COMPRESSOR) == ["lzma"]:  # the format of .lzma has no magic number
        return Unpacked(Window(file, start, size - start), partial(xz, lzma.FORMAT_ALONE))
    head = Window(file, start, size - start).read(6)
    return decompressed(Window(file, start, size - start), head)


def _files(header: _Header) -> list[Known]:
    """What a stripped archive leaves out. Symbolic links have a content, of hard links the last has it."""
    folders, indexes, names = header.texts(_DIR_NAMES), header.numbers(_DIR_INDEXES), header.texts(_BASE_NAMES)
    sizes, modes = header.numbers(_LONG_FILE_SIZES) or header.numbers(_FILE_SIZES), header.numbers(_FILE_MODES)
    inodes = list(zip(header.numbers(_DEVICES), header.numbers(_INODES), strict=False))
    inodes = inodes or [(0, number) for number in range(len(names))]
    if not len(names) == len(indexes) == len(sizes) == len(modes) == len(inodes):
        raise BrokenError("the header's lists of files differ in length")
    if any(index >= len(folders) for index in indexes):
        raise BrokenError(f"a file of the header lies in a folder that is none of its {len(folders)}")
    last = {inode: number for number, inode in enumerate(inodes)}
    found = []
    for number, (name, index, mode) in enumerate(zip(names, indexes, modes, strict=True)):
        content = stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and last[inodes[number]] == number)
        found.append(Known(name=f".{folders[index]}{name}", mode=mode, size=sizes[number] if content else 0))
    return found
