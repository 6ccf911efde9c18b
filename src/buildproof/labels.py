"""The keys of the labels on everything that buildproof makes in an engine: what carries none is never touched."""

from __future__ import annotations

OURS = "buildproof"  # on every container, volume and image; the value says what it is for
RUN = "buildproof.run"
BUILD = "buildproof.build"
IMAGE = "buildproof.image"  # its own name on an image: what is made from it inherits its labels, and is not ours
OWNER = "buildproof.owner"  # the process that made it: `pid/start time`
HOST = "buildproof.host"  # where that process is one: `boot id/PID namespace`
DEADLINE = "buildproof.deadline"  # Unix time after which nobody needs it, whatever became of its owner
KEEP = "buildproof.keep"
FULL = "buildproof.full"  # on an empty volume: the fetch volume beside it that was filled; labels cannot be added later


def of(purpose: str, *, build: str | None = None) -> dict[str, str]:
    """The labels that say what a thing is for; the engine's client adds whose it is."""
    return {OURS: purpose, BUILD: build} if build else {OURS: purpose}


def of_image(reference: str) -> dict[str, str]:
    """The labels of an image that is made as `reference`."""
    return {OURS: "image", IMAGE: reference}
