"""The build's log: kept whole on disk, followed line by line, searched for what compilers say when they die."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import IO

from buildproof.evidence import LogFinding
from buildproof.hostile import plain
from buildproof.keptfile import KeptFile
from buildproof.log_patterns import kinds_in

_MOST_FINDINGS_OF_A_KIND = 5
_LONGEST_LINE = 4096
_LAST_LINES = 40


def shown(raw: bytes) -> str:
    """A line as a terminal would leave it: of what was written over with carriage returns only the last, never long."""
    last = raw.rstrip(b"\r\n").rpartition(b"\r")[2][:_LONGEST_LINE]
    return plain(last.decode("utf-8", "replace")).rstrip()


def findings_in(line: str, number: int) -> list[LogFinding]:
    """What the patterns know of one line."""
    return [LogFinding(kind=kind, line=number, text=line) for kind in kinds_in(line)]


class Log:
    """Takes the raw stream as it comes: writes it down, and remembers the last lines and the telling ones."""

    def __init__(self, file: IO[bytes] | KeptFile) -> None:
        self._file = file
        self._partial = b""
        self._number = 1
        self._in_line = False  # a piece of the line that is being read is among the last lines already
        self._findings: dict[str, list[LogFinding]] = {}
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    @classmethod
    def create(cls, path: Path) -> Log:
        """A log kept at `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(KeptFile(path))

    def write(self, data: bytes) -> None:
        """Take in what the build printed."""
        self._file.write(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._partial) > _LONGEST_LINE:  # a progress bar that never ends its line must not grow in memory
            self._take(self._partial)
            self._partial = b""

    def _line(self, raw: bytes) -> None:
        self._take(raw)
        self._number, self._in_line = self._number + 1, False

    def _take(self, raw: bytes) -> None:
        """A whole line or a piece of an endless one."""
        text = shown(raw)
        if text and self._in_line:
            self.last_lines[-1] = text
        elif text:
            self.last_lines.append(text)
            self._in_line = True
        for finding in findings_in(text, self._number):
            kept = self._findings.setdefault(finding.kind, [])
            if len(kept) < _MOST_FINDINGS_OF_A_KIND:
                kept.append(finding)

    def findings(self) -> tuple[LogFinding, ...]:
        """The telling lines in the order of the log, a few of each kind."""
        return tuple(sorted((f for kept in self._findings.values() for f in kept), key=lambda f: f.line))

    def close(self) -> None:
        """Take the unfinished last line into account and close the file."""
        if self._partial:
            self._line(self._partial)
            self._partial = b""
        self._file.close()
