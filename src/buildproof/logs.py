"""The build's log: kept whole on disk, followed line by line, searched for what compilers say when they die."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from typing import IO

from buildproof.evidence import LogFinding

# Each pattern is what one tool prints; sources: rustc_driver and cargo ("signal: 7, SIGBUS"), collect2 of GCC
# ("ld terminated with signal 7 [Bus error]"), bfd and lld error texts, mold's SIGBUS handler ("Disk full?"),
# GCC's "Killed signal terminated program cc1plus", before GCC 9 "internal compiler error: Killed", make's and the
# shells' "*** [target] Killed" and "line 1: 123 Killed".
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("sigbus-caught", r"internal compiler error: Bus error"),  # GCC's crash_signal() in toplev.cc
        ("sigbus", r"\bSIGBUS\b|\bBus error\b|terminated with signal 7\b"),
        ("segfault", r"\bSIGSEGV\b|\bSegmentation fault\b|terminated with signal 11\b"),
        (
            "killed",
            (
                r"\bSIGKILL\b|Killed signal terminated program|internal compiler error: Killed\b"
                r"|terminated with signal 9\b|^Killed$|\*\*\* \[.*\] Killed$|: (?:line )?\d+:? +\d+ Killed\b"
            ),
        ),
        ("abort", r"\bSIGABRT\b|^Aborted\b|\*\*\* \[.*\] Aborted\b|terminated with signal 6\b"),
        ("no-space", r"No space left on device|Disk full\?|\bENOSPC\b|\bos error 28\b"),
        ("quota", r"Disk quota exceeded|\bEDQUOT\b|\bos error 122\b"),
        (
            "no-memory",
            (
                r"memory allocation of \d+ bytes failed|virtual memory exhausted|[Cc]annot allocate memory"
                r"|out of memory allocating|\bLLVM ERROR: out of memory|std::bad_alloc|memory exhausted"
            ),
        ),
        (
            "compiler-bug",
            r"internal compiler error(?!: Killed)|the compiler unexpectedly panicked|PLEASE submit a bug report",
        ),
        ("no-processes", r"Resource temporarily unavailable|[Cc]annot fork"),
    )
)
# ECMA-48: control sequences, control strings up to their end (OSC 8 is a hyperlink), other escapes, C0 and C1.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[PX\]^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_MOST_FINDINGS_OF_A_KIND = 5
_LONGEST_LINE = 4096
_LAST_LINES = 40


def plain(text: str) -> str:
    """The text without terminal control sequences, safe to show again."""
    return _CONTROL.sub("", text)


def findings_in(line: str, number: int) -> list[LogFinding]:
    """What the patterns know of one line."""
    return [LogFinding(kind=kind, line=number, text=line) for kind, pattern in _PATTERNS if pattern.search(line)]


class Log:
    """Takes the raw stream as it comes: writes it down, and remembers the last lines and the telling ones."""

    def __init__(self, file: IO[bytes]) -> None:
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
        return cls(path.open("wb", buffering=0))

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
        """A whole line or a piece of an endless one; of what was written over with carriage returns only the last."""
        shown = raw.rstrip(b"\r").rpartition(b"\r")[2][:_LONGEST_LINE]
        text = plain(shown.decode("utf-8", "replace")).rstrip()
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
