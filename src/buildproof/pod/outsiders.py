"""What others do to a pod through the engine, as the engine's events tell of it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from buildproof.engine import Happening
from buildproof.errors import EngineError, Trouble
from buildproof.pod.stopwatch import Stopwatch


class Outsiders:
    """Feed it what happened to a pod's containers; ask it who ended the build."""

    def __init__(self) -> None:
        self._sent: tuple[int | None, str] | None = None

    def take(self, happening: Happening, *, build: str, probe: str, stopwatch: Stopwatch, now: float) -> None:
        """Take in one happening. EngineError when a container of the pod was removed."""
        names = {build: "build", probe: "probe"}
        if happening.container not in names:
            return
        match happening.what:
            case "destroy":
                raise removed(names[happening.container])
            case "kill":
                self._sent = self._sent or (happening.signal, names[happening.container])
            # While the probe alone is paused the build goes on unwatched: that is the probe's silence, and no pause.
            case "pause" if happening.container == build:
                stopwatch.pause(now, happening.at_s)
            case "unpause" if happening.container == build:
                stopwatch.resume(now, happening.at_s)

    def kill(self, at_s: float) -> str | None:
        """How the build was ended from outside, `at_s` seconds into it; None when nobody was seen to."""
        if self._sent is None:
            return None
        number, whose = self._sent
        known = {each.value: each.name for each in signal.Signals}
        name = known.get(number, "a signal") if number else "a signal"
        return f"somebody sent {name} to the {whose} container through the engine, {at_s:.1f} s into the build"


@contextlib.contextmanager
def removal_told(name: str) -> Iterator[None]:
    """Let an engine that does not know a container of the pod any more say so in these words."""
    try:
        yield
    except EngineError as error:
        if error.trouble is Trouble.CONTAINER_GONE:
            raise removed(name) from error
        raise


def removed(name: str) -> EngineError:
    """The error for a container that somebody removed; `name` is "build" or "probe"."""
    return EngineError(f"somebody removed the {name} container", trouble=Trouble.CONTAINER_GONE)
