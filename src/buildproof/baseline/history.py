"""The history file: one JSON line for each build and run, in any order, so that two branches merge without a conflict.

With `*.jsonl merge=union` in .gitattributes git keeps the lines of both sides; the order of lines means nothing, and a
line that stands there twice counts once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from buildproof.errors import InputError, InputErrors, Place
from buildproof.hostile import json_text

from .measured import VERSION, Measured

_LINE = TypeAdapter(Measured)
_REMEMBERED = 200  # lines of one key that count, and as many that do not; older ones go when the file is written


class History:
    """Everything that was saved, oldest first."""

    def __init__(self, lines: Iterable[Measured] = ()) -> None:
        once = {(line.run, *line.key): line for line in lines}
        self.lines = tuple(sorted(once.values(), key=lambda line: (line.at, line.build, line.run)))

    @classmethod
    def read(cls, path: Path) -> History:
        """The history at `path`, empty when there is no file; InputErrors with every line that cannot be read."""
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the baseline: {error}", where=Place(path)) from error
        lines, errors = [], list[InputError]()
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    lines.append(_parsed(line, Place(path, number)))
                except InputError as error:
                    errors.append(error)
        if errors:
            raise InputErrors(errors)
        return cls(lines)

    def of(self, key: tuple[str, str, str]) -> tuple[Measured, ...]:
        """What was saved for one build, builder image and machine class, oldest first."""
        return tuple(line for line in self.lines if line.key == key)

    def with_lines(self, more: Iterable[Measured]) -> History:
        """This history with more lines; of one key the newest 200 are kept, and beside them 200 that failed or grew."""
        joined = History((*self.lines, *more))
        kept: dict[tuple[str, str, str, bool], list[Measured]] = {}
        for line in joined.lines:
            kept.setdefault((*line.key, line.counts), []).append(line)
        return History(line for lines in kept.values() for line in lines[-_REMEMBERED:])

    @classmethod
    def add(cls, path: Path, more: Iterable[Measured]) -> History:
        """Put more lines into the file at `path`, atomically; InputError when it cannot be read or written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f".{path.name}.lock")):
                history = cls.read(path).with_lines(more)
                partial = path.with_name(f".{path.name}.partial")
                partial.write_text("".join(f"{_dumped(line)}\n" for line in history.lines), "utf-8")
                partial.replace(path)
        except OSError as error:
            raise InputError(f"cannot write the baseline: {error.strerror}", where=Place(path)) from error
        return history


def _dumped(line: Measured) -> str:
    # Compact and in a fixed order: the same line is the same bytes on every branch. Names of processes come from
    # projects: what is no UTF-8 is replaced, and what would end a line or turn it around is escaped.
    data = _LINE.dump_python(line, mode="json", exclude_none=True)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return json_text(text.encode("utf-8", "replace").decode("utf-8"))


def _parsed(line: str, where: Place) -> Measured:
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        what = "a merge left its markers here"
        raise InputError(what, where=where, next_step="keep the lines of both sides and remove the markers")
    try:
        found = _LINE.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "the whole line"
        what = f"this is no line of a baseline: {at}: {first['msg']}"
        raise InputError(
            what, where=where, next_step="remove the line, or take the file from version control"
        ) from None
    if found.version > VERSION:
        what = f"this line has version {found.version}, this buildproof reads up to {VERSION}"
        raise InputError(what, where=where, next_step="upgrade buildproof")
    return found
