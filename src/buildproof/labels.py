"""The labels on everything that buildproof makes in an engine: what carries none of them is never touched."""

from __future__ import annotations

OURS = "buildproof"  # on every container, volume and image; the value says what it is for
RUN = "buildproof.run"
BUILD = "buildproof.build"
INPUTS = "buildproof.inputs"


def of(purpose: str, *, run: str | None = None, build: str | None = None) -> dict[str, str]:
    """The labels of one thing."""
    labels = {OURS: purpose}
    if run:
        labels[RUN] = run
    if build:
        labels[BUILD] = build
    return labels
