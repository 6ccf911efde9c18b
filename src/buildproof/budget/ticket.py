"""One build's place in the ledger, and the rule by which it gets its promise. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from buildproof.budget.allowance import Allowance


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """What a build asks of the machine, and whether it was promised.

    `number` is its place in the queue, `memory` bytes, `cpus` as Compose counts them, `since` when it last changed,
    in seconds since the epoch. Two `sequential` builds are never promised something at once.
    """

    number: int
    run: str
    build: str
    pid: int
    memory: int
    cpus: float
    sequential: bool
    granted: bool
    since: float


def in_the_way(mine: Ticket, others: Sequence[Ticket], allowance: Allowance) -> tuple[Ticket, ...]:
    """Whose end `mine` has to wait for; none when it may go now.

    First come, first served: a large build that waits for room is not overtaken by small ones that would fit. One that
    waits for another sequential build to end holds up nobody: its place in the queue counts again when that is over.
    What is larger than the whole allowance goes when nothing else is under way.
    """
    if turn := _ahead_in_sequence(mine, others):
        return turn
    queue = tuple(
        other
        for other in others
        if not other.granted and other.number < mine.number and not _ahead_in_sequence(other, (*others, mine))
    )
    under_way = tuple(other for other in others if other.granted)
    if queue:
        return (*under_way, *queue)
    memory = sum(other.memory for other in under_way) + mine.memory
    cpus = math.fsum(other.cpus for other in under_way) + mine.cpus
    fits = memory <= _bound(allowance.memory) and cpus <= _bound(allowance.cpus)
    return () if fits else under_way


def _ahead_in_sequence(ticket: Ticket, others: Sequence[Ticket]) -> tuple[Ticket, ...]:
    """The sequential builds that a sequential one comes after."""
    if not ticket.sequential:
        return ()
    return tuple(
        other
        for other in others
        if other.sequential and other.number != ticket.number and (other.granted or other.number < ticket.number)
    )


def _bound(most: float | None) -> float:
    return math.inf if most is None else most
