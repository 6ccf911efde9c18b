"""The ends of processes as they are told: each one counted, those that failed in full, a flood of them bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from .accounting import Record
from .processes import Census, Seen

MOST_REPORTED = 500  # of each signal, and of those that failed: the rest is counted
LAST_FAILED = 20  # of that rest these are told at the end, for what failed last is why the command failed
ORPHAN_OF = 1  # the probe: a process whose own parent ended before it explains nobody's failure
_MOST_GENERATIONS = 16  # pids come round again: a lineage could be a circle


def _lineage(record: Record, others: Mapping[int, Record]) -> Iterator[Record]:
    """An ended process and its forebears, as far as their ends were read together with it; bounded."""
    for _generation in range(_MOST_GENERATIONS):
        yield record
        if record.ppid not in others:
            return
        record = others[record.ppid]


def as_met(record: Record, census: Census, others: Mapping[int, Record]) -> Seen | None:
    """The ended process as it was last met, or None. `others` are the ends read together with it, by pid.

    One that never called exec(2), which the kernel notes (AFORK of acct(5)), runs its parent's program with its
    parent's command line and mappings. So where it was too short-lived to be met, or was met when it had ended and had
    no words any more, its nearest forebear tells of it. One that did call it, and was met with its parent's words, was
    met before that: its own are not known.
    """
    own = census.ended(record.pid, record.comm)
    if own and not record.forked_only and census.has_words_of(own, record.ppid):
        own = replace(own, words=())
    if own and own.words:
        return own
    for kin in _lineage(record, others):
        if not kin.forked_only or kin.comm != record.comm:
            return own
        if (seen := census.look_up(kin.ppid, record.comm)) and seen.words:
            return Seen(record.pid, record.ppid, record.comm, seen.words, cwd=seen.cwd, mapped=dict(seen.mapped))
    return own


def forebear(record: Record, census: Census, others: Mapping[int, Record]) -> Seen | None:
    """The nearest forebear of an ended process that was met, or None: its words name what it had its children work on.

    `others` are the ends read together with it, by pid. One that is alive still and was not met before is looked at.
    """
    return next((seen for kin in _lineage(record, others) if (seen := census.find(kin.ppid))), None)


def has_unknown_signal(record: Record, seen: Seen | None) -> bool:
    """Whether a signal ended the process, as far as can be known, and its record tells of the main thread alone."""
    return bool(seen and seen.is_headless and record.thread_signalled and not record.status)


class Ends:
    """Counts every end and tells of those that were no success."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit
        self._reported: dict[str, int] = {}
        self._last_failed: deque[dict[str, object]] = deque(maxlen=LAST_FAILED)
        self.exited = 0

    def take(self, record: Record, seen: Seen | None, at_s: float, cut_files: list[dict[str, object]]) -> None:
        """One end; `seen` is the process as it was last met, `at_s` when the end was read, seconds."""
        self.exited += 1
        is_unknown = has_unknown_signal(record, seen)
        if not record.signal and not record.exit_code and not is_unknown:
            return
        kind = "signalled" if record.signal or is_unknown else "failed"
        # Each signal has a bound of its own: many a SIGPIPE must not hide one SIGBUS.
        which = f"signal {record.signal or '?'}" if kind == "signalled" else kind
        self._reported[which] = self._reported.get(which, 0) + 1
        end = {
            "pid": record.pid,
            "ppid": record.ppid,
            "comm": seen.comm if seen else record.comm,
            "cmdline": seen.cmdline if seen else None,
            "at_s": round(at_s, 3),
            "duration_s": round(record.elapsed_s, 3),
            "signal": record.signal,
            "exit_code": None if is_unknown else record.exit_code,
            "core_dumped": record.dumped_core,
            "cut_files": cut_files,
        }
        if self._reported[which] <= MOST_REPORTED:
            self._emit(kind, **end)
        elif kind == "failed" and record.ppid != ORPHAN_OF:
            self._last_failed.append(end)

    def tell_the_last(self) -> None:
        """Those that failed last and were only counted so far."""
        for end in self._last_failed:
            self._emit("failed", **end)
        self._last_failed.clear()

    @property
    def unreported(self) -> dict[str, int]:
        """How many were only counted, by kind."""
        return {which: count - MOST_REPORTED for which, count in self._reported.items() if count > MOST_REPORTED}
