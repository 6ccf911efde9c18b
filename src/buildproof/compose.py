"""The Compose file: the builders that it declares."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from buildproof.builder import BuildContext, Builder, Profile
from buildproof.compose_tables import EXTENSION, BuilderTable, ComposeTable, ImageTable, is_builder
from buildproof.document import Document, KeyPath, read, validate
from buildproof.errors import InputError

__all__ = ["BuildContext", "Builder", "Profile", "read_compose"]

_DOLLAR = re.compile(r"\$(.?)", re.DOTALL)


def read_compose(path: Path) -> dict[str, Builder]:
    """The builders of the Compose file at `path` by their names, in the file's order.

    Raises InputError with all that is wrong in it, each with its line.
    """
    document = _without_variables(read(path))
    table = validate(document, ComposeTable)
    return {name: _builder(document, name, service) for name, service in table.services.items()}


def _builder(document: Document, name: str, table: BuilderTable) -> Builder:
    extension = table.x_buildproof
    below = ("services", name)
    return Builder(
        name=name,
        place=document.place(*below),
        target=extension.target,
        image=table.image,
        build=_context(document.path.parent, table.build) if table.build else None,
        limits=table.as_limits(extension.address_space, extension.disk_limit),
        environment=table.environment,
        user=table.user,
        time_limit_s=extension.time_limit,
        starts_in=extension.starts_in,
        glibc_baseline=extension.glibc_baseline,
        windows_baseline=extension.windows_baseline,
        toolchain=extension.toolchain,
        user_namespaces=extension.user_namespaces,
        sequential=extension.sequential,
        root=extension.root,
        writable_image=extension.writable_image,
        profile=extension.profile,
        profiles={
            profile: laid_over.as_profile(profile, document.place(*below, EXTENSION, "profiles", profile))
            for profile, laid_over in extension.profiles.items()
        },
    )


def _context(folder: Path, table: ImageTable) -> BuildContext:
    context = (folder / table.context).resolve()
    return BuildContext(
        context=context,
        dockerfile=(context / table.dockerfile).resolve(),
        args=table.args,
        target=table.target,
    )


def _without_variables(document: Document) -> Document:
    """The document with Compose's `$$` read as a dollar sign.

    `${NAME}` is a problem: `docker compose` would fill in the host's value, and a builder is the same everywhere.
    """
    problems: list[InputError] = []

    def plain(value: Any, key: KeyPath) -> Any:
        if isinstance(value, dict):
            return {name: plain(item, (*key, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [plain(item, (*key, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        if any(match[1] != "$" for match in _DOLLAR.finditer(value)):
            what = "variables of the host are not filled in: write the value, or $$ for a dollar sign"
            problems.append(document.error(what, *key))
        return value.replace("$$", "$")

    services = document.data.get("services")
    if not isinstance(services, dict):
        return document
    builders = {name: plain(item, ("services", name)) for name, item in services.items() if is_builder(item)}
    data = {**document.data, "services": builders}
    return replace(document, data=data, problems=(*document.problems, *problems))
