"""Whether the owner of a thing is dead. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buildproof.ownership.mark import Mark
from buildproof.units import duration


@dataclass(frozen=True, kw_only=True)
class Here:
    """Where the judgement is made: this host as `Process.host` names it, its processes, and the Unix time."""

    host: str
    started: Callable[[int], int | None]
    now: float


def why_dead(mark: Mark, here: Here) -> str | None:
    """Why the owner is dead, as the end of a sentence; None while it may be alive.

    A process of this boot and PID namespace can be looked for. Of all others only the deadline is known: an owner in
    another container, on another host or before the last boot is given up when that has passed.
    """
    owner = mark.process
    if owner.host and owner.host == here.host:
        started = here.started(owner.pid)
        if started is None:
            return f"its owner, process {owner.pid}, is gone"
        if started != owner.started:
            return f"its owner is gone, and process {owner.pid} is another one now"
        return None
    if here.now > mark.deadline:
        return f"its owner cannot be seen from here, and its deadline passed {duration(here.now - mark.deadline)} ago"
    return None
