"""Watching one build container: find it, read its limits, sample while it runs, and sum up when its command ends."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from . import cgroup, space
from .accounting import Journal, Record
from .processes import Census

DENSE_S = 0.01
SPARSE_S = 0.05
IDLE_S = 0.02
MOVED_BYTES = 8 << 20  # a change between two samples that calls for dense sampling
MOST_REPORTED_ENDS = 500  # of each signal, and of those that failed: the rest is counted
LAST_FAILED = 20  # of that rest these are told at the end, for what failed last is why the command failed
COUNTERS_EVERY_S = 0.25
CENSUS_EVERY_S = 0.25
SAMPLE_EVENT_EVERY_S = 0.1
STATE_EVENT_EVERY_S = 1.0
UNACCOUNTED_GRACE_S = 0.2
UNACCOUNTED_IDLE_TICKS = 3


class Watch:
    """The build's container from the probe's side. `pause_s` is how long to wait until the next `tick`."""

    def __init__(self, journal: Journal | None, cgroup_root: Path, emit: Callable[..., None]) -> None:
        self._journal, self._cgroup_root, self._emit = journal, cgroup_root, emit
        self._census = Census()
        self._cgroup: cgroup.Cgroup | None = None
        self._space: space.Watch | None = None
        self._container = ""
        self._gate_pid = 0  # the shell that holds the build back, and waits for its end
        self._began: float | None = None
        self._ended = False
        self._idle_ticks = 0
        self._reported: dict[str, int] = {}
        self._last_failed: deque[dict[str, object]] = deque(maxlen=LAST_FAILED)
        self._exited = 0
        self._peak_pids = 0
        self._samples = 0
        self._longest_gap_s = 0.0
        self._last_sample_at = 0.0
        self._last_demand = 0
        self._demand_peak: int | None = None
        self._demand_peak_at_s = 0.0
        self._holders: list[dict[str, object]] = []
        self._holders_at_demand = 0
        self._swap_peak: int | None = None
        self._at_start: dict[str, int | None] = {}
        self._counters: dict[str, int | None] = {}
        self._cpu_at_start_s = 0.0
        self._due: dict[str, float] = {}
        self.pause_s = IDLE_S

    def obey(self, command: dict[str, object]) -> None:
        """Do what the client asks: name the container, read its limits, start the clock, tell how it stands."""
        match command.get("do"):
            case "watch":
                self._container = str(command["container"])
            case "limits":
                self._report_limits()
            case "go":
                self._start()
            case "sum-up":
                self._sum_up(final=False, command=None)

    # -- before the build ---------------------------------------------------------------------------

    def _find_gate(self) -> None:
        for name in os.listdir("/proc"):  # noqa: PTH208
            if not name.isdigit() or name == "1":
                continue
            try:
                text = Path(f"/proc/{name}/cgroup").read_text("ascii", "replace")
            except OSError:
                continue
            if self._container in text:
                self._gate_pid = int(name)
                self._cgroup = cgroup.of_process(text, self._cgroup_root)
                return

    def _report_limits(self) -> None:
        if not self._gate_pid:
            self._find_gate()
        if self._space is None and self._gate_pid:
            self._space = space.Watch(self._gate_pid)
            self._space.sample(0.0, thorough=True)
        try:
            rlimits = Path(f"/proc/{self._gate_pid}/limits").read_text("ascii")
        except OSError:
            rlimits = None
        self._emit(
            "limits",
            found=bool(self._gate_pid),
            cgroup_version=self._cgroup.version if self._cgroup else None,
            cgroup=self._cgroup.limits() if self._cgroup else None,
            rlimits=rlimits,
            mounts=[mount.facts() for mount in self._space.mounts] if self._space else [],
        )

    def _start(self) -> None:
        if self._journal:
            list(self._journal.drain())
        self._began = self._last_sample_at = time.monotonic()
        self._at_start = self._counters = self._cgroup.counters() if self._cgroup else {}
        self._cpu_at_start_s = time.process_time()
        self._emit("started")

    # -- while it runs ------------------------------------------------------------------------------

    def _is_due(self, what: str, now: float, every_s: float) -> bool:
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + every_s
        return True

    def tick(self) -> None:
        """One round: ends first, because their command lines are still known, then memory, processes and space."""
        if self._began is None or self._ended:
            return
        now = time.monotonic()
        at_s = now - self._began
        command = self._account(at_s)
        if self._cgroup:
            self._sample(now, at_s)
        if self._is_due("census", now, CENSUS_EVERY_S):
            self._census.measure()
        else:
            self._census.meet()
        self._peak_pids = max(self._peak_pids, len(self._census.alive) - 1)
        if self._space:
            self._space.sample(at_s)
        if self._cgroup and self._is_due("counters", now, COUNTERS_EVERY_S):
            self._read_counters()
        if command is not None or self._is_over(at_s):
            self._finish(command)
        elif self._is_due("state", now, STATE_EVENT_EVERY_S):
            self._sum_up(final=False, command=None)

    def _is_over(self, at_s: float) -> bool:
        """True when the gate is gone, or, where no accounting can tell, when it has had no child for a while."""
        if self._gate_pid not in self._census.alive:
            return True
        if self._journal:
            return False
        busy = any(seen.ppid == self._gate_pid for seen in self._census.alive.values())
        self._idle_ticks = 0 if busy else self._idle_ticks + 1
        return at_s > UNACCOUNTED_GRACE_S and self._idle_ticks >= UNACCOUNTED_IDLE_TICKS

    def _account(self, at_s: float) -> Record | None:
        """Report the ends since the last tick; returns the command's own, if it is among them."""
        command = None
        for record in self._journal.drain() if self._journal else ():
            if record.pid == self._gate_pid:
                continue
            self._exited += 1
            if record.signal:
                self._report_end("signalled", record, at_s)
                if self._space:
                    self._space.sample(at_s, thorough=True)
                self._read_counters()
            elif record.exit_code:
                self._report_end("failed", record, at_s)
            if record.ppid == self._gate_pid:
                command = record
        return command

    def _report_end(self, kind: str, record: Record, at_s: float) -> None:
        which = f"signal {record.signal}" if record.signal else kind  # many a SIGPIPE must not hide one SIGBUS
        self._reported[which] = self._reported.get(which, 0) + 1
        end = {
            "pid": record.pid,
            "ppid": record.ppid,
            "comm": record.comm,
            "cmdline": self._census.cmdline_of(record.pid, record.comm),
            "at_s": round(at_s, 3),
            "duration_s": round(record.elapsed_s, 3),
            "signal": record.signal,
            "exit_code": record.exit_code,
            "core_dumped": record.dumped_core,
        }
        if self._reported[which] <= MOST_REPORTED_ENDS:
            self._emit(kind, **end)
        elif kind == "failed":
            self._last_failed.append(end)

    def _sample(self, now: float, at_s: float) -> None:
        usage = self._cgroup.usage() if self._cgroup else None
        if usage is None or usage.demand is None:
            return
        self._samples += 1
        self._longest_gap_s = max(self._longest_gap_s, now - self._last_sample_at)
        self._last_sample_at = now
        moved = abs(usage.demand - self._last_demand) > MOVED_BYTES
        self._last_demand = usage.demand
        self.pause_s = DENSE_S if moved else min(SPARSE_S, self.pause_s * 1.5)
        if usage.swap is not None:
            self._swap_peak = max(self._swap_peak or 0, usage.swap)
        if usage.demand > (self._demand_peak or 0):
            self._demand_peak, self._demand_peak_at_s = usage.demand, at_s
            self._note_holders()
        if self._is_due("sample", now, SAMPLE_EVENT_EVERY_S):
            largest = max(self._census.alive.values(), key=lambda seen: seen.rss, default=None)
            self._emit(
                "sample",
                at_s=round(at_s, 3),
                charged=usage.charged,
                demand=usage.demand,
                swap=usage.swap,
                pids=len(self._census.alive) - 1,
                largest=largest.comm if largest else None,
            )

    def _note_holders(self) -> None:
        """Who holds the memory at a new peak; asked when the peak grew by a twentieth, for a scan has its price."""
        peak = self._demand_peak or 0
        if peak > self._holders_at_demand * 1.05 + (4 << 20):
            self._holders_at_demand = peak
            self._census.measure()
            largest = sorted(self._census.alive.values(), key=lambda seen: seen.rss, reverse=True)[:5]
            self._holders = [
                {"pid": s.pid, "comm": s.comm, "cmdline": s.cmdline, "rss": s.rss} for s in largest if s.rss
            ]

    def _read_counters(self) -> None:
        """Keep the last value of each counter: they vanish with the cgroup when the container ends unexpectedly."""
        if self._cgroup:
            fresh = self._cgroup.counters()
            self._counters = {**self._counters, **{name: value for name, value in fresh.items() if value is not None}}

    # -- at the end ---------------------------------------------------------------------------------

    def _finish(self, command: Record | None) -> None:
        self._ended = True
        self.pause_s = SPARSE_S
        self._census.measure()
        self._read_counters()
        if self._space and self._began is not None:
            self._space.sample(time.monotonic() - self._began, thorough=True)
        for end in self._last_failed:
            self._emit("failed", **end)
        self._sum_up(final=True, command=command)

    def _sum_up(self, *, final: bool, command: Record | None) -> None:
        if self._began is None:
            return
        leftover = [seen for seen in self._census.alive.values() if seen.pid != self._gate_pid] if final else []
        self._emit(
            "state",
            final=final,
            at_s=round(time.monotonic() - self._began, 3),
            command=None
            if command is None
            else {
                "pid": command.pid,
                "signal": command.signal,
                "exit_code": command.exit_code,
                "elapsed_s": command.elapsed_s,
            },
            exited=self._exited if self._journal else None,
            unreported={
                which: count - MOST_REPORTED_ENDS
                for which, count in self._reported.items()
                if count > MOST_REPORTED_ENDS
            },
            accounting_suspended=self._journal.suspended if self._journal else None,
            accounting_unreadable=self._journal.unreadable if self._journal else None,
            demand_peak=self._demand_peak,
            demand_peak_at_s=round(self._demand_peak_at_s, 3),
            holders=self._holders,
            swap_peak=self._swap_peak,
            samples=self._samples,
            longest_gap_ms=round(self._longest_gap_s * 1000, 1),
            counters=self._counters,
            counters_at_start=self._at_start,
            peak_pids=self._peak_pids,
            top=[seen.facts() for seen in self._census.top() if seen.pid != self._gate_pid],
            leftover=[seen.facts() for seen in leftover],
            space=[mount.facts() for mount in self._space.mounts] if self._space else [],
            probe_cpu_s=round(time.process_time() - self._cpu_at_start_s, 3),
        )
