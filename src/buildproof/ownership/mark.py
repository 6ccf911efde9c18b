"""The labels that say whose a thing is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from buildproof import labels

LONGEST_S = 6 * 3600.0  # no step of a run takes longer
_MARGIN_S = 3600.0  # clocks of hosts differ, and a result is still read after its container has ended


class Keep(StrEnum):
    """Which builds' containers a run leaves for `buildproof shell`; `shared` things belong to every run."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"
    SHARED = "shared"

    def keeps(self, *, passed: bool) -> bool:
        """Whether a run with this policy leaves the container of a build that ended so."""
        return self is Keep.ALL or (self is Keep.FAILED and not passed)


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process, so named that no other is taken for it. `started` is in clock ticks since boot.

    `host` is the boot and the PID namespace that its id belongs to; empty where there is no Linux /proc to ask.
    """

    pid: int
    started: int
    host: str

    def __str__(self) -> str:
        return f"{self.pid}/{self.started}"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What the labels of one thing say. `deadline` is a Unix time."""

    process: Process
    deadline: float
    keep: Keep
    run: str | None = None

    def labels(self) -> dict[str, str]:
        """The mark as labels."""
        return {
            labels.OWNER: str(self.process),
            labels.HOST: self.process.host,
            labels.DEADLINE: f"{self.deadline:.0f}",
            labels.KEEP: self.keep.value,
            labels.RUN: self.run or "",  # said even so: a container inherits what its image says
        }

    @classmethod
    def read(cls, found: Mapping[str, str]) -> Self | None:
        """The mark that labels tell; None when they tell none, as those of older versions."""
        pid, _, started = found.get(labels.OWNER, "").partition("/")
        try:
            return cls(
                process=Process(pid=int(pid), started=int(started), host=found.get(labels.HOST, "")),
                deadline=float(found.get(labels.DEADLINE, "")),
                keep=Keep(found.get(labels.KEEP, "")),
                run=found.get(labels.RUN) or None,
            )
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose things are made: a process, on behalf of a run; `keep` is what that run keeps."""

    process: Process
    run: str | None = None
    keep: Keep = Keep.NONE

    def mark(self, now: float, *, lasts_s: float = LONGEST_S, shared: bool = False) -> Mark:
        """The mark for a thing that is made at the Unix time `now` and needed for `lasts_s` seconds."""
        keep = Keep.SHARED if shared else self.keep
        return Mark(process=self.process, deadline=now + lasts_s + _MARGIN_S, keep=keep, run=self.run)
