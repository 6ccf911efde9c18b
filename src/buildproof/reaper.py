"""Remove what carries buildproof's label, and nothing else: never a prune."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof import labels
from buildproof.engine import Engine


def _in_order(found: dict[str, dict[str, str]]) -> list[str]:
    """Builds before the probes whose PID namespaces they joined: Podman keeps a container that others depend on."""
    return sorted(found, key=lambda container: found[container].get(labels.OURS) == "probe")


def sweep(engine: Engine, run: str) -> int:
    """Remove every container of one run; how many there were."""
    found = engine.labelled(f"{labels.RUN}={run}")
    for container in _in_order(found):
        engine.remove(container)
    return len(found)


def clean(engine: Engine, *, images: bool, really: bool) -> Iterator[str]:
    """Remove all of ours, or only say what there is; one line each."""
    did = "removed" if really else "would remove"
    nothing = True
    found = engine.labelled(labels.OURS)
    for container in _in_order(found):
        nothing = False
        if really:
            engine.remove(container)
        yield f"{did} container {container[:12]} ({found[container][labels.OURS]})"
    for volume in engine.labelled_volumes(labels.OURS):
        nothing = False
        if really:
            engine.remove_volume(volume)
        yield f"{did} volume {volume}"
    for image, tags in engine.labelled_images(labels.OURS).items() if images else ():
        nothing = False
        for name in tags or [image]:
            if really:
                engine.remove_image(name)
            yield f"{did} image {name}"
    if nothing:
        yield "nothing of ours is there"
