"""From paths to builds: finds the manifests, reads them and their Compose files, and plans."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
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


def load(paths: Iterable[Path], *, compose: Path | None = None) -> tuple[Build, ...]:
    """The builds of all manifests that `paths` mean.

    `compose` takes the place of the shipped Compose file where a manifest names none.
    Raises InputError with all that is wrong in all of the files.
    """
    manifests: list[Manifest] = []
    errors: list[InputError] = []
    for path in discover(paths):
        try:
            manifests.append(read_manifest(path))
        except InputError as error:
            errors.append(error)
    read_once = cache(read_compose)

    def builders_for(manifest: Manifest) -> Mapping[str, Builder]:
        return read_once(manifest.project.compose or compose or shipped_compose())

    builds: tuple[Build, ...] = ()
    try:
        builds = plan(manifests, builders_for)
    except InputError as error:
        errors.append(error)
    raise_together(errors)
    return builds


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
