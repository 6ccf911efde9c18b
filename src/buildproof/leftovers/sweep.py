"""Remove what dead owners left, and at its end what a run made for itself alone."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from buildproof import labels
from buildproof.engine import Engine, Kind, Thing
from buildproof.errors import EngineError
from buildproof.layout import FETCHED, downloads, fetch_lock
from buildproof.leftovers.judgement import Judged, Standing, judged, of_run
from buildproof.ownership import abandoned, here


def sweep(engine: Engine, say: Callable[[str], None]) -> int:
    """Remove what dead owners left in the engine; how many things that were. What cannot be removed is told.

    Safe while other runs are under way: what has a living owner, or one that cannot be seen from here and is not
    overdue, is left alone. Raises EngineError when the engine cannot be asked.
    """
    dead = [known for known in judged(engine.things(labels.OURS), here()) if known.standing is Standing.DEAD]
    return _remove_all(engine, dead, say)


def sweep_run(engine: Engine, run: str, say: Callable[[str], None], *, build: str | None = None) -> int:
    """Remove what is left of one run, which is over, or of one of its builds; as `sweep`."""
    left = of_run(engine.things(labels.OURS), run)
    over = [thing for thing in left if build is None or thing.labels.get(labels.BUILD) == build]
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
    """Remove one thing, and with a container that was filling a shared volume what it had not finished."""
    match thing.kind:
        case Kind.CONTAINER:
            unfinished = _unfinished(engine, thing)
            engine.remove(thing.id)
            if unfinished:
                _remove_unfinished(engine, unfinished)
        case Kind.VOLUME:
            engine.remove_volume(thing.id)
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


def _unfinished(engine: Engine, thing: Thing) -> str | None:
    volume = thing.labels.get(labels.FILLS)
    if not volume or engine.exists(thing.id, str(FETCHED)):
        return None
    return volume


def _remove_unfinished(engine: Engine, volume: str) -> None:
    """Unless somebody is about to fill it again."""
    with contextlib.suppress(Timeout, EngineError), FileLock(fetch_lock(volume), timeout=0):
        engine.remove_volume(volume)
