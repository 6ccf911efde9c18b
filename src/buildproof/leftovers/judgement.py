"""What of an engine's things may be removed, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from buildproof import labels
from buildproof.engine import Kind, Thing
from buildproof.ownership import Here, Keep, Mark, why_dead

KEPT = "buildproof-kept-"  # how the name of a container begins that was kept for `buildproof shell`
_LETS_GO = list(Kind)


class Standing(StrEnum):
    """How a thing stands."""

    IN_USE = "in use"  # its owner lives
    DEAD = "dead"  # its owner does not
    KEPT = "kept"  # a person asked for it
    CACHE = "cache"  # shared by all runs, and found or made again by the next
    IMAGE = "image"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One thing, how it stands, and the reason in words."""

    thing: Thing
    standing: Standing
    why: str


def judged(found: Iterable[Thing], here: Here) -> list[Judged]:
    """All things that are ours, in the order in which an engine lets go of them."""
    ours = sorted(filter(is_ours, found), key=_order)
    needed = {volume: thing.names[0] for thing in ours if is_kept(thing) for volume in thing.uses}
    full = _full(ours)
    return [_judge(thing, here, needed_by=needed.get(thing.id), full=thing.id in full) for thing in ours]


def of_run(found: Iterable[Thing], run: str) -> Iterator[Thing]:
    """What one run made for itself alone and did not keep, whoever of its processes did."""
    ours = sorted(filter(is_ours, found), key=_order)
    spared = {volume for thing in ours if is_kept(thing) for volume in thing.uses} | _full(ours)
    for thing in ours:
        mark = Mark.read(thing.labels)
        if mark and mark.run == run and mark.keep is not Keep.SHARED and not is_kept(thing) and thing.id not in spared:
            yield thing


def _full(ours: Iterable[Thing]) -> set[str]:
    """Fetch volumes that were filled: they belong to every run then."""
    return {thing.labels[labels.FULL] for thing in ours if labels.FULL in thing.labels}


def is_ours(thing: Thing) -> bool:
    """Whether we made it: containers and images that somebody made from an image of ours inherit its labels."""
    if labels.OURS not in thing.labels:
        return False
    if thing.kind is Kind.IMAGE:
        name = thing.labels.get(labels.IMAGE)
        return name in thing.names if name else any(tag.startswith("buildproof/") for tag in thing.names)
    return thing.labels[labels.OURS] != "image"


def is_kept(thing: Thing) -> bool:
    """Whether it is a container that was kept when its build had ended."""
    return thing.kind is Kind.CONTAINER and any(name.startswith(KEPT) for name in thing.names)


def _judge(thing: Thing, here: Here, *, needed_by: str | None, full: bool) -> Judged:
    mark = Mark.read(thing.labels)
    if thing.kind is Kind.IMAGE and (mark is None or mark.keep is Keep.SHARED):
        return Judged(thing=thing, standing=Standing.IMAGE, why="builds are made in it")
    if is_kept(thing):
        return Judged(thing=thing, standing=Standing.KEPT, why="kept for `buildproof shell`")
    if needed_by:
        return Judged(thing=thing, standing=Standing.KEPT, why=f"the kept container {needed_by} has it")
    if mark is None and thing.kind is Kind.CONTAINER and thing.running:
        return Judged(thing=thing, standing=Standing.IN_USE, why="it runs, and nothing says whose it is")
    if mark is None and thing.kind is Kind.CONTAINER:
        return Judged(thing=thing, standing=Standing.DEAD, why="it does not run, and nothing says whose it is")
    if mark is None or mark.keep is Keep.SHARED or full:
        return Judged(thing=thing, standing=Standing.CACHE, why="shared by all runs")
    if reason := why_dead(mark, here):
        return Judged(thing=thing, standing=Standing.DEAD, why=reason)
    return Judged(thing=thing, standing=Standing.IN_USE, why=f"its owner, process {mark.process.pid}, may be at work")


def _order(thing: Thing) -> tuple[int, bool]:
    """Containers first, and builds before the probes whose PID namespace they joined: Podman insists on that."""
    return _LETS_GO.index(thing.kind), thing.labels.get(labels.OURS) == "probe"
