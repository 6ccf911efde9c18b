"""The figures of a build that are compared between runs."""

from __future__ import annotations

from enum import StrEnum

from buildproof.units import duration, size


class Metric(StrEnum):
    """One figure: bytes for `peak` and `size`, seconds for `time` and `cpu`."""

    PEAK = "peak"  # demand peak: what cannot be reclaimed
    TIME = "time"  # wall time of the command
    CPU = "cpu"  # CPU time of the build
    SIZE = "size"  # all artifacts together

    @property
    def is_bytes(self) -> bool:
        """Bytes; else seconds."""
        return self in {Metric.PEAK, Metric.SIZE}

    def show(self, value: float | None) -> str:
        """The value for people."""
        if value is None:
            return "unknown"
        return size(round(value)) if self.is_bytes else duration(value)
