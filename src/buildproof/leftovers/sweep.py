"""Remove what dead owners left, and at its end what a run made for itself alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from buildproof import labels
from buildproof.engine import Engine, Kind, Thing
from buildproof.errors import EngineError
from buildproof.layout import downloads, fetch_lock
from buildproof.leftovers.judgement import Judged, Standing, judged, of_run
from buildproof.ownership import Process, abandoned, here


def sweep(engine: Engine, say: Callable[[str], None]) -> int:
    """Remove what dead owners left in the engine; how many things that were. What cannot be removed is told.

    Safe while other runs are under way: what has a living owner, or one that cannot be seen from here and is not
    overdue, is left alone. Raises EngineError when the engine cannot be asked.
    """
    dead = [known for known in judged(engine.things(labels.OURS), here()) if known.standing is Standing.DEAD]
    return _remove_all(engine, dead, say)


def sweep_run(
    engine: Engine, run: str, say: Callable[[str], None], *, build: str | None = None, owner: Process | None = None
) -> int:
    """Remove what is left of one run, which is over, or of one of its builds or processes; as `sweep`."""
    wanted = {key: str(value) for key, value in ((labels.BUILD, build), (labels.OWNER, owner)) if value is not None}
    over = [thing for thing in of_run(engine.things(labels.OURS), run) if wanted.items() <= thing.labels.items()]
    return _remove_all(
        engine, [Judged(thing=thing, standing=Standing.DEAD, why="its run is over") for thing in over], say
    )


def sweep_scratch() -> int:
    """Remove the scratch folders and half downloads of dead processes of this host; how many there were."""
    left = [path for folder in (Path(tempfile.gettempdir()), downloads()) for path in abandoned(folder, here())]
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left)


def remove(engine: Engine, thing: Thing) -> None:
    """Remove one thing, and no volume that somebody on this host is filling. Raises EngineError."""
    match thing.kind:
        case Kind.CONTAINER:
            engine.remove(thing.id)
        case Kind.VOLUME:
            try:
                with FileLock(fetch_lock(thing.id), timeout=0):
                    engine.remove_volume(thing.id)
            except Timeout as error:
                raise EngineError(f"the volume {thing.id} is being filled") from error
        case Kind.IMAGE:
            for name in thing.names:
                engine.remove_image(name)


def _remove_all(engine: Engine, dead: Iterable[Judged], say: Callable[[str], None]) -> int:
    count = 0
    for known in dead:
        try:
            remove(engine, known.thing)
            count += 1
        except EngineError as error:
            say(f"left where it is, {known.why}: {error.what}")
    return count
