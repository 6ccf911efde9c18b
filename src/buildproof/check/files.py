"""Files of this machine against what somebody expects of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from buildproof.artifacts import Expectation, Kind
from buildproof.artifacts.neighbours import exported_names, is_dll, kind_of
from buildproof.bundles import examine_output
from buildproof.evidence import Artifact
from buildproof.hardening import Hardening, Symbols
from buildproof.targets import Target


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is expected of every file; `kind` None goes by the file's name, as neighbours.kind_of() does."""

    target: Target
    kind: Kind | None = None
    windows: str | None = None
    glibc: str | None = None
    libraries: tuple[str, ...] = ()
    hardening: Hardening = Hardening.NONE
    symbols: Symbols = Symbols.ANY
    size: int | None = None
    contains: tuple[str, ...] = ()


def check(paths: Iterable[Path], wish: Wish) -> tuple[Artifact, ...]:
    """Judge each file, and each executable in a package; what lies in its folder counts as lying beside it.

    Nothing is raised for a bad file.
    """
    return tuple(artifact for path in paths for artifact in examine_output(path, _expectation(path, wish), str(path)))


def _expectation(path: Path, wish: Wish) -> Expectation:
    return Expectation(
        target=wish.target,
        kind=wish.kind or kind_of(path.name),
        windows=wish.windows,
        glibc=wish.glibc,
        libraries=wish.libraries,
        beside=_beside(path),
        hardening=wish.hardening,
        symbols=wish.symbols,
        size=wish.size,
        contains=wish.contains,
    )


def _beside(path: Path) -> dict[str, frozenset[str] | None]:
    found: dict[str, frozenset[str] | None] = {}
    try:
        others = [other for other in path.parent.iterdir() if kind_of(other.name) is Kind.LIBRARY and other != path]
    except OSError:  # no such folder, or one that may not be read: then nothing is known to lie there
        return found
    for other in others:
        if other.is_file():
            found[other.name] = found[other.name.lower()] = exported_names(other) if is_dll(other.name) else None
    return found
