"""From paths to builds: finds the manifests, reads them and their Compose files, and plans."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from buildproof.builder import Builder
from buildproof.compose import read_compose
from buildproof.document import raise_together
from buildproof.document.fields import is_dir, is_file
from buildproof.errors import InputError, Place
from buildproof.manifest import FILE_NAME, Manifest, read_manifest
from buildproof.plan import Build, plan
from buildproof.resources import shipped_compose
from buildproof.trust import Ceiling, Trust

_SKIPPED = {"target", "node_modules", "__pycache__"}


def discover(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The manifests that `paths` mean, each once and sorted.

    A path is a manifest, a folder with one, or a folder that is searched: hidden folders, `target` and
    `node_modules` are passed over, and below a folder with a manifest nothing is looked for.
    Raises InputError for every path without a manifest.
    """
    found: dict[Path, Path] = {}
    errors: list[InputError] = []
    for path in paths:
        try:
            found.update({manifest.resolve(): manifest for manifest in _below(path)})
        except InputError as error:
            errors.append(error)
    raise_together(errors)
    return tuple(sorted(found.values()))


def load(paths: Iterable[Path], *, compose: Path | None = None, ceiling: Ceiling | None = None) -> tuple[Build, ...]:
    """The builds of all manifests that `paths` mean.

    `compose` takes the place of the shipped Compose file where a manifest names none; a `ceiling` bounds what
    manifests may ask for. Raises InputError with all that is wrong in all of the files.
    """
    law = ceiling or Ceiling()
    manifests: list[Manifest] = []
    errors: list[InputError] = []
    for path in discover(paths):
        try:
            manifests.append(read_manifest(path))
        except InputError as error:
            errors.append(error)
    read_once = cache(read_compose)

    def builders_for(manifest: Manifest) -> Mapping[str, Builder]:
        return read_once(law.compose_of(manifest) or compose or shipped_compose())

    builds: tuple[Build, ...] = ()
    try:
        builds = plan(manifests, builders_for)
    except InputError as error:
        errors.append(error)
    for manifest in manifests if law.trust is not Trust.FULL else ():
        with contextlib.suppress(InputError):  # which `plan` told
            builders = builders_for(manifest)
            errors += law.complaints(manifest, builders)
    raise_together(errors)
    return tuple(_bounded(build, law, builders_for(build.manifest)) for build in builds)


def _bounded(build: Build, law: Ceiling, builders: Mapping[str, Builder]) -> Build:
    """A build that knows how far it is trusted; at the lowest level, with the one that may use the network for it.

    `builders` are those of both: at that level they come from the base.
    """
    base = law.base_of(build.manifest) if law.trust is Trust.NONE and build.manifest.fetch else None
    same = plan([base], lambda _base: builders) if base else ()
    key = (build.builder.name, build.profile)
    found = next((one for one in same if (one.builder.name, one.profile) == key), None)
    return replace(build, trust=law.trust, base=found)


def _below(path: Path) -> list[Path]:
    if is_file(path):
        return [path]
    if not is_dir(path):
        raise InputError("no such file or folder", where=Place(path))
    found = list(_search(path))
    if not found:
        raise InputError(
            f"no {FILE_NAME} in this folder, nor in a folder below it",
            where=Place(path),
            next_step=f"write {path / FILE_NAME}, see docs/manifest.md",
        )
    return found


def _search(top: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(top):
        if FILE_NAME in files:
            yield Path(folder, FILE_NAME)
            below.clear()
        below[:] = sorted(name for name in below if name not in _SKIPPED and not name.startswith("."))
