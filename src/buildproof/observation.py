"""What the probe told about one build, folded event by event into evidence. Pure.

The probe's counters stand in every `state` event, so that a probe or an engine that is lost in the middle leaves the
last second's truth behind, not nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from buildproof.evidence import (
    SHELL_SIGNAL_BASE,
    AncestorLimit,
    CutFile,
    Holder,
    Memory,
    Process,
    ProcessEnd,
    Processes,
    Space,
    Time,
)
from buildproof.probe.ends import ORPHAN_OF

_T = TypeVar("_T")
_MOST_FAILED = 20
_TIGHT = 0.1  # the share of a mount below which its free space is worth a look
# A charge is refused whole, so the mark may stay below the limit by the largest folio. The counter of limit hits cannot
# tell alone: cgroup v1 of newer kernels counts none at memory.memsw, the limit that is hit where both are the same.
_LARGEST_CHARGE = 2 << 20


class Observation:
    """Feed it events in order; ask for evidence at any time."""

    def __init__(self) -> None:
        self.hello: Mapping[str, Any] | None = None
        self.limits: Mapping[str, Any] | None = None
        self.started = False
        self.is_being_ended = False  # by the harness: how processes end from now on is its own doing
        self.state: Mapping[str, Any] = {}
        self.sample: Mapping[str, Any] = {}
        self._known: dict[int, tuple[str, str | None]] = {}
        self._signalled: list[ProcessEnd] = []
        self._failed: list[ProcessEnd] = []

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take in one event; kinds that are not known are passed over, for an older client may meet a newer probe."""
        match event.get("event"):
            case "hello":
                self.hello = event
            case "limits":
                self.limits = event
            case "started":
                self.started = True
            case "state":
                self.state = event
            case "sample":
                self.sample = event
            case "process":
                self._known[event["pid"]] = event["comm"], event["cmdline"]
            case "signalled" if not self.is_being_ended:
                self._signalled.append(_end(event))
            case "failed" if not self.is_being_ended:
                self._failed.append(_end(event))
                if len(self._failed) > _MOST_FAILED:
                    orphans = (index for index, end in enumerate(self._failed) if end.ppid == ORPHAN_OF)
                    del self._failed[next(orphans, 0)]

    @property
    def final(self) -> bool:
        """Whether the command has ended and its last counters are in."""
        return bool(self.state.get("final"))

    @property
    def at_work(self) -> tuple[str, str | None] | None:
        """Command name and command line of the process that holds most memory now."""
        return self._known.get(self.sample.get("largest") or 0)

    @property
    def tightest(self) -> tuple[str, int] | None:
        """The writable mount with the least share of it free now, and how much that is, bytes; None: all have room."""
        mounts = (self.limits or {}).get("mounts") or ()
        pairs = [
            (free / mount["size"], mount["mount"], free)
            for mount, free in zip(mounts, self.sample.get("free") or (), strict=False)
            if mount.get("size") and free is not None
        ]
        return min(pairs)[1:] if pairs and min(pairs)[0] < _TIGHT else None

    def _held_most(self) -> Holder | None:
        name = self.at_work
        if name is None:
            return None
        comm, cmdline = name
        pid, rss = self.sample["largest"], self.sample.get("largest_rss") or 0
        return Holder(pid=pid, comm=comm, cmdline=cmdline, rss=rss)

    @property
    def accounting_refused(self) -> str | None:
        """Why the kernel refused process accounting, or None when it is on."""
        return None if self.hello is None else self.hello.get("accounting_refused")

    @property
    def accounting_gap(self) -> str | None:
        """Why records of ended processes may be missing, or None when they are complete."""
        if self.state.get("accounting_suspended"):
            return "the accounting file's file system was nearly full: the kernel may have suspended accounting"
        if self.state.get("accounting_unreadable"):
            return f"{self.state['accounting_unreadable']} accounting records were of an unknown version"
        return None

    def _counter(self, name: str, *, since_start: bool = False) -> int | None:
        value = (self.state.get("counters") or {}).get(name)
        if value is None or not since_start:
            return value
        before = (self.state.get("counters_at_start") or {}).get(name)
        return None if before is None else int(value) - int(before)

    def _swap_peak(self) -> int | None:
        """The kernel's mark, else the largest sample. Zero where the host has no swap, even if it is not accounted."""
        seen: int | None = self._counter("swap_peak")
        if seen is None:
            seen = self.state.get("swap_peak")
        none_at_all = self.state and self.hello is not None and self.hello.get("host_swap") == 0
        return 0 if seen is None and none_at_all else seen

    def memory(self) -> Memory:
        """The memory part; `limit` as read back from the kernel."""
        limit = ((self.limits or {}).get("cgroup") or {}).get("memory")
        charged, hits = self._counter("charged_peak"), self._counter("limit_hits", since_start=True)
        touched = limit is not None and charged is not None and charged >= limit - min(_LARGEST_CHARGE, limit // 64)
        saturated = True if touched else None if hits is None else hits > 0
        return Memory(
            limit=limit,
            charged_peak=charged,
            demand_peak=self.state.get("demand_peak"),
            demand_peak_at_s=self.state.get("demand_peak_at_s"),
            swap_peak=self._swap_peak(),
            oom_kills=self._counter("oom_kills", since_start=True),
            limit_hits=hits,
            own_ooms=self._counter("own_ooms", since_start=True),
            saturated=saturated,
            holders=tuple(_known(Holder, holder) for holder in self.state.get("holders") or ()),
            stalled_s=_seconds(self._counter("memory_stalled_us", since_start=True)),
            major_faults=self._counter("major_faults", since_start=True),
            refaults=self._counter("refaults", since_start=True),
            ancestors=self._ancestors(),
            sample_interval_ms=self.state.get("longest_gap_ms"),
            samples=int(self.state.get("samples") or 0),
        )

    def _ancestors(self) -> tuple[AncestorLimit, ...]:
        before = {known["path"]: known["limit_hits"] for known in self.state.get("ancestors_at_start") or ()}
        found = []
        for now in self.state.get("ancestors") or ():
            first, last = before.get(now["path"]), now["limit_hits"]
            hits = None if first is None or last is None else last - first
            found.append(AncestorLimit(path=now["path"], limit=now["limit"], limit_hits=hits))
        return tuple(found)

    @property
    def own_exit_code(self) -> int | None:
        """What the command exited with by itself, as the kernel wrote it down; None where a signal may have ended it.

        A status of 128 and more is a shell's word for a child that a signal ended, and who stops an engine sends those.
        """
        code = (self.state.get("command") or {}).get("exit_code")
        return code if code is not None and code < SHELL_SIGNAL_BASE else None

    def time(self, *, wall_s: float | None, limit_s: float | None, paused_s: float | None = None) -> Time:
        """The time part; `wall_s` is the client's clock, replaced by the kernel's where the command's record is in."""
        command = self.state.get("command") or {}
        cpu, throttled = (self._counter(name, since_start=True) for name in ("cpu_us", "throttled_us"))
        clocks = self.state.get("clocks") or {}
        return Time(
            wall_s=command.get("elapsed_s", wall_s),
            cpu_s=_seconds(cpu),
            throttled_s=_seconds(throttled),
            limit_s=limit_s,
            suspended_s=clocks.get("suspended_s"),
            paused_s=paused_s,
            clock_step_s=clocks.get("clock_step_s"),
        )

    def processes(self) -> Processes:
        """The process part."""
        return Processes(
            exited=self.state.get("exited"),
            signalled=tuple(map(self._with_signal, self._signalled)),
            failed=tuple(self._failed),
            top=tuple(map(_process, self.state.get("top") or ())),
            leftover=tuple(map(_process, self.state.get("leftover") or ())) if self.state.get("command") else (),
            at_work=self._held_most(),
            peak_pids=self._counter("pids_peak") or self.state.get("peak_pids"),
            limit_hits=self._counter("pids_limit_hits", since_start=True),
        )

    def _with_signal(self, end: ProcessEnd) -> ProcessEnd:
        """One whose record does not tell the signal, with that which its parent's exit status stands for."""
        codes = (parent.exit_code for parent in self._failed if parent.pid == end.ppid)
        told = next(codes, None) or 0
        return replace(end, signal=told - SHELL_SIGNAL_BASE) if end.signal is None and told > SHELL_SIGNAL_BASE else end

    def is_over_disk(self, limit: int | None) -> bool:
        """Whether the build's files took more than `limit` when they were last counted."""
        return limit is not None and (self.state.get("disk_used") or 0) > limit

    def space(self) -> dict[str, Space]:
        """The space part, by mount point."""
        return {
            mount["mount"]: Space(
                size=mount["size"],
                min_free=mount["min_free"],
                min_free_at_s=round(mount["min_free_at_s"], 3),
                min_free_inodes=mount["min_free_inodes"],
                kind=mount["kind"],
            )
            for mount in self.state.get("space") or ()
            if mount["min_free"] is not None
        }


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6


def _end(event: Mapping[str, Any]) -> ProcessEnd:
    return _known(ProcessEnd, {**event, "cut_files": tuple(_known(CutFile, cut) for cut in event["cut_files"])})


def _process(facts: Mapping[str, Any]) -> Process:
    return _known(Process, facts)


def _known(kind: type[_T], facts: Mapping[str, Any]) -> _T:
    """What this client knows of an event: a newer probe may tell more."""
    return kind(**{field.name: facts[field.name] for field in dataclasses.fields(cast("Any", kind))})
