"""ZIP, tar and Debian packages, member by member, in the order of the file. Nothing is written where a member says.

They are read by Python's own zipfile and tarfile. A member's content is read to its end, so that checksums are
compared; reading raises BrokenError where the package is damaged.
"""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from buildproof.bundles.ar import ar_members
from buildproof.bundles.member import BrokenError, Member, told
from buildproof.bundles.streams import Bounded, Window, decompressed, most_unpacked

_ZIP_END, _ZIP64_END = struct.Struct("<4s4HIIH"), struct.Struct("<4sQHHIIQQQQ")
_MOST_ZIP_DIRECTORY = 16 << 20  # bytes: zipfile makes objects of all its entries, of 46 bytes each at least, at once
_MOST_PADDING = 64 << 20  # bytes behind the end mark


def zip_members(path: Path) -> Iterator[Member]:
    """The members of a ZIP archive."""
    with told(), path.open("rb") as file:
        _bound_directory(file)
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                yield _zip_member(archive, info)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    link = stat.S_ISLNK(info.external_attr >> 16)
    target = archive.read(info).decode("utf-8", "replace") if link and info.file_size < 4096 else None
    return Member(
        name=info.filename,
        size=info.file_size,
        regular=not info.is_dir() and not link,
        link=target if link else None,
        special=False,
        open=lambda: archive.open(info),
    )


def _bound_directory(file: IO[bytes]) -> None:
    """Refuse a directory that would fill the memory: APPNOTE.TXT, 4.3.14 and 4.3.16."""
    size = file.seek(0, io.SEEK_END)
    start = max(0, size - _ZIP_END.size - 0xFFFF - 20 - _ZIP64_END.size)
    file.seek(start)
    end = file.read()
    sizes = []
    at = end.rfind(b"PK\x05\x06")
    if at >= 0 and len(end) - at >= _ZIP_END.size:
        sizes.append(_ZIP_END.unpack_from(end, at)[5])
    at = end.rfind(b"PK\x06\x06")
    if at >= 0 and len(end) - at >= _ZIP64_END.size:
        sizes.append(_ZIP64_END.unpack_from(end, at)[8])
    for directory in sizes:
        if _MOST_ZIP_DIRECTORY < directory <= size:
            raise BrokenError(f"its directory of members has {directory} bytes, over {_MOST_ZIP_DIRECTORY >> 20} MiB")


def tar_members(path: Path) -> Iterator[Member]:
    """The members of a tar archive, whatever it is compressed with."""
    with told(), path.open("rb") as file:
        size = path.stat().st_size
        yield from _tar(file, 0, size)


def deb_members(path: Path) -> Iterator[Member]:
    """The members of a Debian package's data: deb(5), an ar archive with a tar archive in it."""
    with told(), path.open("rb") as file:
        for entry in ar_members(file, "a Debian package"):
            if entry.name.startswith("data.tar"):
                yield from _tar(file, entry.start, entry.size)
                return
    raise BrokenError("it has no data.tar")


def _tar(file: IO[bytes], start: int, size: int) -> Iterator[Member]:
    head = Window(file, start, size).read(6)
    stream = Bounded(decompressed(Window(file, start, size), head), most_unpacked(size))
    yield from _tar_members(stream)
    # tarfile stops at the end mark, in front of the compressor's checksum.
    end = stream.tell() + _MOST_PADDING
    stream.seek(end)
    if stream.tell() >= end:
        raise BrokenError(f"over {_MOST_PADDING >> 20} MiB stand behind its last member")
    if any(stream.tail) or len(stream.tail) < tarfile.BLOCKSIZE * 2:
        raise BrokenError("it has no end mark, two blocks of zeros, behind its last member")


def _tar_members(stream: Bounded) -> Iterator[Member]:
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as archive:
        for info in archive:

            def content(info: tarfile.TarInfo = info) -> IO[bytes]:
                return archive.extractfile(info) or io.BytesIO()

            yield Member(
                name=info.name,
                size=info.size,
                regular=info.isreg(),
                link=info.linkname if info.issym() or info.islnk() else None,
                special=not (info.isreg() or info.isdir() or info.issym() or info.islnk()),
                open=content,
            )
