"""What a platform has before anything is installed on it: the data files in `policies/`, read once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

_SCHEMA = 1
Version = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A library that toolchains leave as a dependency, where it comes from, and how a build gets rid of it."""

    pattern: str
    origin: str
    mend: str


@dataclass(frozen=True, kw_only=True)
class WindowsPolicy:
    """`since` has, for each system DLL in lower case, the Windows that first had it."""

    date: date
    default: str
    versions: dict[str, Version]  # from the oldest to the newest, with what the subsystem version must not exceed
    since: dict[str, str]
    leftovers: tuple[Leftover, ...]

    def has(self, dll: str, windows: str) -> bool:
        """Whether that Windows has this DLL."""
        order = list(self.versions)
        first = self.since.get(dll.lower())
        return first is not None and order.index(first) <= order.index(windows)


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """The versions that a distribution's glibc and libstdc++ define at most."""

    name: str
    glibc: Version
    glibcxx: Version
    cxxabi: Version


@dataclass(frozen=True, kw_only=True)
class LinuxPolicy:
    """The libraries that every desktop distribution has, and how old those of some are, the oldest first."""

    date: date
    libraries: frozenset[str]
    distributions: tuple[Distribution, ...]
    leftovers: tuple[Leftover, ...]

    def oldest_from(self, glibc: Version) -> Distribution | None:
        """Of the distributions with this glibc or a newer one, that with the oldest libstdc++; None beyond them all."""
        later = [distribution for distribution in self.distributions if distribution.glibc >= glibc]
        return min(later, key=lambda distribution: (distribution.glibcxx, distribution.glibc), default=None)


def version(text: str) -> Version:
    """`2.36` as numbers that compare; raises ValueError for what is none."""
    return tuple(int(part) for part in text.split("."))


def leftover(name: str, leftovers: tuple[Leftover, ...]) -> Leftover | None:
    """The first that fits this name."""
    return next((item for item in leftovers if fnmatchcase(name, item.pattern)), None)


@cache
def windows() -> WindowsPolicy:
    """policies/windows.toml."""
    data = _read("windows.toml")
    since: dict[str, str] = {}
    for table in data["system"]:
        for dll in table["dlls"]:
            since.setdefault(dll, table["since"])
    return WindowsPolicy(
        date=data["date"],
        default=data["default"],
        versions={name: tuple(number) for name, number in data["versions"].items()},
        since=since,
        leftovers=tuple(
            Leftover(pattern=item["dll"], origin=item["from"], mend=item["mend"]) for item in data["leftover"]
        ),
    )


@cache
def linux() -> LinuxPolicy:
    """policies/linux.toml."""
    data = _read("linux.toml")
    return LinuxPolicy(
        date=data["date"],
        libraries=frozenset(data["libraries"]),
        distributions=tuple(
            Distribution(
                name=item["name"],
                glibc=version(item["glibc"]),
                glibcxx=version(item["glibcxx"]),
                cxxabi=version(item["cxxabi"]),
            )
            for item in data["distribution"]
        ),
        leftovers=tuple(
            Leftover(pattern=item["library"], origin=item["from"], mend=item["mend"]) for item in data["leftover"]
        ),
    )


def _read(name: str) -> dict[str, Any]:
    data = tomllib.loads((files("buildproof.artifacts") / "policies" / name).read_text(encoding="utf-8"))
    if data["schema"] != _SCHEMA:
        raise ValueError(f"policies/{name} has schema {data['schema']}, not {_SCHEMA}")
    return data
