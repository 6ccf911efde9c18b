"""A source tree as a list of entries with one digest, and as a tar stream; the user's tree is only read."""

from __future__ import annotations

import fnmatch
import hashlib
import lzma
import os
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from buildproof.errors import InputError, Place
from buildproof.manifest import Folder, Source
from buildproof.sources.download import archive_of, sha256_of
from buildproof.sources.ignore import IgnoreRules


@dataclass(frozen=True)
class Entry:
    """One file, link or folder: its path in the tree, and where it is on disk (for a member of an archive: None)."""

    name: str
    info: tarfile.TarInfo
    digest: str
    origin: Path | None


@dataclass(frozen=True)
class SourceTree:
    """The entries of a source in the order of their names; `origin` is the folder or the archive they came from."""

    origin: Path
    entries: tuple[Entry, ...]

    def digest(self, inputs: Sequence[str] = ()) -> str:
        """One SHA-256 over names, modes and contents; only of the entries that match `inputs`, if any are given."""
        total = hashlib.sha256()
        for entry in self.entries:
            if inputs and not any(fnmatch.fnmatch(entry.name, pattern) for pattern in inputs):
                continue
            total.update(f"{entry.name}\0{entry.info.mode:o}\0{entry.digest}\n".encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def tar(self, owner: tuple[int, int] = (0, 0)) -> IO[bytes]:
        """The tree as an uncompressed tar in an unnamed temporary file, to be closed by the caller.

        All of it belongs to the user and group `owner`.
        """
        file = tempfile.TemporaryFile()  # noqa: SIM115 (handed to the caller)
        with tarfile.open(fileobj=file, mode="w") as out:
            if self.origin.is_dir():
                for entry in self.entries:
                    _add(out, entry, owner)
            else:
                for info, content in _members(self.origin):
                    out.addfile(_owned(info, owner), content)
        file.seek(0)
        return file


def _add(out: tarfile.TarFile, entry: Entry, owner: tuple[int, int]) -> None:
    info = _owned(entry.info, owner)
    if entry.origin and info.isreg():
        with entry.origin.open("rb") as content:
            out.addfile(info, content)
    else:
        out.addfile(info)


def _owned(info: tarfile.TarInfo, owner: tuple[int, int]) -> tarfile.TarInfo:
    return info.replace(uid=owner[0], gid=owner[1], deep=False)


def open_source(source: Source, *, ca_bundle: Path | None, where: Place) -> SourceTree:
    """The tree that a manifest's `source` means.

    Raises InputError for what cannot be read, FetchError for what cannot be downloaded.
    """
    if isinstance(source, Folder):
        return SourceTree(source.path, tuple(walk_folder(source.path, IgnoreRules.at_root(source.path), where)))
    archive = archive_of(source, ca_bundle=ca_bundle, where=where)
    try:
        entries = [Entry(info.name, info, _content_digest(info, content), None) for info, content in _members(archive)]
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"cannot read the archive {archive}: {error}", where=where) from error
    return SourceTree(archive, tuple(sorted(entries, key=lambda entry: entry.name)))


def walk_folder(root: Path, rules: IgnoreRules, where: Place) -> Iterator[Entry]:
    """Every entry that no rule leaves behind, sorted by name. Modes become 644 or 755, owners become root."""
    yield from _walk(root, PurePosixPath(), rules, where)


def _walk(folder: Path, inside: PurePosixPath, rules: IgnoreRules, where: Place) -> Iterator[Entry]:
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}", where=where) from error
    for item in found:
        is_folder = item.is_dir(follow_symlinks=False)
        path = inside / item.name
        if rules.ignores(item.name, is_folder=is_folder):
            if is_folder and rules.may_keep_below(item.name):
                yield from _walk(Path(item.path), path, rules.below(Path(item.path), item.name), where)
            continue
        try:
            entry = _entry(Path(item.path), str(path))
        except OSError as error:
            raise InputError(f"cannot read {item.path}: {error.strerror}", where=where) from error
        if entry is None:
            continue
        yield entry
        if is_folder:
            yield from _walk(Path(item.path), path, rules.below(Path(item.path), item.name), where)


def _entry(path: Path, name: str) -> Entry | None:
    """The entry for a path; None for sockets, pipes and devices, which no build needs."""
    status = path.lstat()
    info = tarfile.TarInfo(name)
    info.mtime = int(status.st_mtime)
    info.mode = 0o755 if status.st_mode & 0o111 else 0o644
    if stat.S_ISDIR(status.st_mode):
        info.type, info.mode, digest = tarfile.DIRTYPE, 0o755, "folder"
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, str(path.readlink())
        digest = f"link {info.linkname}"
    elif stat.S_ISREG(status.st_mode):
        info.size, digest = status.st_size, sha256_of(path)
    else:
        return None
    return Entry(name, info, digest, path)


def _members(archive: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """The members below the archive's single top folder; tarfile's `data` filter, PEP 706, keeps them inside."""
    tops: set[str] = set()
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if member.name.startswith("._"):  # what macOS's tar writes beside the top folder
                continue
            tops.update(path.parts[:1])
            if len(tops) > 1 or (len(path.parts) == 1 and not member.isdir()):
                raise tarfile.ReadError(f"{member.name} does not lie in a single top folder, as all of it should")
            if len(path.parts) < 2:
                continue
            inner = member.replace(name=_below_top(member.name), deep=False)
            if member.islnk():
                inner.linkname = _below_top(member.linkname)
            safe = tarfile.data_filter(inner, "/buildproof")
            # The filter leaves no mode to folders and links: they get those of a folder's tree.
            mode = safe.mode if safe.mode is not None else 0o777 if safe.issym() else 0o755
            plain = safe.replace(mode=mode, uid=0, gid=0, uname="", gname="", deep=False)
            yield plain, tar.extractfile(member) if member.isreg() else None


def _below_top(name: str) -> str:
    return str(PurePosixPath(*PurePosixPath(name).parts[1:]))


def _content_digest(info: tarfile.TarInfo, content: IO[bytes] | None) -> str:
    return hashlib.sha256(content.read()).hexdigest() if content else f"{info.type!r} {info.linkname}"
