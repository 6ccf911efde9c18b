"""What is in a package, member by member, in the order of the file. Nothing is ever written where a member says.

ZIP, tar (plain, gzip, xz, bzip2) and Debian packages are read by Python's own zipfile and tarfile. A member's content
is read to its end, so that checksums are compared; reading raises BrokenError where the package is damaged.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_AR_MAGIC, _AR_HEADER = b"!<arch>\n", 60
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError,
    NotImplementedError,
)  # fmt: skip
_MOST_AR_MEMBERS = 100
_TAR_END = 1024  # bytes
_MOST_PADDING = 64 << 20  # bytes behind the end mark


class BrokenError(Exception):
    """The package cannot be read to its end."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One entry. `size` is what the package says; `link` is where a link points, None for what is none.

    `open` gives the content of a regular file, once, and before the next member is asked for.
    """

    name: str
    size: int
    regular: bool
    link: str | None
    special: bool
    open: Callable[[], IO[bytes]]


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise BrokenError(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error


def zip_members(path: Path) -> Iterator[Member]:
    """The members of a ZIP archive."""
    with _told(), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = info.external_attr >> 16
            link = stat.S_ISLNK(kind)

            def content(info: zipfile.ZipInfo = info) -> IO[bytes]:
                return archive.open(info)

            target = archive.read(info).decode("utf-8", "replace") if link and info.file_size < 4096 else None
            yield Member(
                name=info.filename,
                size=info.file_size,
                regular=not info.is_dir() and not link,
                link=target if link else None,
                special=False,
                open=content,
            )


def tar_members(path: Path) -> Iterator[Member]:
    """The members of a tar archive, whatever it is compressed with."""
    with path.open("rb") as file:
        yield from _tar(file)


def deb_members(path: Path) -> Iterator[Member]:
    """The members of a Debian package's data: deb(5), an ar archive with a tar archive in it."""
    with path.open("rb") as file:
        if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
            raise BrokenError("it is no ar archive, which a Debian package is")
        for _ in range(_MOST_AR_MEMBERS):
            header = file.read(_AR_HEADER)
            if len(header) < _AR_HEADER or header[58:] != b"`\n" or not header[48:58].strip().isdigit():
                raise BrokenError("it has no data.tar, or ends in front of it")
            name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
            if name.startswith("data.tar"):
                content = file.read(size)
                if len(content) < size:
                    raise BrokenError(f"{name} has {size} bytes, of which {len(content)} are there")
                yield from _tar(io.BytesIO(content))
                return
            file.seek(size + size % 2, io.SEEK_CUR)
    raise BrokenError("it has no data.tar")


def _tar(file: IO[bytes]) -> Iterator[Member]:
    with _told():
        stream = _Whole(_decompressed(file))
        yield from _tar_members(stream)
        stream.drain()
        if any(stream.tail) or len(stream.tail) < _TAR_END:
            raise BrokenError("it has no end mark, two blocks of zeros, behind its last member")


class _Whole:
    """A stream that is read to its very end: tarfile stops at the end mark, in front of the compressor's checksum."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.tail = b""  # the last bytes that were read

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.tail = (self.tail + data)[-_TAR_END:]
        return data

    def drain(self) -> None:
        left = _MOST_PADDING
        while left > 0 and (data := self.read(1 << 20)):
            left -= len(data)
        if left <= 0:
            raise BrokenError(f"over {_MOST_PADDING >> 20} MiB stand behind its last member")


def _tar_members(stream: _Whole) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
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


def _decompressed(file: IO[bytes]) -> IO[bytes]:
    """A stream of the plain tar; tarfile's own `r|*` would not compare the checksum behind the last member."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(file, "rb")  # type: ignore[return-value]
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.open(file, "rb")
    if start.startswith(b"BZh"):
        return bz2.open(file, "rb")
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        raise BrokenError("it is compressed with zstd, which is not read here")
    return file
