"""What verdicts and claims are made from: evidence beside what a build promises."""

from __future__ import annotations

from dataclasses import dataclass

from buildproof.evidence import Evidence, ProcessEnd


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a build promises. `peak_memory` is bytes, `time_limit` and `silent_limit` are seconds."""

    peak_memory: int | None = None
    time_limit: float | None = None
    silent_limit: float | None = None


def signalled_by(evidence: Evidence, *signals: int | None) -> tuple[ProcessEnd, ...]:
    """The processes that one of these signals ended."""
    return tuple(end for end in evidence.processes.signalled if end.signal in signals)
