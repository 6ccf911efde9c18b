"""The build's log: kept on disk within bounds, followed line by line, searched for what compilers say when they die."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from buildproof.capped import CappedFile
from buildproof.evidence import LogFinding
from buildproof.hostile import plain
from buildproof.log_patterns import KINDS, matches_in

_MOST_FINDINGS_OF_A_KIND = 5
_LONGEST_LINE = 4096
_OVERLAP = 256  # of two pieces of an endless line: what is told across their border is told in here
_LAST_LINES = 40
_USUAL = bytes(range(0x20, 0x7F)) + b"\n\t"


class _File(Protocol):
    def write(self, data: bytes, /) -> object: ...
    def close(self) -> None: ...


def findings_in(text: str, number: int, kinds: Collection[str] = KINDS) -> list[LogFinding]:
    """What the patterns know of lines, the first of which has this number; once for each kind and line."""
    found: list[LogFinding] = []
    for kind, match in matches_in(text, kinds):
        line = number + text.count("\n", 0, match.start())
        if not found or (found[-1].kind, found[-1].line) != (kind, line):
            found.append(LogFinding(kind=kind, line=line, text=_line_around(text, match.start())))
    return found


def _line_around(text: str, at: int) -> str:
    """The line that has this place in it; of a long one what stands around it."""
    start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    end = len(text) if end < 0 else end
    half = _LONGEST_LINE // 2
    if end - start > _LONGEST_LINE:
        start, end = max(start, at - half), min(end, at + half)
    return text[start:end].rstrip()


def _shown(raw: bytes) -> str:
    """Lines as they stand on the screen: of what was written over with carriage returns only the last."""
    raw = raw.replace(b"\r\n", b"\n")
    if b"\r" in raw:
        raw = b"\n".join(line.rstrip(b"\r").rpartition(b"\r")[2] for line in raw.split(b"\n"))
    text = raw.decode("utf-8", "replace")
    return plain(text) if raw.translate(None, _USUAL) else text


def shown(raw: bytes) -> str:
    """One line as it stands on the screen, never long."""
    return _shown(raw.rstrip(b"\r\n"))[:_LONGEST_LINE].rstrip()


class Log:
    """Takes the raw stream as it comes: writes it down, and remembers the last lines and the telling ones.

    Every line is searched, also those that the file has no room for. What a build may print in a second is bounded by
    how fast this is: it works on many lines at once, and looks at single ones only where a pattern may match.
    """

    def __init__(self, file: _File) -> None:
        self._file = file
        self._partial = b""
        self._before = ""  # the end of the piece before, of the line that is being read
        self._number = 1
        self._in_line = False  # a piece of the line that is being read is among the last lines already
        self._findings: dict[str, list[LogFinding]] = {}
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    @classmethod
    def create(cls, path: Path) -> Log:
        """A log kept at `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(CappedFile(path))

    @property
    def dropped(self) -> int:
        """How many bytes of what was printed the file leaves out."""
        return self._file.dropped if isinstance(self._file, CappedFile) else 0

    def write(self, data: bytes) -> None:
        """Take in what the build printed."""
        self._file.write(data)
        whole, ended, rest = data.rpartition(b"\n")
        if ended:
            self._take_lines(self._partial + whole)
            self._partial = rest
        else:
            self._partial += data
        if len(self._partial) > _LONGEST_LINE:  # a progress bar that never ends its line must not grow in memory
            self._take_piece(self._partial)
            self._partial = b""

    def _take_lines(self, raw: bytes) -> None:
        """Lines that have ended; the first may be the end of one whose pieces were taken before."""
        first, _, rest = _shown(raw).partition("\n")
        self._end_line(first)
        if not rest and b"\n" not in raw:
            return
        self._search(rest, self._number)
        self._number += rest.count("\n") + 1
        self._remember(rest)

    def _remember(self, lines: str) -> None:
        """Keep the last lines that have text in them."""
        found: list[str] = []
        rest = lines.rstrip()
        while rest and len(found) < _LAST_LINES:
            rest, _, line = rest.rpartition("\n")
            found.append(line[:_LONGEST_LINE].rstrip())
            rest = rest.rstrip()
        self.last_lines.extend(reversed(found))

    def _end_line(self, text: str) -> None:
        self._take_text(text)
        self._number, self._in_line, self._before = self._number + 1, False, ""

    def _take_piece(self, raw: bytes) -> None:
        """A piece of a line that has not ended: it stands for what the line shows so far."""
        text = _shown(raw)
        self._take_text(text)
        self._before = text[-_OVERLAP:]

    def _take_text(self, text: str) -> None:
        self._search(self._before + text, self._number)
        seen = text[:_LONGEST_LINE].rstrip()
        if seen and self._in_line:
            self.last_lines[-1] = seen
        elif seen:
            self.last_lines.append(seen)
            self._in_line = True

    def _search(self, text: str, number: int) -> None:
        wanted = [kind for kind in KINDS if len(self._findings.get(kind, ())) < _MOST_FINDINGS_OF_A_KIND]
        for finding in findings_in(text, number, wanted):
            kept = self._findings.setdefault(finding.kind, [])
            if len(kept) < _MOST_FINDINGS_OF_A_KIND and not (kept and kept[-1].line == finding.line):
                kept.append(finding)

    def findings(self) -> tuple[LogFinding, ...]:
        """The telling lines in the order of the log, a few of each kind."""
        return tuple(sorted((f for kept in self._findings.values() for f in kept), key=lambda f: f.line))

    def end(self) -> None:
        """The output has ended, and what it ended with is its last line, unfinished as it may be."""
        if self._partial:
            self._end_line(_shown(self._partial))
            self._partial = b""

    def close(self) -> None:
        """Take the unfinished last line into account and close the file."""
        self.end()
        self._file.close()
