"""A build's timeline as it is drawn: its samples in order, each with the name of the process that held most. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from buildproof.timeline import VERSION, events


class Sample(NamedTuple):
    """One row as it was sampled: seconds and bytes; None is unknown. `holder` held most: command name, command line."""

    at_s: float
    charged: int | None
    demand: int | None
    swap: int | None
    pids: int | None
    holder: tuple[str, str | None] | None
    holder_rss: int | None
    free: tuple[int | None, ...]


@dataclass(frozen=True)
class Trace:
    """A timeline that was read; `free` of each sample is in the order of `mounts`."""

    mounts: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()


def read_trace(lines: Iterable[str]) -> Trace:
    """The samples of a timeline's lines. ValueError when a newer buildproof wrote it."""
    mounts: tuple[str, ...] = ()
    names: dict[Any, tuple[str, str | None]] = {}
    samples = []
    for event in events(lines):
        match event.get("event"):
            case "header":
                mounts = _mounts(event)
            case "process" if isinstance(event.get("comm"), str):
                cmdline = event.get("cmdline")
                names[_count(event.get("pid"))] = event["comm"], cmdline if isinstance(cmdline, str) else None
            case "sample":
                sample = _sample(event, names, len(mounts))
                samples += [sample] if sample else []
    return Trace(mounts, tuple(samples))


def _mounts(header: Mapping[str, Any]) -> tuple[str, ...]:
    if header.get("timeline") != VERSION:
        raise ValueError(f"the timeline has version {header.get('timeline')}, this buildproof reads {VERSION}")
    mounts = header.get("mounts")
    return tuple(map(str, mounts)) if isinstance(mounts, list) else ()


def _sample(row: Mapping[str, Any], names: Mapping[Any, tuple[str, str | None]], mounts: int) -> Sample | None:
    at_s, free = row.get("at_s"), row.get("free")
    if not isinstance(at_s, int | float) or not math.isfinite(at_s):
        return None
    known = [_count(value) for value in free] if isinstance(free, list) else []
    return Sample(
        at_s=float(at_s),
        charged=_count(row.get("charged")),
        demand=_count(row.get("demand")),
        swap=_count(row.get("swap")),
        pids=_count(row.get("pids")),
        holder=names.get(_count(row.get("largest"))),
        holder_rss=_count(row.get("largest_rss")),
        free=tuple([*known, *[None] * mounts][:mounts]),
    )


def _count(value: object) -> int | None:
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and math.isfinite(value) else None
