"""What fetch steps of a test left: their volumes are named by what it makes up, and nobody asks for them again."""

from __future__ import annotations

import contextlib

from buildproof import labels
from buildproof.engine import Engine
from buildproof.errors import EngineError


def forget(engine: Engine, project: str) -> None:
    """Remove the fetch volumes of a project, but those that a run beside this one is using."""
    for thing in engine.things(f"{labels.OURS}=fetch"):
        if thing.id.startswith(f"buildproof-fetch-{project}-"):
            with contextlib.suppress(EngineError):
                engine.remove_volume(thing.id)
