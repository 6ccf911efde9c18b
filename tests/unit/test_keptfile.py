"""Files of a build on a disk that is full: /dev/full refuses every write with ENOSPC, full(4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildproof.keptfile import KeptFile
from buildproof.logs import Log
from buildproof.timeline import Timeline

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="/dev/full is Linux's")


@needs_full
def test_a_log_on_a_full_disk_is_still_read() -> None:
    file = KeptFile(FULL)
    log = Log(file)
    log.write(b"first\nNo space left on device\n")
    log.write(b"last\n")
    log.close()
    assert list(log.last_lines) == ["first", "No space left on device", "last"]
    assert [finding.kind for finding in log.findings()] == ["no-space"]
    assert file.lost == "No space left on device"


@needs_full
def test_a_timeline_on_a_full_disk_stops_nothing() -> None:
    with KeptFile(FULL, text=True) as file:
        timeline = Timeline(file)
        timeline.take({"event": "process", "pid": 1, "comm": "cc1", "cmdline": None})
        timeline.take({"event": "state", "final": True})
        timeline.close()
    assert file.lost == "No space left on device"


def test_what_is_written_is_on_the_disk_at_once(tmp_path: Path) -> None:
    with KeptFile(tmp_path / "timeline", text=True) as file:
        file.write("[1,2]\n")
        assert file.path.read_text() == "[1,2]\n"
    assert file.lost is None
