"""The loads and what has to come out of each. Pure data; what they do is in project/load.py.

A load has the name of its box in project/compose.yml.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from buildproof.verdict import Outcome


class Interval(StrEnum):
    """What the measured interval of the peak has to do with what the load held."""

    CONTAINS = "contains"  # the truth lies between demand peak and charged peak
    CLOSE = "close"  # and the demand peak is near it
    ANY = "any"  # the load does not say what it held


@dataclass(frozen=True, kw_only=True)
class Load:
    """One load. `leftover` names the one process that is left behind, `culprit` is a word of the culprit's name.

    `without_swap` is the same load on a host that has no swap, where something else has to come out.
    """

    name: str
    says: str
    outcome: Outcome = Outcome.PASSED
    cause: str | None = None
    interval: Interval = Interval.ANY
    saturated: bool | None = None
    culprit: str | None = None
    leftover: str | None = None
    without_swap: Load | None = None


_OVERFLOW = Load(
    name="swap",
    says="80 MiB in 64 MiB of memory, and no swap on the host",
    outcome=Outcome.OUT_OF_MEMORY,
    cause="own-limit",
    saturated=True,
    culprit="load.py",
)

LOADS = (
    Load(name="hold-200m-1000ms", says="200 MiB for 1000 ms", interval=Interval.CLOSE),
    Load(name="hold-200m-300ms", says="200 MiB for 300 ms", interval=Interval.CLOSE),
    Load(name="hold-200m-100ms", says="200 MiB for 100 ms", interval=Interval.CLOSE),
    Load(name="hold-200m-50ms", says="200 MiB for 50 ms", interval=Interval.CONTAINS),
    Load(name="hold-200m-20ms", says="200 MiB for 20 ms", interval=Interval.CONTAINS),
    Load(name="hold-600m-100ms", says="600 MiB for 100 ms", interval=Interval.CLOSE),
    Load(name="share-200m-300ms", says="200 MiB on /dev/shm for 300 ms", interval=Interval.CLOSE),
    Load(name="split-4x50m-300ms", says="4 processes, 50 MiB each, for 300 ms", interval=Interval.CLOSE),
    Load(name="stream", says="a file of 320 MiB through 128 MiB of memory", interval=Interval.CLOSE, saturated=True),
    Load(
        name="swap",
        says="80 MiB in 64 MiB of memory and 192 MiB of swap",
        interval=Interval.CLOSE,
        saturated=True,
        without_swap=_OVERFLOW,
    ),
    Load(
        name="out-of-memory",
        says="a grandchild beyond the limit, exit 0",
        outcome=Outcome.OUT_OF_MEMORY,
        cause="own-limit",
        saturated=True,
        culprit="load.py",
    ),
    Load(
        name="sigbus",
        says="SIGBUS in a grandchild, exit 0",
        outcome=Outcome.SIGBUS,
        cause="full-mount",
        culprit="load.py",
    ),
    Load(
        name="no-space",
        says="a mount of 16 MiB filled",
        outcome=Outcome.NO_SPACE,
        cause="full-mount",
        culprit="load.py",
    ),
    Load(name="silent", says="silent for ever", outcome=Outcome.SILENT, cause="no-output"),
    Load(name="daemon", says="a daemon left behind", leftover="sleep"),
)
