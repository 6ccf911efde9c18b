"""One pass through a package: what is in it, what is wrong with that, and its executables, taken out to be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from buildproof.artifacts.file import MAGIC
from buildproof.bundles.members import BrokenError, Member, deb_members, tar_members, zip_members
from buildproof.targets import Format

READERS: dict[str, Callable[[Path], Iterator[Member]]] = {
    ".zip": zip_members,
    ".tar": tar_members,
    ".tar.gz": tar_members,
    ".tgz": tar_members,
    ".tar.xz": tar_members,
    ".txz": tar_members,
    ".tar.bz2": tar_members,
    ".deb": deb_members,
}
MOST_MEMBERS = 100_000
MOST_BYTES = 4 << 30  # that a package may unpack to
_CHUNK = 1 << 20


@dataclass(kw_only=True)
class Contents:
    """What the pass found. `broken` says why it did not come to the end."""

    names: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0  # bytes of all regular members
    unsafe: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    executables: dict[str, Path] = field(default_factory=dict)
    broken: str | None = None


def read_contents(path: Path, suffix: str, kind: Format, folder: Path) -> Contents:
    """Go through the package at `path`; executables of this kind are written to `folder`, under numbers for names."""
    contents = Contents()
    known: set[str] = set()
    try:
        for member in READERS[suffix](path):
            if len(contents.names) >= MOST_MEMBERS:
                contents.broken = f"it has over {MOST_MEMBERS} members"
                break
            contents.names.append(member.name)
            if why := _unsafe(member):
                contents.unsafe.append(f"{member.name} {why}")
            elif member.regular:
                if member.name in known:
                    contents.twice.append(member.name)
                known.add(member.name)
                _take(member, contents, MAGIC[kind], folder)
    except BrokenError as error:
        contents.broken = str(error)
    return contents


def _take(member: Member, contents: Contents, magic: bytes, folder: Path) -> None:
    """Read a member to its end, and keep it where it is an executable."""
    contents.files += 1
    if not member.size:
        contents.empty.append(member.name)
    try:
        with member.open() as content:
            chunk = content.read(_CHUNK)
            target = folder / str(len(contents.executables)) if chunk.startswith(magic) else None
            out = target.open("wb") if target else None
            try:
                while chunk:
                    contents.size += len(chunk)
                    if contents.size > MOST_BYTES:
                        raise BrokenError(f"it unpacks to more than {MOST_BYTES >> 30} GiB")
                    if out:
                        out.write(chunk)
                    chunk = content.read(_CHUNK)
            finally:
                if out:
                    out.close()
            if target:
                contents.executables[member.name] = target
    except BrokenError:
        raise
    except Exception as error:
        # zipfile and tarfile raise their own errors, those of the compressors, OSError, ValueError and others.
        raise BrokenError(f"{member.name} cannot be read: {type(error).__name__}: {error}") from error


def _unsafe(member: Member) -> str | None:
    """Why unpacking this member would touch what is outside of the folder that it is unpacked to."""
    if "\0" in member.name or not _stays_inside(member.name):
        return "would be written outside of the folder"
    if member.special:
        return "is a device or a pipe"
    if member.link is not None:
        home = PurePosixPath(member.name).parent
        absolute = member.link.startswith("/")
        # In a package for a whole system a link may be absolute; it is nothing that unpacking writes through.
        if not absolute and not _stays_inside(str(home / member.link)):
            return f"is a link to {member.link}, outside of the folder"
    return None


def _stays_inside(name: str) -> bool:
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        return False
    depth = 0
    for part in name.replace("\\", "/").split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return False
    return True
