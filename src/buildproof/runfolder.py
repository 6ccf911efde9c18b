"""The folder that a run leaves behind: `.buildproof/<run>/`, with `last` pointing at the newest."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from buildproof.errors import InputError
from buildproof.layout import STATE_FOLDER
from buildproof.record import BuildRecord, RunRecord, dump, load

KEPT_RUNS = 20
LONGEST_PHASE_S = 6 * 3600.0


class RunFolder:
    """One run's folder; safe to be written to by several processes at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self._record = path / "record.json"

    @classmethod
    def reserve(cls, root: Path) -> RunFolder:
        """A folder for a new run below `root`, not made yet: a run without builds leaves nothing."""
        return cls(root / STATE_FOLDER / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")

    @property
    def begun(self) -> bool:
        """Whether the run's first record was written."""
        return self._record.is_file()

    def open(self) -> None:
        """Make the folder and point `last` at it; of the older runs the last twenty are kept."""
        state = self.path.parent
        self.path.mkdir(parents=True, exist_ok=True)
        (state / ".gitignore").write_text("*\n")
        link = state / f".last-{self.id}"
        link.symlink_to(self.id)
        link.replace(state / "last")
        records = [path for path in state.glob("*/record.json") if not path.parent.is_symlink()]
        for old in sorted(records)[: 1 - KEPT_RUNS]:
            if _is_over(old):
                shutil.rmtree(old.parent, ignore_errors=True)

    def build_folder(self, build_id: str) -> Path:
        """Where one build keeps its log, timeline and artifacts."""
        folder = self.path / build_id
        folder.mkdir(exist_ok=True)
        return folder

    def relative(self, path: Path) -> str:
        """A path as the record has it."""
        return path.relative_to(self.path).as_posix()

    def write(self, record: RunRecord) -> None:
        """Put the whole record down, atomically."""
        with self.lock("record"):
            self._replace(record)

    def read(self) -> RunRecord:
        """The record as it stands."""
        return load(self._record)

    def update(self, change: Callable[[RunRecord], RunRecord]) -> RunRecord:
        """Read, change and write the record while no other process does."""
        with self.lock("record"):
            record = change(self.read())
            self._replace(record)
            return record

    def put_build(self, build: BuildRecord) -> None:
        """Put one build's record in its place."""
        self.update(lambda record: record.with_build(build))

    def lock(self, name: str) -> FileLock:
        """A lock between the processes of this run."""
        folder = self.path / ".locks"
        folder.mkdir(exist_ok=True)
        return FileLock(folder / name)

    def _replace(self, record: RunRecord) -> None:
        partial = self._record.with_suffix(".json.partial")
        with partial.open("wb") as file:
            file.write(dump(record))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._record)


def _is_over(record: Path) -> bool:
    """Whether a run has ended: it says so, or its record was not touched for longer than any phase can take."""
    try:
        return load(record).ended is not None or time.time() - record.stat().st_mtime > LONGEST_PHASE_S
    except InputError:
        return True
