"""Whether the probe is still there, or has fallen silent."""

from __future__ import annotations

from buildproof.pod.stopwatch import OWN_PAUSE_S


class Heartbeat:
    """When the probe was last heard, by the monotonic clock; lost when silent for `silent_s` seconds."""

    def __init__(self, now: float, *, silent_s: float) -> None:
        self._heard = self._looked = now
        self._silent_s = silent_s

    def is_lost(self, now: float, *, heard: bool) -> bool:
        """Whether it has been silent for too long; to be asked all the time.

        When nobody asked for a while it is we who were stopped: what the probe said meanwhile is still to be read.
        """
        if heard or now - self._looked > OWN_PAUSE_S:
            self._heard = now
        self._looked = now
        return now - self._heard >= self._silent_s
