"""Bring a build's outputs out of its container. What comes out is hostile: only plain files, only below the folder.

What is there was looked up first (`inside.listed_inside`), so that each file is asked for by its own name, and no more
of it is read than was found. Names come from that list alone: what an archive says of itself is compared, never obeyed.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from buildproof.errors import EngineError
from buildproof.hostile import harmless_line, is_harmless_line
from buildproof.layout import SOURCE
from buildproof.pod import Pod
from buildproof.probe.outputs import LINK_ABOVE, matches
from buildproof.units import size

__all__ = ["MOST_BYTES", "MOST_FILES", "Collected", "Found", "Listing", "collect", "matches"]

MOST_FILES = 1000
MOST_BYTES = 4 << 30  # of all files together
_OVERHEAD = 64 << 10  # what an archive of one file has around it: headers, padding, the end mark
_COPY_BYTES = 1 << 20
_UNWRITABLE = {errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ}


@dataclass(frozen=True)
class Found:
    """What lies at one path of the source tree; size in bytes."""

    name: str
    kind: str
    size: int = 0


@dataclass(frozen=True)
class Listing:
    """What one artifact pattern matches, or why that cannot be said."""

    found: tuple[Found, ...] = ()
    complaint: str | None = None


@dataclass(frozen=True)
class Collected:
    """One output: its path in the source tree and where it lies now; None for one that could not be had."""

    name: str
    path: Path | None
    complaint: str | None = None


class _RefusedError(Exception):
    """A file is not what was found before."""


class _Stream(io.RawIOBase):
    """A chunk iterator as a readable file, for tarfile's stream mode; more than `most` bytes are refused."""

    def __init__(self, chunks: Iterator[bytes], most: int) -> None:
        self._chunks, self._left, self._rest = chunks, most, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._left -= len(chunk)
            if self._left < 0:
                raise _RefusedError("more came out of the container than was found in it")
            self._rest += chunk
        cut = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:cut], self._rest[cut:]
        return data

    def drain(self) -> None:
        """Read what is left, so that the connection can be used again."""
        while self.read(_COPY_BYTES):
            pass


def collect(pod: Pod, listings: Mapping[str, Listing], folder: Path) -> list[Collected]:
    """Copy every file that was found to the same path below `folder`; a pattern that has none is reported as such.

    Raises EngineError for an archive that is damaged.
    """
    outputs: dict[str, Collected] = {}
    left = MOST_BYTES
    for pattern, listing in listings.items():
        complaint = listing.complaint or f"no file matches the artifact pattern {pattern!r}"
        if listing.complaint or not listing.found:
            outputs[pattern] = Collected(pattern, None, complaint)
        for found in listing.found:
            if found.name in outputs:
                continue
            why = _why_not(found, left)
            name = harmless_line(found.name)
            outputs[found.name] = Collected(name, None, f"{name} {why}") if why else _take(pod, found, folder)
            left -= found.size if outputs[found.name].path else 0
    return list(outputs.values())


def _why_not(found: Found, left: int) -> str | None:
    """Why a thing that matches is not taken out."""
    path = PurePosixPath(found.name)
    if found.kind in {"link", LINK_ABOVE}:
        what = "the file itself as the artifact" if found.kind == "link" else "the folder that it leads to"
        return f"is a link: name {what}"
    if found.kind != "file":
        return f"is a {found.kind}, no plain file"
    if path.is_absolute() or ".." in path.parts:
        return "would leave the artifact folder: refused"
    if not is_harmless_line(found.name):
        return "has characters in its name that cannot be seen: refused"
    if found.size > left:
        return f"is {size(found.size)}: all outputs of a build together may be {size(MOST_BYTES)}"
    return None


def _take(pod: Pod, found: Found, folder: Path) -> Collected:
    chunks = pod.get(str(SOURCE / found.name))
    if chunks is None:
        return Collected(found.name, None, f"{found.name} is not what was found: the engine does not find it")
    try:
        with contextlib.closing(chunks):
            return Collected(found.name, _unpack(_Stream(chunks, found.size + _OVERHEAD), found, folder))
    except _RefusedError as error:
        return Collected(found.name, None, f"{found.name} is not what was found: {error}")
    except tarfile.TarError as error:
        raise EngineError(f"{found.name} came out of the container as a damaged archive: {error}") from error
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        return Collected(found.name, None, f"{found.name} cannot be written here: {error.strerror}")


def _unpack(stream: _Stream, found: Found, folder: Path) -> Path:
    """Write the one file of an archive: never through a link, never over another, with a mode of our own.

    One that cannot be written whole is not kept: a disk that it filled has to have room for the record.
    """
    target = folder.joinpath(*PurePosixPath(found.name).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        member = tar.next()
        if member is None or not member.isreg() or member.issparse() or member.size != found.size:
            raise _RefusedError("the archive does not hold one plain file of that size")
        content = tar.extractfile(member)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb") as out:
                while content and (data := content.read(_COPY_BYTES)):
                    out.write(data)
                os.fchmod(out.fileno(), 0o755)
        except BaseException:
            target.unlink()
            raise
    stream.drain()
    return target
