"""The folder that a run leaves behind: `.buildproof/<run>/`, with `last` pointing at the newest."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from buildproof.errors import InputError, Place, RecordError
from buildproof.layout import STATE_FOLDER
from buildproof.ownership import LONGEST_S, Here, Mark, Owner, here, this_process, why_dead
from buildproof.record import BuildRecord, RunRecord, dump, load, parse

KEPT_RUNS = 20
_LOCKS = ".locks"
_LIVE = ".live"
_PARTIAL = ".json.partial"


class RunFolder:
    """One run's folder; safe to be written to by several processes at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self._record = path / "record.json"
        self._owner = path / ".owner"  # there while the run is under way, or was killed
        self._held: RunRecord | None = None  # what could not be written
        self.unwritten: RecordError | None = None

    @classmethod
    def reserve(cls, root: Path) -> RunFolder:
        """A folder for a new run below `root`, not made yet: a run without builds leaves nothing."""
        return cls(root / STATE_FOLDER / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")

    @property
    def begun(self) -> bool:
        """Whether the run's first record was written."""
        return self._record.is_file()

    def open(self) -> None:
        """Make the folder and point `last` at it; of the older runs the last twenty are kept. RecordError."""
        try:
            self._make()
        except OSError as error:
            raise self._not_written(error) from error

    def _make(self) -> None:
        state = self.path.parent
        self.path.mkdir(parents=True, exist_ok=True)
        told = self._owner.with_suffix(_PARTIAL)
        told.write_text(json.dumps(Owner(process=this_process()).mark(time.time()).labels()))
        told.replace(self._owner)  # whole or not there: a run that starts at the same time reads it
        (state / ".gitignore").write_text("*\n")
        link = state / f".last-{self.id}"
        link.symlink_to(self.id)
        link.replace(state / "last")
        records = [path for path in state.glob("*/record.json") if not path.parent.is_symlink()]
        for old in sorted(records)[: 1 - KEPT_RUNS]:
            if RunFolder(old.parent).is_over():
                shutil.rmtree(old.parent, ignore_errors=True)

    def build_folder(self, build_id: str) -> Path:
        """Where one build keeps its log, timeline and artifacts."""
        folder = self.path / build_id
        folder.mkdir(exist_ok=True)
        return folder

    def set_aside(self, build_id: str, name: str) -> dict[str, str]:
        """Move what a build has left so far into a folder of that name beside it: file name -> relative path."""
        home = self.build_folder(build_id)
        aside = home / name
        aside.mkdir(exist_ok=True)
        kept = {}
        for path in [path for path in home.iterdir() if path.is_file()]:
            kept[path.name] = self.relative(path.replace(aside / path.name))
        return kept

    @property
    def live(self) -> Path:
        """Where the builds that are under way say how they stand."""
        return self.path / _LIVE

    def relative(self, path: Path) -> str:
        """A path as the record has it."""
        return path.relative_to(self.path).as_posix()

    def write(self, record: RunRecord) -> None:
        """Put the whole record down, atomically; RecordError when that fails."""
        try:
            with self.lock("record"):
                self._replace(record)
        except OSError as error:
            raise self._not_written(error) from error

    def read(self) -> RunRecord:
        """The record as it stands: of one that could not be written, as this process knows it."""
        return self._held or load(self._record)

    def update(self, change: Callable[[RunRecord], RunRecord]) -> RunRecord:
        """Read, change and write the record while no other process does.

        One that cannot be written is held in memory, `unwritten` says why, and the next update tries again. The file
        is as whole and as old as it was.
        """
        record: RunRecord | None = None
        try:
            with self.lock("record"):
                record = change(self.read())
                self._replace(record)
        except OSError as error:
            self._held = change(self.read()) if record is None else record
            self.unwritten = self._not_written(error)
            return self._held
        self._held = self.unwritten = None
        return record

    def _not_written(self, error: OSError) -> RecordError:
        return RecordError(
            f"the record cannot be written: {error.strerror or error}",
            where=Place(self._record),
            next_step="free space there, and run it again; the file has what could be written before",
        )

    def close(self, change: Callable[[RunRecord], RunRecord]) -> RunRecord:
        """Change the record for the last time; no other process may write to the folder any more."""
        record = self.update(change)
        shutil.rmtree(self.path / _LOCKS, ignore_errors=True)
        shutil.rmtree(self.live, ignore_errors=True)
        self._record.with_suffix(_PARTIAL).unlink(missing_ok=True)
        self._owner.unlink(missing_ok=True)
        return record

    def why_dead(self, at: Here) -> str | None:
        """Why nobody will ever close this run; None when it was closed, or may be under way.

        A run whose process cannot be seen from here counts as dead when its record was not touched for longer than any
        of its steps may take.
        """
        try:
            mark = Mark.read(json.loads(self._owner.read_text()))
            touched = (self._record if self.begun else self._owner).stat().st_mtime
        except FileNotFoundError:
            return None
        except ValueError:
            mark = None
        return why_dead(replace(mark, deadline=touched + LONGEST_S), at) if mark else "its owner is not known"

    def is_over(self) -> bool:
        """Whether nothing will ever be written to it again."""
        try:
            return load(self._record).ended is not None or not self._owner.exists() or bool(self.why_dead(here()))
        except InputError:
            return True

    def hand_over(self) -> str | None:
        """What this process holds because it could not be written, for `take_over` in another; None for nothing."""
        return dump(self._held).decode() if self._held else None

    def take_over(self, held: str) -> None:
        """Put down the verdicts that another process of the run could not write."""
        theirs = [build for build in parse(held.encode(), self._record).builds if build.verdict]
        self.update(lambda record: functools.reduce(RunRecord.with_build, theirs, record))

    def put_build(self, build: BuildRecord) -> None:
        """Put one build's record in its place."""
        self.update(lambda record: record.with_build(build))

    def lock(self, name: str) -> FileLock:
        """A lock between the processes of this run."""
        folder = self.path / _LOCKS
        folder.mkdir(exist_ok=True)
        return FileLock(folder / name)

    def _replace(self, record: RunRecord) -> None:
        partial = self._record.with_suffix(_PARTIAL)
        try:
            with partial.open("wb") as file:
                file.write(dump(record))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._record)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
