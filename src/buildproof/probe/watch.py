"""Watching one build container: find it, read its limits, sample while it runs, and sum up when its command ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from . import cgroup, host, space, usage
from .accounting import Journal, Record
from .clues import Clues, worth_noting
from .ends import Ends, as_met, forebear, has_unknown_signal
from .memory import IDLE_S, SPARSE_S, Sampler
from .processes import Census, Seen, rights_of

COUNTERS_EVERY_S = 0.25
CENSUS_EVERY_S = 0.25
MAPPINGS_EVERY_S = 1.0
STATE_EVENT_EVERY_S = 1.0
GCC_ICE_EXIT_CODE = 4  # ICE_EXIT_CODE of gcc/system.h: what GCC exits with when it caught a signal of its own
UNACCOUNTED_IDLE_TICKS = 3


def _since(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else round(now - before, 2)


class Watch:
    """The build's container from the probe's side. `pause_s` is how long to wait until the next `tick`."""

    def __init__(self, journal: Journal | None, cgroup_root: Path, emit: Callable[..., None]) -> None:
        self._journal, self._cgroup_root, self._emit = journal, cgroup_root, emit
        self._census = Census()
        self._ends = Ends(emit)
        self._cgroup: cgroup.Cgroup | None = None
        self._memory: Sampler | None = None
        self._space: space.Watch | None = None
        self._usage: usage.Usage | None = None
        self._clues: Clues | None = None
        self._container = ""
        self._disk_limit: int | None = None
        self._gate_pid = 0  # the shell that holds the build back, and waits for its end
        self._began: float | None = None
        self._ended = False
        self._answers: object = None  # the number of the client's last question
        self._own_end: tuple[Record, Seen | None, float, list[dict[str, object]]] | None = None
        self._is_let_go = False
        self._idle_ticks = 0
        self._faults_at_start: int | None = None
        self._peak_pids = 0
        self._largest: tuple[int, str, tuple[str, ...]] | None = None
        self._at_start: dict[str, int | None] = {}
        self._counters: dict[str, int | None] = {}
        self._ancestors_at_start: list[dict[str, str | int | None]] = []
        self._clocks = host.Clocks()
        self._swapped_at_start: int | None = None
        self._busy_at_start_s: float | None = None
        self._cpu_at_start_s = 0.0
        self._due: dict[str, float] = {}

    @property
    def pause_s(self) -> float:
        """Seconds until the next tick."""
        if self._began is None or self._memory is None:
            return IDLE_S
        return SPARSE_S if self._ended else self._memory.pause_s

    def obey(self, command: dict[str, object]) -> None:
        """Do what the client asks: name the container, read its limits, start the clock, tell how it stands."""
        match command.get("do"):
            case "watch":
                self._container, limit = str(command["container"]), command.get("disk_limit")
                self._disk_limit = limit if isinstance(limit, int) else None
            case "limits":
                self._report_limits()
            case "go":
                self._start()
            case "sum-up" if self._began is not None and not self._ended:
                self._answers = command.get("number")
                self._sum_up_now(time.monotonic() - self._began)

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
                self._look_at(int(name), cgroup.of_process(text, self._cgroup_root))
                return

    def _look_at(self, gate_pid: int, group: cgroup.Cgroup | None) -> None:
        self._gate_pid, self._cgroup = gate_pid, group
        self._memory = Sampler(group, self._census, gate_pid) if group else None
        self._clues = Clues(f"/proc/{gate_pid}/root")

    def _report_limits(self) -> None:
        if not self._gate_pid:
            self._find_gate()
        if self._space is None and self._gate_pid:
            self._space = space.Watch(self._gate_pid)
            self._space.sample(0.0, thorough=True)
            self._usage = self._watch_disks(self._space)
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
            rights=rights_of(self._gate_pid),
            mounts=[mount.facts() for mount in self._space.mounts] if self._space else [],
            disk_limit=self._usage.limit if self._usage else None,
        )

    def _watch_disks(self, mounts: space.Watch) -> usage.Usage | None:
        if self._disk_limit is None or not mounts.disks:
            return None
        return usage.Usage(f"/proc/{self._gate_pid}/root", mounts.disks, mounts.others, self._disk_limit)

    def _start(self) -> None:
        if self._journal:
            list(self._journal.drain())
        self._began = time.monotonic()
        self._faults_at_start = self._census.childrens_faults(self._gate_pid)
        if self._cgroup and self._memory:
            self._memory.start(self._began)
            self._at_start = self._counters = self._cgroup.counters()
            self._ancestors_at_start = self._cgroup.ancestors()
        self._clocks = host.Clocks()
        self._swapped_at_start = host.swapped()
        self._busy_at_start_s = host.busy_s()
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
        ended_before = self._ends.exited
        command = self._account(at_s)
        if self._memory:
            self._sample(self._memory, now, at_s)
        if self._is_due("census", now, CENSUS_EVERY_S):
            self._census.measure()
        else:
            self._census.meet(thoroughly=self._ends.exited > ended_before)
        self._census.note_mappings(worth_noting, of_all=self._is_due("mappings", now, MAPPINGS_EVERY_S))
        self._peak_pids = max(self._peak_pids, len(self._census.alive) - 1)
        if self._space:
            self._space.sample(at_s)
        if self._space and self._usage and self._usage.tick(at_s, self._space.free_on_disks, self._census.alive):
            self._sum_up(final=False, command=None)
        if self._is_due("counters", now, COUNTERS_EVERY_S):
            self._read_counters()
        if command is not None or self._is_over():
            self._finish(command)
        elif self._is_due("state", now, STATE_EVENT_EVERY_S):
            self._sum_up(final=False, command=None)

    def _is_over(self) -> bool:
        """True when the gate is gone, or, where no accounting can tell, when it has had no child for a while.

        Accounting that the kernel may have suspended tells nothing: the command's own record may be among the lost.
        """
        gate = self._census.alive.get(self._gate_pid)
        if gate is None or gate.is_over:
            return True
        if self._journal and not self._journal.suspended:
            return False
        busy = any(seen.ppid == self._gate_pid for seen in self._census.alive.values())
        self._is_let_go = self._is_let_go or busy or self._has_waited_for_a_child()
        self._idle_ticks = 0 if busy or not self._is_let_go else self._idle_ticks + 1
        return self._idle_ticks >= UNACCOUNTED_IDLE_TICKS

    def _has_waited_for_a_child(self) -> bool:
        """Whether the gate's command has come and gone: on a busy machine the word to go reaches the gate late."""
        faults = self._census.childrens_faults(self._gate_pid)
        return faults is not None and self._faults_at_start is not None and faults > self._faults_at_start

    def _account(self, at_s: float) -> Record | None:
        """Report the ends since the last tick; returns the command's own, if it is among them."""
        command = None
        records = list(self._journal.drain()) if self._journal else []
        by_pid = {record.pid: record for record in records}
        for record in records:
            if record.pid == self._gate_pid:
                self._read_counters()  # its cgroup goes with it
                continue
            seen = as_met(record, self._census, by_pid)
            if (record.signal or record.exit_code) and not (seen and seen.words):
                # A forebear that nobody met may have ended since: then its record is there by now.
                late = list(self._journal.drain()) if self._journal else []
                records += late
                by_pid.update((each.pid, each) for each in late)
                seen = as_met(record, self._census, by_pid) if late else seen
            is_unknown = has_unknown_signal(record, seen)
            is_sigbus = record.signal == signal.SIGBUS or record.exit_code == GCC_ICE_EXIT_CODE or is_unknown
            cut_files = self._cut_files(record, seen, by_pid) if is_sigbus else []
            if record.signal or is_unknown:
                if self._space:
                    self._space.sample(at_s, thorough=True)
                self._read_counters()
            self._census.note_end(record.pid)
            end = record, seen, at_s, cut_files
            if record.ppid == self._gate_pid:
                command, self._own_end = record, end
            else:
                self._ends.take(*end)
        return command

    def _cut_files(self, record: Record, seen: Seen | None, others: Mapping[int, Record]) -> list[dict[str, object]]:
        """The files that SIGBUS was about. Whoever was too short-lived to be met had its words from a forebear."""
        if not (seen and seen.words) and (above := forebear(record, self._census, others)):
            seen = replace(above, mapped=seen.mapped if seen else {})
        return self._clues.cut_files(seen) if seen and self._clues else []

    def _sample(self, memory: Sampler, now: float, at_s: float) -> None:
        usage = memory.sample(now, at_s)
        if usage is None:
            return
        largest = next(iter(memory.largest_first()), None)
        if largest and (largest.pid, largest.comm, largest.words) != self._largest and largest.settled:
            self._largest = largest.pid, largest.comm, largest.words
            self._emit("process", pid=largest.pid, comm=largest.comm, cmdline=largest.cmdline)
        self._emit(
            "sample",
            at_s=round(at_s, 3),
            charged=usage.charged,
            demand=usage.demand,
            swap=usage.swap,
            pids=max(0, len(self._census.alive) - 1),
            largest=largest.pid if largest else None,
            largest_rss=largest.rss if largest else None,
            free=[mount.free for mount in self._space.mounts] if self._space else [],
        )

    def _read_counters(self) -> None:
        """Keep the last value of each counter: they vanish with the cgroup when the container ends unexpectedly."""
        if self._cgroup:
            fresh = self._cgroup.counters()
            self._counters = {**self._counters, **{name: value for name, value in fresh.items() if value is not None}}

    # -- at the end ---------------------------------------------------------------------------------

    def _finish(self, command: Record | None) -> None:
        self._ended = True
        self._census.measure()
        self._read_counters()
        if self._space and self._began is not None:
            at_s = time.monotonic() - self._began
            self._space.sample(at_s, thorough=True)
            if self._usage:
                self._usage.finish(at_s, self._space.free_on_disks, list(self._census.alive))
            self._account(at_s)  # what ended meanwhile: orphans of the command die right behind it
        if self._own_end:  # the last to be told: what ends after it is not why it failed
            self._ends.take(*self._own_end)
        self._ends.tell_the_last()
        self._sum_up(final=True, command=command)

    def _sum_up_now(self, at_s: float) -> None:
        """The client is about to end the build: all that happened until now, the command's own end among it."""
        command = self._account(at_s)
        if command is not None:
            self._finish(command)
            return
        self._read_counters()
        self._sum_up(final=False, command=None)

    def _sum_up(self, *, final: bool, command: Record | None) -> None:
        if self._began is None:
            return
        leftover = [seen for seen in self._census.left() if seen.pid != self._gate_pid] if final else []
        self._emit(
            "state",
            final=final,
            answers=self._answers,
            at_s=round(time.monotonic() - self._began, 3),
            command=None
            if command is None
            else {
                "pid": command.pid,
                "signal": command.signal,
                "exit_code": command.exit_code,
                "elapsed_s": command.elapsed_s,
            },
            exited=self._ends.exited if self._journal else None,
            unreported=self._ends.unreported,
            accounting_suspended=self._journal.suspended if self._journal else None,
            accounting_unreadable=self._journal.unreadable if self._journal else None,
            **(self._memory.facts() if self._memory else {}),
            counters=self._counters,
            counters_at_start=self._at_start,
            ancestors=self._cgroup.ancestors() if self._cgroup else [],
            ancestors_at_start=self._ancestors_at_start,
            peak_pids=self._peak_pids,
            top=[seen.facts() for seen in self._census.top() if seen.pid != self._gate_pid],
            leftover=[seen.facts() for seen in leftover],
            space=[mount.facts() for mount in self._space.mounts] if self._space else [],
            disk_used=self._usage.used if self._usage else None,
            clocks=self._clocks.facts(),
            host_swapped=_since(host.swapped(), self._swapped_at_start),
            host_busy_s=_since(host.busy_s(), self._busy_at_start_s),
            host_cpus=os.cpu_count(),
            probe_cpu_s=round(time.process_time() - self._cpu_at_start_s, 3),
        )
