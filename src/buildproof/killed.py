"""Runs whose harness was killed: their records are closed by the next run, with all that was known by then."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from buildproof.capped import parts_of
from buildproof.errors import InputError
from buildproof.evidence import Evidence, Grade
from buildproof.logs import Log
from buildproof.observation import Observation
from buildproof.ownership import here
from buildproof.record import BuildRecord, Phase, RunRecord
from buildproof.report import leave
from buildproof.runfolder import RunFolder
from buildproof.timeline import events
from buildproof.units import duration
from buildproof.verdict import Outcome, Verdict

_LOCK = ".killed.lock"
_CHUNK = 1 << 20


def close_killed(state: Path, say: Callable[[str], None]) -> None:
    """Close and draw the record of each run below `state` that was killed; one without a record is removed."""
    if not any(state.glob("*/.owner")):
        return
    with FileLock(state / _LOCK):
        for path in sorted(state.iterdir()):
            folder = RunFolder(path)
            why = None if path.is_symlink() or not path.is_dir() else folder.why_dead(here())
            if not why:
                continue
            if folder.begun:
                _close(folder, why, say)
            else:
                shutil.rmtree(path, ignore_errors=True)
            for beside in (path.with_suffix(".lock"), state / f".last-{folder.id}"):
                beside.unlink(missing_ok=True)


def _close(folder: RunFolder, why: str, say: Callable[[str], None]) -> None:
    try:
        folder.close(lambda record: record if record.ended else _closed(record, folder, why))
    except InputError as error:
        say(f"a run that was killed left a record that cannot be closed: {error}")
        return
    page = leave(folder.path)
    say(f"run {folder.id} was killed; its record says so now: {folder.path / 'record.json'}; {page}")


def _closed(record: RunRecord, folder: RunFolder, why: str) -> RunRecord:
    builds = tuple(
        _cut_short(build, folder) if build.verdict is None and build.phase is not Phase.PLANNED else build
        for build in record.builds
    )
    remark = f"the run was killed before its end: {why}; its end is when it last wrote anything"
    ended = datetime.fromtimestamp(_last_written(folder.path), UTC)
    return replace(record, builds=builds, ended=ended, remarks=(*record.remarks, remark))


def _last_written(folder: Path) -> float:
    """When anything in a folder was last written. Files may go meanwhile: workers outlive their controller a little."""
    last = 0.0
    for above, _folders, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                last = max(last, Path(above, name).lstat().st_mtime)
    return last


def _cut_short(build: BuildRecord, folder: RunFolder) -> BuildRecord:
    """A build that was under way, with what its log and its timeline tell."""
    evidence = _seen(build, folder)
    ran = f" {duration(evidence.time.wall_s)} into the build" if evidence.time.wall_s is not None else ""
    verdict = Verdict(
        outcome=Outcome.CANCELLED,
        cause="killed",
        grade=Grade.HARNESS,
        summary=f"The harness was killed in the phase `{build.phase}`{ran}; what was seen until then is kept.",
    )
    return replace(build.with_evidence(evidence), verdict=verdict, phase=Phase.DONE)


def _seen(build: BuildRecord, folder: RunFolder) -> Evidence:
    """What the probe told and the build printed; nothing where that had not begun."""
    known = build.evidence()
    if build.log and (log := folder.path / build.log).is_file():
        read = _reread(log)
        known = replace(known, findings=read.findings(), last_lines=tuple(read.last_lines))
    if not build.timeline or not (timeline := folder.path / build.timeline).is_file():
        return known
    seen, peak, at_s, last_s = Observation(), None, None, None
    with timeline.open(encoding="utf-8", errors="replace") as lines:
        for event in events(lines):
            seen.feed(event)
            if event.get("event") == "sample":
                last_s = event.get("at_s")
                if (demand := event.get("demand")) is not None and demand > (peak or -1):
                    peak, at_s = demand, last_s
    memory = seen.memory()
    if memory.demand_peak is None:
        memory = replace(memory, demand_peak=peak, demand_peak_at_s=at_s)
    return replace(
        known,
        accounting=seen.hello is not None and seen.accounting_refused is None,
        accounting_refused=seen.accounting_refused,
        memory=memory,
        time=seen.time(wall_s=last_s, limit_s=build.budget.time_limit),
        processes=seen.processes(),
        space=seen.space(),
    )


def _reread(path: Path) -> Log:
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        log = Log(nowhere)
        for part in parts_of(path):
            with part.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    log.write(chunk)
        log.close()
    return log
