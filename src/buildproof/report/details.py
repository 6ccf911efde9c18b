"""Everything that the page shows of one build once it is opened, as data with its numbers in words. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from buildproof.evidence import Artifact, Check, CheckStatus, Grade, Process, ProcessEnd
from buildproof.limits import LimitState, show_limit
from buildproof.record import Attempt, BuildRecord
from buildproof.units import duration, size
from buildproof.verdict import Verdict
from buildproof.verdict.claims import Claim, decide
from buildproof.verdict.culprit import signal_name, work_of

_LOG_LINE = re.compile(r"\blog line (\d+)\b")
_IN_FORCE = {True: "in force", False: "not in force", None: "could not be read"}
_COMMAND, _BRIEF_COMMAND = 2048, 160  # characters; the first is what the probe keeps
_GRAVEST_FIRST = (CheckStatus.FAIL, CheckStatus.WARNING, CheckStatus.PASS, CheckStatus.NOT_APPLICABLE)


def details_of(build: BuildRecord, *, brief: bool = False) -> dict[str, Any]:
    """All but what lies in files beside the record: chart, space over time, log.

    `brief`, for a page with many builds, cuts command lines, and counts the checks that passed without naming them.
    """
    longest = _BRIEF_COMMAND if brief else _COMMAND
    return {
        "id": build.id,
        "verdict": _verdict(build.verdict) if build.verdict else None,
        "claims": _claims(build),
        "figures": _figures(build),
        "phases": [[name, took, duration(took)] for name, took in build.phases_s.items()],
        "attempts": [_attempt(attempt) for attempt in build.attempts],
        "limits": [_limit(name, state) for name, state in build.limits.items()],
        "casualties": [_end(end, longest) for end in sorted(build.processes.signalled, key=lambda end: end.at_s)],
        "failed": [_end(end, longest) for end in build.processes.failed],
        "largest": [_process(process, build.processes.top, longest) for process in build.processes.top],
        "leftover": [_process(process, build.processes.leftover, longest) for process in build.processes.leftover],
        "holders": [[work_of(holder.comm, holder.cmdline), size(holder.rss)] for holder in build.memory.holders],
        "mounts": _mounts(build),
        "artifacts": [_artifact(artifact, brief=brief) for artifact in build.artifacts or ()],
        "marks": _marks(build),
        "origin": _origin(build),
        "reproduce": build.reproduce,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome.value,
        "family": verdict.outcome.family.value,
        "cause": verdict.cause,
        "grade": verdict.grade.value,
        "summary": verdict.summary,
        "evidence": [
            {
                "grade": clue.grade.value,
                "at": clue.at_s,
                "moment": "" if clue.at_s is None else f"{clue.at_s:.1f} s",
                "text": clue.text,
                "line": _line_told(clue.text) if clue.grade is Grade.LOG else None,
            }
            for clue in verdict.evidence
        ],
        "contradictions": list(verdict.contradictions),
        "advice": list(verdict.advice),
    }


def _line_told(text: str) -> int | None:
    found = _LOG_LINE.search(text)
    return int(found[1]) if found else None


def _claims(build: BuildRecord) -> list[list[str]]:
    if build.verdict is None:
        return []
    case = build.case()
    decided = [(claim, decide(claim, case)) for claim in Claim if claim is not Claim.STARTS or _was_started(build)]
    return [[claim.value, decision.answer.value, decision.why] for claim, decision in decided]


def _was_started(build: BuildRecord) -> bool:
    return any(artifact.started for artifact in build.artifacts or ())


def _figures(build: BuildRecord) -> list[list[str]]:
    """Label, figure, and what it is measured against or how exact it is."""
    memory, time, processes = build.memory, build.time, build.processes
    budget = build.budget.peak_memory
    figures = [
        ["memory demanded", size(memory.demand_peak), "peak, not reclaimable"],
        ["memory charged", size(memory.charged_peak), "peak, with page cache"],
        ["memory limit", size(memory.limit), f"budget {size(budget)}" if budget else "no budget"],
        ["time", duration(time.wall_s), f"limit {duration(build.budget.time_limit)}"],
        ["CPU time", duration(time.cpu_s), _throttled(time.throttled_s)],
        [
            "processes ended",
            "unknown" if processes.exited is None else f"{processes.exited:,}",
            _at_once(processes.peak_pids),
        ],
    ]
    if memory.oom_kills:
        figures.append(["OOM kills", str(memory.oom_kills), "counted by the kernel"])
    if memory.swap_peak:
        figures.append(["swap", size(memory.swap_peak), "at its peak"])
    if memory.samples:
        gap = f"longest gap {memory.sample_interval_ms:.0f} ms" if memory.sample_interval_ms is not None else ""
        figures.append(["samples", f"{memory.samples:,}", gap])
    return figures


def _attempt(attempt: Attempt) -> list[str]:
    """A try that the surroundings ended: where it was, how far it had come, and why it was not the last."""
    ran = "" if attempt.ran_s is None else duration(attempt.ran_s)
    return [attempt.phase.value, ran, attempt.trouble, attempt.what, duration(attempt.waited_s)]


def _throttled(seconds: float | None) -> str:
    return f"throttled {duration(seconds)}" if seconds else ""


def _at_once(count: int | None) -> str:
    return f"up to {count:,} at once" if count else ""


def _limit(name: str, state: LimitState) -> list[str]:
    asked, got = show_limit(name, state.requested), show_limit(name, state.effective)
    return [name.replace("_", " "), asked, got, _IN_FORCE[state.in_force], state.why or ""]


def _cut(command: str | None, longest: int) -> str | None:
    return command if command is None or len(command) <= longest else f"{command[: longest - 1]}…"


def _end(end: ProcessEnd, longest: int) -> dict[str, Any]:
    how = f"status {end.exit_code}" if end.signal is None and end.exit_code is not None else signal_name(end.signal)
    return {
        "at": end.at_s,
        "moment": f"{end.at_s:.1f} s",
        "pid": end.pid,
        "parent": end.ppid,
        "work": work_of(end.comm, end.cmdline),
        "command": _cut(end.cmdline, longest),
        "how": how + (", core dumped" if end.core_dumped else ""),
        "lived": duration(end.duration_s),
        "cut": [
            f"{cut.path}: {size(cut.size)}" + (f" of {size(cut.needed)} needed" if cut.needed else "")
            for cut in end.cut_files
        ],
    }


def _process(process: Process, among: Iterable[Process], longest: int) -> dict[str, Any]:
    most = max((other.peak_rss for other in among), default=0)
    return {
        "pid": process.pid,
        "work": work_of(process.comm, process.cmdline),
        "command": _cut(process.cmdline, longest),
        "rss": size(process.peak_rss),
        "share": round(process.peak_rss / most, 3) if most else 0,
        "address_space": size(process.peak_address_space) if process.peak_address_space else "",
    }


def _mounts(build: BuildRecord) -> list[dict[str, Any]]:
    """The writable mounts, the fullest first."""

    def left(name: str) -> float:
        space = build.space[name]
        return space.min_free / space.size if space.size else 0.0

    return [
        {
            "mount": name,
            "kind": build.space[name].kind or "",
            "size": size(build.space[name].size),
            "bytes": build.space[name].size,
            "least": size(build.space[name].min_free),
            "at": build.space[name].min_free_at_s,
            "moment": f"{build.space[name].min_free_at_s:.1f} s",
            "inodes": "" if (inodes := build.space[name].min_free_inodes) is None else f"{inodes:,}",
            "used": round(1 - left(name), 3),
        }
        for name in sorted(build.space, key=left)
    ]


def _artifact(artifact: Artifact, *, brief: bool) -> dict[str, Any]:
    started = artifact.started
    count = Counter(check.status for check in artifact.checks)
    told = _GRAVEST_FIRST[:2] if brief else _GRAVEST_FIRST
    return {
        "path": artifact.path,
        "size": size(artifact.size),
        "sha256": artifact.sha256,
        "kind": f"{artifact.format.value}, {artifact.machine.value}",
        "checks": [_check(check) for status in told for check in artifact.checks if check.status is status],
        "passed": count[CheckStatus.PASS],
        "idle": count[CheckStatus.NOT_APPLICABLE],
        "started": None
        if started is None
        else {
            "image": started.image,
            "command": " ".join(started.argv),
            "how": started.complaint or f"started, exit code {started.exit_code}, after {duration(started.duration_s)}",
            "ok": started.complaint is None,
            "stdout": started.stdout[:2000],
        },
    }


def _check(check: Check) -> dict[str, Any]:
    place = "" if check.offset is None else f"at offset {check.offset:#x}"
    return {
        "id": check.id,
        "status": check.status.value,
        "message": check.message,
        "mend": check.mend,
        "values": ", ".join(
            part
            for part in (
                f"expected {check.expected}" if check.expected else "",
                f"found {check.actual}" if check.actual else "",
                place,
            )
            if part
        ),
    }


def _marks(build: BuildRecord) -> dict[int, list[str]]:
    """The lines of the log that tell, with what they tell of."""
    marks: dict[int, list[str]] = {}
    for finding in build.findings:
        marks.setdefault(finding.line, []).append(finding.kind)
    return marks


def _origin(build: BuildRecord) -> list[list[str]]:
    image = build.image
    told: list[list[str]] = [["target", build.target], ["profile", build.profile], ["tier", build.tier]]
    if image:
        told += [["image", image.reference], ["image id", image.id]]
        told += [[tool, version] for tool, version in image.toolchain.items()]
    if build.declared_at:
        told.append(["declared at", build.declared_at])
    if build.source_sha256:
        told.append(["sources, SHA-256", build.source_sha256])
    if build.ended.emulated:
        told.append(["emulated", build.ended.emulated])
    if build.ended.accounting_refused:
        told.append(["process accounting", build.ended.accounting_refused])
    return told
