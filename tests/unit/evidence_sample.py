"""Evidence to judge: one build that did well, and what is laid over it to make it fail."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any

from buildproof.evidence import (
    AncestorLimit,
    Artifact,
    Check,
    CheckStatus,
    CutFile,
    Evidence,
    LogFinding,
    Memory,
    ProcessEnd,
    Processes,
    Space,
    Started,
    Stop,
    Time,
)
from buildproof.limits import LimitState
from buildproof.targets import Format, Machine
from buildproof.verdict import Budget

GIB = 1 << 30
MIB = 1 << 20
BUDGET = Budget(peak_memory=2 * GIB, time_limit=1800, silent_limit=60)
NO_SPACE = "/usr/bin/ld: final link failed: No space left on device"


def limit(requested: int = 6 * GIB, *, in_force: bool | None = True, why: str | None = None) -> LimitState:
    return LimitState(requested=requested, effective=requested if in_force else None, in_force=in_force, why=why)


def artifact(status: CheckStatus = CheckStatus.PASS, complaint: str | None = None) -> Artifact:
    return Artifact(
        path="target/app.exe",
        size=4096,
        sha256="00",
        format=Format.PE,
        machine=Machine.X86_64,
        checks=(
            Check(id="pe-signature", status=CheckStatus.PASS, message="a PE file"),
            Check(id="pe-machine", status=status, message="it is for i686"),
        ),
        started=Started(image="wine", argv=("app.exe",), exit_code=0, stdout="", duration_s=1.0, complaint=complaint),
    )


def end(number: int | None, comm: str = "cc1plus", *, exit_code: int | None = None, at_s: float = 12.0) -> ProcessEnd:
    return ProcessEnd(
        pid=214, ppid=200, comm=comm, cmdline=None, at_s=at_s, duration_s=2.0, signal=number, exit_code=exit_code
    )


def found(kind: str, text: str, line: int = 7) -> LogFinding:
    return LogFinding(kind=kind, line=line, text=text)


GOOD = Evidence(
    exit_code=0,
    accounting=True,
    limits={"memory": limit()},
    memory=Memory(
        limit=6 * GIB,
        charged_peak=1800 * MIB,
        demand_peak=1500 * MIB,
        swap_peak=0,
        oom_kills=0,
        limit_hits=0,
        saturated=False,
        samples=900,
    ),
    time=Time(wall_s=100.0, cpu_s=150.0, limit_s=1800.0),
    processes=Processes(exited=250),
    space={"/dev/shm": Space(size=GIB, min_free=GIB // 2, min_free_at_s=3.0)},
    artifacts=(artifact(),),
)
UNACCOUNTED = replace(
    GOOD, accounting=False, accounting_refused="acct(2): Operation not permitted", processes=Processes()
)


def signalled(evidence: Evidence, *ends: ProcessEnd) -> Evidence:
    processes = evidence.processes
    return replace(evidence, processes=replace(processes, signalled=(*processes.signalled, *ends)))


def remembered(evidence: Evidence, **changes: Any) -> Evidence:
    return replace(evidence, memory=replace(evidence.memory, **changes))


def failed(evidence: Evidence = GOOD, code: int = 2, *findings: LogFinding) -> Evidence:
    return replace(evidence, exit_code=code, artifacts=None, findings=findings)


def forked(evidence: Evidence, *, hits: int | None) -> Evidence:
    return replace(
        evidence,
        processes=replace(evidence.processes, limit_hits=hits, peak_pids=4096),
        limits={**evidence.limits, "pids": limit(4096)},
    )


CAUGHT = "main.c:1:1: internal compiler error: Bus error"
FULL_SHM = {"/dev/shm": Space(size=64 * MIB, min_free=0, min_free_at_s=11.5)}
SAYS_NO_MEMORY = found("no-memory", "memory allocation of 1234 bytes failed")
ADDRESS_SPACE = {"memory": limit(), "address_space": limit()}
CUT = CutFile(path="/work/target/libx.rlib", size=100, needed=4 * MIB)
EMULATED = "the image is for arm64, the engine's CPU is amd64"
QUOTA = "cp: error writing 'x': Disk quota exceeded"
ICE = "main.c:1:1: internal compiler error: in expand_expr, at expr.cc:1"
NO_INODES = {"/tmp": Space(size=GIB, min_free=GIB // 2, min_free_at_s=1.0, min_free_inodes=0, kind="tmpfs")}
STOPPED = replace(
    GOOD,
    exit_code=None,
    artifacts=None,
    stopped=Stop.TIME_LIMIT,
    stopped_at_s=1800.0,
    time=Time(wall_s=1800.0, cpu_s=1700.0, limit_s=1800.0),
)
OOM_KILL = signalled(remembered(GOOD, oom_kills=1, limit_hits=9), end(signal.SIGKILL))


def with_limit_above(evidence: Evidence, hits: int | None, **changes: Any) -> Evidence:
    """The evidence with a limit of 4 GiB above the build's own, that was hit so often."""
    above = AncestorLimit(path="/kubepods/pod7", limit=4 * GIB, limit_hits=hits)
    return remembered(evidence, ancestors=(above,), **changes)
