"""The records that a report is drawn from, and the files beside them: read, never trusted to point elsewhere."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildproof.errors import InputError, Place
from buildproof.record import RunRecord, load

RECORD = "record.json"


@dataclass(frozen=True)
class Run:
    """One run's record, and the folder that its files are in."""

    record: RunRecord
    folder: Path

    def beside(self, name: str | None) -> Path | None:
        """A file that the record names, when it is there.

        None for one outside of the run's folder: a record may come from somebody else's pull request.
        """
        if not name:
            return None
        try:
            path = (self.folder / name).resolve(strict=True)
            is_ours = path.is_relative_to(self.folder.resolve()) and stat.S_ISREG(path.stat().st_mode)
        except (OSError, ValueError):
            return None
        return path if is_ours else None


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """The runs of records, of folders with one, or of folders with some below them; each once, the oldest first.

    Raises InputError for a path without a record, and for a record that cannot be read.
    """
    files = dict.fromkeys(file.resolve() for path in paths for file in _records(path))
    runs = [Run(load(file), file.parent) for file in files]
    return sorted(runs, key=lambda run: (run.record.began.timestamp(), run.record.id))


def _records(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / RECORD).is_file():
        return [path / RECORD]
    found = sorted(path.rglob(RECORD))
    if not found:
        raise InputError(
            f"there is no {RECORD} in this folder, nor below it",
            where=Place(path),
            next_step="name the folder of a run, such as .buildproof/last",
        )
    return found
