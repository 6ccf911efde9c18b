"""Facts observed about one build; never an opinion.

Sizes are bytes, times are seconds since the build's command was let go (`at_s`) or durations. None always means
"could not be read": unknown is not zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from buildproof.limits import LimitState
from buildproof.targets import Format, Machine

SHELL_SIGNAL_BASE = 128  # a shell's exit status for a child that a signal ended, POSIX sh 2.8.2


class Grade(StrEnum):
    """How good a piece of evidence is, best first."""

    HARNESS = "harness"  # something the harness itself did or saw
    KERNEL = "kernel"  # accounting records, cgroup counters
    STATUS = "status"  # exit codes
    LOG = "log"  # text


class Stop(StrEnum):
    """Why the harness ended a build that was still running."""

    TIME_LIMIT = "time-limit"
    SILENT = "silent"
    CANCELLED = "cancelled"
    PROBE_LOST = "probe-lost"
    DISK_LIMIT = "disk-limit"


@dataclass(frozen=True, kw_only=True)
class CutFile:
    """A file shorter than it has to be: bytes. `needed` is what an ELF header or a mapping of it reaches to."""

    path: str
    size: int
    needed: int | None = None  # None: an empty file, which no mapping can be read from


@dataclass(frozen=True, kw_only=True)
class ProcessEnd:
    """One process's end as the kernel wrote it down: `struct acct_v3`, see acct(5).

    `pid` and `ppid` are numbers in the pod's PID namespace. One of `signal` and `exit_code` is set, or none for a
    process whose main thread ended before it did: the kernel keeps that thread's status, and of the others only that a
    signal ended one.
    `cmdline` was sampled while the process lived and is None for one that was too short-lived to be met.
    `cut_files` are, for a process that died of SIGBUS or caught it, the files that it had mapped or that its command
    line names and that were found too short right after.
    """

    pid: int
    ppid: int
    comm: str
    cmdline: str | None
    at_s: float
    duration_s: float
    signal: int | None = None
    exit_code: int | None = None
    core_dumped: bool = False
    cut_files: tuple[CutFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process's own high-water marks, sampled: VmHWM and VmPeak of /proc/pid/status, see proc_pid_status(5)."""

    pid: int
    comm: str
    cmdline: str | None
    peak_rss: int
    peak_address_space: int | None = None


@dataclass(frozen=True, kw_only=True)
class Holder:
    """What one process held at the moment of the demand peak: VmRSS, bytes."""

    pid: int
    comm: str
    cmdline: str | None
    rss: int


@dataclass(frozen=True, kw_only=True)
class AncestorLimit:
    """A memory limit above the build's own: `path` of the cgroup on the host, bytes, and how often it was hit."""

    path: str
    limit: int
    limit_hits: int | None = None


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The build's cgroup over the whole run; the words are those of docs/design.md, "Peak memory, honestly"."""

    limit: int | None = None
    charged_peak: int | None = None
    demand_peak: int | None = None
    demand_peak_at_s: float | None = None
    swap_peak: int | None = None
    oom_kills: int | None = None
    limit_hits: int | None = None
    own_ooms: int | None = None  # of the OOM kills those that this very limit led to; v2 only
    saturated: bool | None = None
    holders: tuple[Holder, ...] = ()  # largest first
    stalled_s: float | None = None  # PSI: time in which no process could go on for want of memory; v2 only
    major_faults: int | None = None
    refaults: int | None = None  # page cache read again soon after it was given up
    ancestors: tuple[AncestorLimit, ...] = ()
    sample_interval_ms: float | None = None  # the longest gap between two samples
    samples: int = 0


@dataclass(frozen=True, kw_only=True)
class Time:
    """Wall and CPU time of the build's command alone: no image, no fetch, no check in it."""

    wall_s: float | None = None
    cpu_s: float | None = None
    throttled_s: float | None = None
    limit_s: float | None = None
    suspended_s: float | None = None  # the engine's host slept: CLOCK_BOOTTIME against CLOCK_MONOTONIC
    paused_s: float | None = None  # paused through the engine, or stopped with its watchers: not counted by limits
    clock_step_s: float | None = None  # its wall clock was set: CLOCK_REALTIME against CLOCK_BOOTTIME


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Every process that ended. `exited` is None where the engine refused process accounting."""

    exited: int | None = None
    signalled: tuple[ProcessEnd, ...] = ()
    failed: tuple[ProcessEnd, ...] = ()  # the last that ended with a non-zero status
    top: tuple[Process, ...] = ()
    leftover: tuple[Process, ...] = ()  # still alive when the command had ended
    at_work: Holder | None = None  # held most memory when it was last sampled
    peak_pids: int | None = None
    limit_hits: int | None = None  # forks that the limit of processes and threads refused


@dataclass(frozen=True, kw_only=True)
class Space:
    """A writable mount of the build: its size and the least that was free, bytes and inodes."""

    size: int
    min_free: int
    min_free_at_s: float
    min_free_inodes: int | None = None  # None where the file system has no fixed number of them
    kind: str | None = None  # tmpfs, ext4, overlay, ...


@dataclass(frozen=True, kw_only=True)
class LogFinding:
    """A line of the build's log that a pattern of docs/evidence.md knows; `line` counts from 1."""

    kind: str
    line: int
    text: str


class CheckStatus(StrEnum):
    """The four answers a rule can give."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    WARNING = "warning"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One rule's answer about one artifact, with the place, both values, and what to do where it fails."""

    id: str
    status: CheckStatus
    message: str
    mend: str | None = None
    offset: int | None = None
    expected: str | None = None
    actual: str | None = None


@dataclass(frozen=True, kw_only=True)
class Started:
    """What happened when an artifact was executed in a clean container without network or display."""

    image: str
    argv: tuple[str, ...]
    exit_code: int | None
    stdout: str
    duration_s: float
    complaint: str | None = None  # None: it did what the manifest expects


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """An output of a build after it came out of the container. `format` and `machine` are what was expected."""

    path: str
    size: int | None
    sha256: str | None
    format: Format
    machine: Machine
    checks: tuple[Check, ...] = ()
    started: Started | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that was observed about one build."""

    exit_code: int | None = None  # of the command; None when it never ended by itself
    stopped: Stop | None = None
    stopped_at_s: float | None = None
    engine_oom_flag: bool | None = None
    accounting: bool = False
    accounting_refused: str | None = None
    probe_lost: str | None = None
    probe_cpu_s: float | None = None
    emulated: str | None = None  # which CPU stands in for which, or None when none is emulated
    host_swapped: int | None = None  # bytes that the engine's host moved to and from swap meanwhile
    host_busy_s: float | None = None  # CPU seconds of the engine's host, this build's among them
    host_cpus: int | None = None
    disk_used: int | None = None  # bytes of its files when they were last counted, removed but open ones among them
    limits: dict[str, LimitState] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    time: Time = field(default_factory=Time)
    processes: Processes = field(default_factory=Processes)
    space: dict[str, Space] = field(default_factory=dict)
    findings: tuple[LogFinding, ...] = ()
    last_lines: tuple[str, ...] = ()
    log_dropped: int = 0  # bytes that the log file leaves out between its beginning and its end; findings miss none
    artifacts: tuple[Artifact, ...] | None = None  # None: not collected, because the command did not succeed
