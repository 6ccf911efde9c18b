"""What tools print when they die, by kind: the text that a finding of the log is made of. Pure.

A pattern is searched in many lines at once, so that nothing in it may match a line feed or go back over a whole line:
a build decides how long its lines are. It is searched only where one of its kind's hints is there: a log has a million
lines, and all but a few have none.

Sources: rustc's signal handler and `rustc_driver` ("interrupted by SIGBUS", "unexpectedly panicked"), cargo's and
std's words for a wait status ("signal: 7, SIGBUS"), GCC's driver, `collect2` and `toplev.cc`, Clang's driver and LLVM's
error handler, the error texts of bfd, lld and mold, Go's `os/exec` ("signal: killed") and runtime, Ninja's exit codes
since 1.12, make, and the shells.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

# By kind: the hints, one of which is in everything that a pattern matches, and the patterns.
_BY_KIND: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sigbus-caught": (
        ("internal compiler error: Bus",),
        (r"internal compiler error: Bus error",),  # GCC's crash_signal() exits with a status of its own
    ),
    "sigbus": (
        ("SIGBUS", "us error", "with signal 7", "code=135"),
        (
            r"\bSIGBUS\b",
            r"\bBus error\b",
            r"\bsignal: bus error\b",
            r"terminated with signal 7\b",
            r"\[code=135\]",
        ),
    ),
    "segfault": (
        ("SIGSEGV", "egmentation fault", "with signal 11", "code=139"),
        (
            r"\bSIGSEGV\b",
            r"\bSegmentation fault\b",
            r"\bsignal: segmentation fault\b",
            r"terminated with signal 11\b",
            r"\[code=139\]",
        ),
    ),
    "killed": (
        ("SIGKILL", "illed", "with signal 9", "code=137"),
        (
            r"\bSIGKILL\b",
            r"Killed signal terminated program",
            r"internal compiler error: Killed\b",  # before GCC 9
            r"terminated with signal 9\b",
            r"\bsignal: killed\b",
            r"unable to execute command: Killed\b",
            r"^Killed[ \t]*$",
            r"\*\*\* \[[^\[\n]*\] Killed[ \t]*$",
            r": (?:line )?\d+:? +\d+ Killed\b",
            r"\[code=137\]",
        ),
    ),
    "abort": (
        ("SIGABRT", "Aborted", "with signal 6", "code=134"),
        (
            r"\bSIGABRT\b",
            r"^Aborted\b",
            r"\*\*\* \[[^\[\n]*\] Aborted\b",
            r"terminated with signal 6\b",
            r"\[code=134\]",
        ),
    ),
    "no-space": (
        ("space left on device", "Disk full?", "ENOSPC", "error 28"),
        (r"[Nn]o space left on device", r"Disk full\?", r"\bENOSPC\b", r"\bos error 28\b"),
    ),
    "quota": (
        ("quota exceeded", "EDQUOT", "error 122"),
        (r"[Dd]isk quota exceeded", r"\bEDQUOT\b", r"\bos error 122\b"),
    ),
    "no-memory": (
        ("bytes failed", "memory exhausted", "allocate memory", "out of memory", "std::bad_alloc"),
        (
            r"memory allocation of \d+ bytes failed",
            r"virtual memory exhausted",
            r"[Cc]annot allocate memory",
            r"out of memory allocating",
            r"\bLLVM ERROR: out of memory",
            r"\bruntime: out of memory",
            r"std::bad_alloc",
            r"memory exhausted",
        ),
    ),
    "compiler-bug": (
        (
            "internal compiler error",
            "unexpectedly panicked",
            "PLEASE submit",
            "error in backend:",
            "frontend command failed",
            "internal error, aborting",
        ),
        (
            r"internal compiler error(?!: Killed)",
            r"the compiler unexpectedly panicked",
            r"PLEASE submit a bug report",
            r"error in backend:",
            r"frontend command failed with exit code",
            r"\bBFD .{0,200}internal error, aborting",
        ),
    ),
    "no-processes": (
        ("temporarily unavailable", "annot fork", "new OS thread", "to spawn thread"),
        (
            r"Resource temporarily unavailable",
            r"[Cc]annot fork",
            r"failed to create new OS thread",
            r"failed to spawn thread",
        ),
    ),
}
# What fetches say of a network that fails: curl's exit codes (libcurl-errors(3)), cargo ("spurious network error"),
# git, pip, wget, getaddrinfo(3) and the texts of errno(3); and of a server that answers "later", RFC 9110 15.6, 6585 4.
_NETWORK = re.compile(
    r"curl: \((?:5|6|7|16|18|28|35|52|55|56|92)\)|spurious network error|Could ?n[o']t (?:resolve|connect)"
    r"|[Tt]emporary failure (?:in name resolution|resolving)|Name or service not known|failed to lookup address"
    r"|Connection (?:refused|reset|timed out|aborted|closed)|Network is (?:unreachable|down)|No route to host"
    r"|(?:[Oo]peration|[Rr]ead|[Cc]onnect(?:ion)?) timed out|Timeout was reached|[Tt]imeout ?Error"
    r"|Empty reply from server|early EOF|IncompleteRead|[Rr]emote end closed|SSL_ERROR_SYSCALL"
    r"|\b(?:HTTP|error|status|code)\b.{0,12}\b(?:429|50[0234])\b|Too Many Requests|Service Unavailable|Bad Gateway"
)
# And an answer that will be the same the next time.
_DEFINITE = re.compile(
    r"\b(?:HTTP|error|status|code)\b.{0,12}\b4(?:0[0134-9]|1\d|22)\b|Not Found|Forbidden|[Cc]ertificate|[Cc]hecksum"
)
KINDS = frozenset(_BY_KIND)
_COMPILED = tuple(
    (kind, hints, re.compile("|".join(patterns), re.MULTILINE)) for kind, (hints, patterns) in _BY_KIND.items()
)


def matches_in(text: str, kinds: Collection[str] = KINDS) -> Iterator[tuple[str, re.Match[str]]]:
    """What tells of trouble in one line or many, for each of these kinds: the kind, and where it says so."""
    for kind, hints, pattern in _COMPILED:
        if kind in kinds and any(hint in text for hint in hints):
            for match in pattern.finditer(text):
                yield kind, match


def network_failure(lines: Iterable[str]) -> str | None:
    """The last of a failed fetch's lines that tells of a network; None where it had a definite answer, or another."""
    found = None
    for line in lines:
        if _DEFINITE.search(line):
            return None
        if _NETWORK.search(line):
            found = line
    return found
