"""What an engine has that carries labels of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import docker


class Kind(StrEnum):
    """What an engine keeps, in the order in which it lets go of it: a volume after the containers that use it."""

    CONTAINER = "container"
    VOLUME = "volume"
    IMAGE = "image"


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One of them. `names` are a container's name or an image's tags, `uses` the volumes that a container has.

    `size` is in bytes, None where the engine does not tell it.
    """

    kind: Kind
    id: str
    labels: dict[str, str]
    names: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    running: bool = False
    size: int | None = None


def things(api: docker.APIClient, *labels: str) -> Iterator[Thing]:
    """All with all these labels, `key` or `key=value`, running or not."""
    wanted = {"label": list(labels)}
    for item in api.containers(all=True, filters=wanted):
        yield Thing(
            kind=Kind.CONTAINER,
            id=str(item["Id"]),
            labels=dict(item["Labels"] or {}),
            names=tuple(str(name).removeprefix("/") for name in item["Names"] or ()),
            uses=tuple(str(mount["Name"]) for mount in item.get("Mounts") or () if mount.get("Type") == "volume"),
            running=item["State"] == "running",
        )
    for item in api.volumes(filters=wanted)["Volumes"] or ():
        yield Thing(kind=Kind.VOLUME, id=str(item["Name"]), labels=dict(item["Labels"] or {}))
    for item in api.images(filters=wanted):
        # Podman names Docker Hub in full where Docker leaves it out; both take the short name.
        tags = (str(tag).removeprefix("docker.io/") for tag in item["RepoTags"] or ())
        yield Thing(
            kind=Kind.IMAGE,
            id=str(item["Id"]),
            labels=dict(item["Labels"] or {}),
            names=tuple(tag for tag in tags if tag != "<none>:<none>"),
            size=int(item["Size"]),
        )
