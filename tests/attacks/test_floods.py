"""Floods: a log and a folder far larger than anybody wants to keep. What they cost the harness is bounded.

64 MB and 20,000 files; with `--thorough` a gigabyte and a million. Memory and disk are asserted, time is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildproof.capped import HEAD, TAIL
from buildproof.patience import patient
from buildproof.record import BuildRecord, load
from buildproof.verdict import Outcome

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "fixtures" / "attacks" / "compose.yml"
MIB = 1 << 20
MOST_MEMORY = 64 * MIB  # that a flood may add to what the harness has when it has prepared a run
MOST_DISK = HEAD + 3 * TAIL + 4 * MIB
LINE = "templates.hpp:1:1: warning: in instantiation of what nobody wants to read"
MANIFEST = """
[project]
name = "flood"
compose = "{compose}"

[[build]]
builder = "linux"
command = '''{command}'''
artifacts = {artifacts}
time-limit = "30m"
"""
# The harness in a process of its own: its peak is not that of pytest, and the folder is looked at while it runs.
HARNESS = """
import json, re, resource, sys, threading
from pathlib import Path
from buildproof.ca import ca_bundle
from buildproof.discovery import load
from buildproof.runfolder import RunFolder
from buildproof.session import Session

def peak():
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss begins with the peak of the process that started this one, see getrusage(2)
        return int(re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text())[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS

def used():
    total = 0
    for path in folder.path.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except OSError:
            pass
    return total

def watch():
    global most
    while not over.wait(0.05):
        most = max(most, used())

project, root, bundle = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] or None
(build,) = load([project])
folder = RunFolder.reserve(root)
session = Session(folder, ca_bundle=ca_bundle(bundle), say=lambda line: print(line, file=sys.stderr))
session.prepare((build,))
before, most, over = peak(), 0, threading.Event()
threading.Thread(target=watch, daemon=True).start()
session.outcome(build)
over.set()
session.close()
print(json.dumps({"folder": str(folder.path), "memory": peak() - before, "peak": peak(), "disk": max(most, used())}))
"""


@dataclass(frozen=True)
class Flooded:
    """The record of the build, and what it cost the harness in bytes."""

    record: BuildRecord
    folder: Path
    memory: int
    disk: int


def flooded(folder: Path, config: pytest.Config, command: str, artifacts: list[str]) -> Flooded:
    project = folder / "project"
    project.mkdir()
    compose = os.path.relpath(COMPOSE, project)
    text = MANIFEST.format(compose=compose, command=command, artifacts=json.dumps(artifacts))
    (project / "buildproof.toml").write_text(text)
    (project / "app.c").write_text("int main(void) { return 0; }\n")
    bundle = config.getoption("buildproof_ca_bundle") or ""
    done = subprocess.run(
        [sys.executable, "-c", HARNESS, str(project), str(folder), bundle],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
        timeout=patient(1800),
        check=True,
    )
    told = json.loads(done.stdout)
    (record,) = load(Path(told["folder"]) / "record.json").builds
    memory = f"{told['memory'] / MIB:.1f} MiB more memory, at most {told['peak'] / MIB:.0f} MiB"
    cost = f"{memory}, and {told['disk'] / MIB:.1f} MiB of disk"
    sys.stdout.write(f"the harness took {cost}; {record.phases_s}\n")
    return Flooded(record, Path(told["folder"]), told["memory"], told["disk"])


def outcome(found: Flooded) -> Outcome:
    assert found.record.verdict
    return found.record.verdict.outcome


def test_a_flood_of_log_costs_bounded_memory_and_disk_and_hides_nothing(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """tries: a log of 64 MB, with `--thorough` of a gigabyte, with one telling line in its middle"""
    half = 500_000_000 if pytestconfig.getoption("thorough") else 32_000_000
    flood = f'yes "{LINE}" | head -c {half}'
    command = f"cc -o app app.c; {flood}; echo; echo ENOSPC, says the middle; {flood}; echo; echo the end"
    found = flooded(tmp_path, pytestconfig, command, ["app"])
    assert outcome(found) is Outcome.PASSED
    assert found.memory < MOST_MEMORY
    assert found.disk < MOST_DISK
    record = found.record
    (telling,) = record.findings
    assert (telling.kind, telling.text) == ("no-space", "ENOSPC, says the middle")
    assert telling.line == half // (len(LINE) + 1) + 2
    assert record.last_lines[-1] == "the end"
    printed = 2 * half + len("\nENOSPC, says the middle\n\nthe end\n")
    assert record.log_dropped == printed - HEAD - TAIL
    log = found.folder / str(record.log)
    assert HEAD + TAIL < log.stat().st_size < HEAD + TAIL + 200
    assert [path.name for path in log.parent.glob("build.log*")] == ["build.log"]


def test_a_folder_of_very_many_files_costs_bounded_memory_and_time(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """tries: 20,000 files, with `--thorough` a million, in the folder that the artifact patterns point into"""
    count = 1_000_000 if pytestconfig.getoption("thorough") else 20_000
    command = f"mkdir out && cc -o out/app app.c && cd out && seq {count} | xargs touch"
    found = flooded(tmp_path, pytestconfig, command, ["out/ap?", "**/app"])
    assert outcome(found) is Outcome.PASSED
    assert found.memory < MOST_MEMORY
    assert found.disk < 4 * MIB
    assert [artifact.path for artifact in found.record.artifacts or ()] == ["out/app"]
