"""`buildproof clean`: say what is there, whose it is and what would go, and do it when told to."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from buildproof import labels
from buildproof.engine import Engine, Kind, Thing
from buildproof.leftovers.judgement import Judged, Standing, judged
from buildproof.leftovers.sweep import remove
from buildproof.ownership import here
from buildproof.units import size

_SHORT_ID = 12
_OPTIONS = {Standing.KEPT: "--kept", Standing.CACHE: "--caches", Standing.IMAGE: "--images"}


def clean(engine: Engine, chosen: Collection[Standing], *, really: bool) -> Iterator[str]:
    """Remove our things that stand as one of `chosen`, or only say so; one line for each thing of ours.

    Raises EngineError at the first thing that the engine refuses to remove.
    """
    found = judged(engine.things(labels.OURS), here())
    for known in found:
        if known.standing not in chosen:
            yield f"{'left' if really else 'would leave'} {_told(known)}{_how(known)}"
            continue
        if really:
            remove(engine, known.thing)
        yield f"{'removed' if really else 'would remove'} {_told(known)}"
    if not found:
        yield "nothing of ours is there"


def _how(known: Judged) -> str:
    option = _OPTIONS.get(known.standing)
    return f"; {option} removes it" if option else ""


def _told(known: Judged) -> str:
    return f"{known.thing.kind} {_name(known.thing)}: {known.why}"


def _name(thing: Thing) -> str:
    if thing.kind is Kind.IMAGE:
        return f"{' '.join(thing.names)} ({size(thing.size)})"
    purpose = " of ".join(filter(None, (thing.labels[labels.OURS], thing.labels.get(labels.BUILD))))
    return f"{thing.id[:_SHORT_ID] if thing.kind is Kind.CONTAINER else thing.id} ({purpose})"
