"""Which failures of the surroundings are tried again, and how soon. Pure; docs/surroundings.md has the table.

What the project did is never tried again. Once its command was let go nobody knows what a second run would hide: such a
build is tried again once, if nothing tells how its command ended and nothing seen so far speaks against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from buildproof.errors import SurroundingsError, Trouble
from buildproof.evidence import Evidence
from buildproof.record import Attempt, BuildRecord
from buildproof.verdict import Verdict, judge
from buildproof.verdict.surroundings import lost, suspicion


class Standing(StrEnum):
    """How far a build's command had come when its surroundings failed."""

    NOT_BEGUN = "not-begun"
    END_UNKNOWN = "end-unknown"
    ENDED = "ended"


@dataclass(frozen=True)
class _Pace:
    """`retries` at most, the first after `first_s` seconds, each later one after `_FACTOR` times as long."""

    retries: int
    first_s: float = 0.0


# An engine that is restarted needs seconds, a network may need a minute. What was refused or is full stays so.
_BEFORE_THE_COMMAND = {
    Trouble.UNREACHABLE: _Pace(retries=3, first_s=1.0),
    Trouble.HANGS: _Pace(retries=1, first_s=1.0),
    Trouble.IMAGE_GONE: _Pace(retries=1),
    Trouble.CONTAINER_GONE: _Pace(retries=1),
    Trouble.NETWORK: _Pace(retries=3, first_s=2.0),
}
_AFTER_IT_WAS_LET_GO = {
    Trouble.UNREACHABLE: _Pace(retries=1, first_s=4.0),
    Trouble.HANGS: _Pace(retries=1, first_s=4.0),
    Trouble.CONTAINER_GONE: _Pace(retries=1),
}
_FACTOR = 4.0
_MOST_RETRIES = 5  # of one build, whatever fails


def after_loss(
    error: SurroundingsError,
    evidence: Evidence,
    record: BuildRecord,
    *,
    ran_s: float | None,
    random: Callable[[], float],
) -> Attempt | Verdict:
    """What follows when a build's surroundings failed: its verdict, or the attempt to be noted before the next try.

    `ran_s` is how long the command had run, None where it was not let go. `random` gives 0 to 1: workers that failed at
    once come back apart.
    """
    budget, earlier = record.budget, record.attempts
    if evidence.exit_code:  # it had failed by itself before
        return judge(replace(evidence, stopped_at_s=None), budget)
    standing = Standing.NOT_BEGUN if ran_s is None else Standing.END_UNKNOWN
    if evidence.exit_code == 0:
        standing = Standing.ENDED
    wait_s = wait_before_retry_s(error.trouble, standing, earlier, random=random)
    if wait_s is None or (standing is Standing.END_UNKNOWN and suspicion(evidence, budget)):
        return lost(error, evidence, budget, tries=len(earlier) + 1)
    return Attempt(
        phase=record.phase,
        trouble=error.trouble.value,
        what=error.what,
        ran_s=None if ran_s is None else round(ran_s, 2),
        waited_s=round(wait_s, 2),
    )


def wait_before_retry_s(
    trouble: Trouble, standing: Standing, earlier: Sequence[Attempt], *, random: Callable[[], float]
) -> float | None:
    """Seconds until the next try, or None for none."""
    if standing is Standing.ENDED or len(earlier) >= _MOST_RETRIES:
        return None
    if standing is Standing.END_UNKNOWN:
        pace = _AFTER_IT_WAS_LET_GO.get(trouble)
        made = sum(attempt.ran_s is not None for attempt in earlier)
    else:
        pace = _BEFORE_THE_COMMAND.get(trouble)
        made = sum(attempt.ran_s is None and attempt.trouble == trouble for attempt in earlier)
    if pace is None or made >= pace.retries:
        return None
    return pace.first_s * _FACTOR**made * (0.5 + random())
