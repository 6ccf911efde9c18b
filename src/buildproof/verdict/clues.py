"""Observations in words: what verdicts show as their evidence, and how large the next try should be. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from buildproof.evidence import Evidence, Grade, LogFinding, Memory, ProcessEnd, Space
from buildproof.units import duration, size
from buildproof.verdict.culprit import named, signal_name
from buildproof.verdict.outcomes import Clue

_RANK = {grade: rank for rank, grade in enumerate(Grade)}
_QUOTED, _QUOTED_BEGINNING = 160, 70
_MIB = 1 << 20
FULL_BELOW = 4096  # what is left on a mount that a writer found full: less than a page or block


def ranked(clues: Iterable[Clue | None]) -> tuple[Clue, ...]:
    """Best grade first; what is None was not observed."""
    return tuple(sorted((clue for clue in clues if clue), key=lambda clue: _RANK[clue.grade]))


def quoted(finding: LogFinding) -> str:
    """A line of the log as it is told: of a long one the beginning and the end, where cargo names the signal."""
    text = finding.text.strip()
    if len(text) > _QUOTED:
        text = f"{text[:_QUOTED_BEGINNING].rstrip()} … {text[_QUOTED_BEGINNING - _QUOTED :].lstrip()}"
    return f"log line {finding.line} says “{text}”"


def line_of(finding: LogFinding | None) -> Clue | None:
    """What the log says."""
    return Clue(grade=Grade.LOG, text=quoted(finding)) if finding else None


def death(end: ProcessEnd) -> Clue:
    """A process's end by a signal, as process accounting has it."""
    lived = f"after {duration(end.duration_s)}"
    text = f"process accounting: {named(end)}, child of pid {end.ppid}, ended by {signal_name(end.signal)} {lived}"
    return Clue(grade=Grade.KERNEL, text=text, at_s=end.at_s)


def failure(end: ProcessEnd | None) -> Clue | None:
    """A process's end with a status, as process accounting has it."""
    if end is None or end.exit_code is None:
        return None
    text = f"process accounting: {named(end)} exited with status {end.exit_code} after {duration(end.duration_s)}"
    return Clue(grade=Grade.KERNEL, text=text, at_s=end.at_s)


def exit_status(evidence: Evidence) -> Clue | None:
    """The command's own exit status."""
    if evidence.exit_code is None:
        return None
    return Clue(grade=Grade.STATUS, text=f"the command exited with status {evidence.exit_code}")


def full_mount(evidence: Evidence) -> tuple[str, Space] | None:
    """The smallest writable mount that was full at some moment: bytes or inodes."""
    full = [
        (mount, space)
        for mount, space in evidence.space.items()
        if space.min_free <= FULL_BELOW or space.min_free_inodes == 0
    ]
    return min(full, key=lambda item: item[1].size, default=None)


def has_no_inode(space: Space) -> bool:
    """Whether it was inodes that ran out, not bytes."""
    return space.min_free > FULL_BELOW and space.min_free_inodes == 0


def fullness(mount: str, space: Space) -> Clue:
    """A mount that was full."""
    if has_no_inode(space):
        return Clue(grade=Grade.KERNEL, text=f"statvfs: {mount} had no inode left, and {size(space.min_free)} free")
    kind = f"{space.kind} of " if space.kind else ""
    text = f"statvfs: {mount} ({kind}{size(space.size)}) had {size(space.min_free)} free"
    return Clue(grade=Grade.KERNEL, text=text, at_s=space.min_free_at_s)


def more_room(mount: str, space: Space) -> str:
    """What to do about a mount that was full."""
    if has_no_inode(space):
        return f"{mount} had no inode left: let the build keep fewer files there, or raise its `nr_inodes`."
    if mount == "/dev/shm":  # noqa: S108 (the build's mount)
        return f"Raise `shm_size` from {size_word(space.size)} to {roomier(space.size, 4)}, or point TMPDIR elsewhere."
    if space.kind == "tmpfs":
        more = roomier(space.size, 4)
        return (
            f"Give {mount} more than {size(space.size)}: `size={more}` in the builder's `tmpfs`; or point the build's"
            " output or TMPDIR elsewhere."
        )
    return f"Free space on the engine's disk: {mount} has {size(space.size)} in all, and they were used up."


def memory_clue(memory: Memory) -> Clue | None:
    """The interval of the peak beside its limit."""
    if memory.charged_peak is None and memory.demand_peak is None:
        return None
    text = f"cgroup: demand peak {size(memory.demand_peak)}, charged peak {size(memory.charged_peak)}"
    text += f", limit {size(memory.limit)}" if memory.limit else ""
    text += f", {memory.oom_kills} OOM kill{'s' if memory.oom_kills > 1 else ''}" if memory.oom_kills else ""
    return Clue(grade=Grade.KERNEL, text=text, at_s=memory.demand_peak_at_s)


def holders_clue(memory: Memory) -> Clue | None:
    """Who held the memory at the demand peak."""
    least = (memory.demand_peak or 0) // 50
    told = ", ".join(f"{named(holder)} {size(holder.rss)}" for holder in memory.holders[:3] if holder.rss >= least)
    if not told:
        return None
    return Clue(grade=Grade.KERNEL, text=f"resident at the demand peak: {told}", at_s=memory.demand_peak_at_s)


def size_word(count: int) -> str:
    """Bytes as the manifest and Compose write them: `512m`, `6g`."""
    return f"{count >> 30}g" if count and count % (1 << 30) == 0 else f"{-(-count // _MIB)}m"


def budget_for(count: int) -> str:
    """A budget for a need of `count` bytes: a tenth more, in steps of 16 MiB."""
    step = 16 * _MIB
    return size_word(-(-int(count * 1.1) // step) * step)


def roomier(count: int, factor: float = 1.5) -> str:
    """The next round size of at least `factor` times `count` bytes.

    From 4 GiB on whole GiB; below that powers of two, and the middle between two.
    """
    wanted, step = count * factor, _MIB
    if wanted > 4 << 30:
        return f"{math.ceil(wanted / (1 << 30))}g"
    while step < wanted and step + step // 2 < wanted:
        step *= 2
    return size_word(step if step >= wanted else step + step // 2)
