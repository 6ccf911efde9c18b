"""Bring a build's outputs out of its container. What comes out is hostile: only plain files, only below the folder."""

from __future__ import annotations

import fnmatch
import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from buildproof.errors import InputError
from buildproof.layout import SOURCE
from buildproof.pod import Pod

_WILD = re.compile(r"[*?\[]")
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Collected:
    """One output: its path in the source tree and where it lies now; None for a pattern that matched nothing."""

    name: str
    path: Path | None
    complaint: str | None = None


class _Stream(io.RawIOBase):
    """A chunk iterator as a readable file, for tarfile's stream mode."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest += chunk
        cut = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:cut], self._rest[cut:]
        return data


def collect(pod: Pod, patterns: tuple[str, ...], folder: Path) -> list[Collected]:
    """Copy every file that matches one of `patterns` below `folder`; a pattern without a match is reported as such."""
    found: list[Collected] = []
    for pattern in patterns:
        matched = list(_matching(pod, pattern, folder))
        known = {item.name for item in found}
        found += [item for item in matched if item.name not in known]
        if not matched:
            found.append(Collected(pattern, None, f"no file matches the artifact pattern {pattern!r}"))
    return found


def fixed_part(pattern: str) -> PurePosixPath:
    """The part of a glob before its first wildcard: what has to be asked of the engine."""
    parts = PurePosixPath(pattern).parts
    wild = next((index for index, part in enumerate(parts) if _WILD.search(part)), len(parts))
    return PurePosixPath(*parts[:wild])


def _matching(pod: Pod, pattern: str, folder: Path) -> Iterator[Collected]:
    asked = fixed_part(pattern)
    chunks = pod.get(str(SOURCE / asked))
    if chunks is None:
        return
    above = asked.parent if asked.parts else PurePosixPath()
    try:
        with tarfile.open(fileobj=_Stream(chunks), mode="r|") as tar:
            for member in tar:
                inside = (
                    PurePosixPath(member.name) if asked.parts else PurePosixPath(*PurePosixPath(member.name).parts[1:])
                )
                name = above / inside
                if not matches(str(name), pattern) or member.isdir():
                    continue
                yield _take(tar, member, name, folder)
    except tarfile.TarError as error:
        raise InputError(f"the artifacts came out of the container as a damaged archive: {error}") from error


def matches(name: str, pattern: str) -> bool:
    """Glob match, part by part; `**` stands for any number of folders."""
    return _parts_match(PurePosixPath(name).parts, PurePosixPath(pattern).parts)


def _parts_match(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_parts_match(parts[skip:], patterns[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], patterns[0]) and _parts_match(parts[1:], patterns[1:])


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, name: PurePosixPath, folder: Path) -> Collected:
    if not member.isreg():
        kind = "a link" if member.issym() or member.islnk() else "no plain file"
        return Collected(str(name), None, f"{name} is {kind}: name the file itself as the artifact")
    if name.is_absolute() or ".." in name.parts:
        return Collected(str(name), None, f"{name} would leave the artifact folder: refused")
    target = folder.joinpath(*name.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    with target.open("wb") as out:
        while content and (data := content.read(_COPY_BYTES)):
            out.write(data)
    target.chmod(0o755)
    return Collected(str(name), target)
