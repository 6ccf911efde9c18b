"""What lies beside an artifact in its folder: libraries that it may need, and what they export."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from buildproof.artifacts.content import NOTHING
from buildproof.artifacts.expectation import Expectation
from buildproof.artifacts.pe.exports import exports
from buildproof.artifacts.pe.image import PeImage
from buildproof.artifacts.reader import MisplacedError, OutOfFileError, Reader
from buildproof.plan import Build
from buildproof.targets import Kind, Target

Neighbours = Mapping[str, Mapping[str, frozenset[str] | None]]
"""Folder -> name -> what the file exports, or None where that is not known; names in lower case too, for Windows."""


def neighbours(files: Iterable[tuple[str, Path]]) -> Neighbours:
    """Of files with these names and at these places, those that lie together."""
    found: dict[str, dict[str, frozenset[str] | None]] = {}
    for name, path in files:
        pure = PurePosixPath(name)
        folder = found.setdefault(str(pure.parent), {})
        folder[pure.name] = folder[pure.name.lower()] = exported_names(path) if is_dll(name) else None
    return found


def expectation(build: Build, name: str, beside: Neighbours) -> Expectation:
    """What `build` promises of its output `name`: its kind by the first glob of `kinds`, or by its name."""
    spec = build.spec
    return Expectation(
        target=build.target,
        kind=next((kind for glob, kind in spec.kinds.items() if fnmatchcase(name, glob)), kind_of(name)),
        windows=build.builder.windows_baseline,
        glibc=build.builder.glibc_baseline,
        libraries=spec.libraries,
        beside=beside_of(name, beside),
        hardening=spec.hardening,
        symbols=spec.symbols,
        size=spec.size_limit,
        contains=spec.contains,
    )


def beside_of(name: str, beside: Neighbours) -> Mapping[str, frozenset[str] | None]:
    """What lies in the folder of `name`, itself left out."""
    pure = PurePosixPath(name)
    return _Others(beside.get(str(pure.parent), {}), pure.name)


class _Others(Mapping[str, frozenset[str] | None]):
    """A folder without one of its files; not a copy, because a folder may have thousands."""

    def __init__(self, folder: Mapping[str, frozenset[str] | None], own: str) -> None:
        self._folder, self._own = folder, (own, own.lower())

    def __getitem__(self, name: str) -> frozenset[str] | None:
        if name in self._own:
            raise KeyError(name)
        return self._folder[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._folder if name not in self._own)

    def __len__(self) -> int:
        return len(self._folder) - sum(name in self._folder for name in set(self._own))


def kind_of(name: str) -> Kind:
    """Whether a file of this name is called a program, a library or an object."""
    parts = name.rpartition("/")[2].lower().split(".")[1:]
    if parts and parts[-1] in ("o", "obj", "ko"):
        return Kind.OBJECT
    return Kind.LIBRARY if "so" in parts or is_dll(name) else Kind.PROGRAM


def is_dll(name: str) -> bool:
    """Whether a file of this name is called a DLL."""
    return name.lower().endswith(".dll")


def exported_names(path: Path) -> frozenset[str] | None:
    """The names that a DLL exports; None where they cannot be read. What is wrong with it, its own checks say."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            table = exports(PeImage(Reader(mapped), NOTHING, Expectation(target=Target.WINDOWS_X86_64)))
    # KeyError: an optional header of a kind that does not exist.
    except (OSError, ValueError, KeyError, OutOfFileError, MisplacedError):
        return None
    return frozenset(table.names) if table else frozenset()
