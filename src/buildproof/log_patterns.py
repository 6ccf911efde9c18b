"""What tools print when they die, by kind: the text that a finding of the log is made of. Pure.

Sources: rustc's signal handler and `rustc_driver` ("interrupted by SIGBUS", "unexpectedly panicked"), cargo's and
std's words for a wait status ("signal: 7, SIGBUS"), GCC's driver, `collect2` and `toplev.cc`, Clang's driver and LLVM's
error handler, the error texts of bfd, lld and mold, Go's `os/exec` ("signal: killed") and runtime, Ninja's exit codes
since 1.12, make, and the shells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_BY_KIND: dict[str, tuple[str, ...]] = {
    "sigbus-caught": (r"internal compiler error: Bus error",),  # GCC's crash_signal() exits with a status of its own
    "sigbus": (
        r"\bSIGBUS\b",
        r"\bBus error\b",
        r"\bsignal: bus error\b",
        r"terminated with signal 7\b",
        r"\[code=135\]",
    ),
    "segfault": (
        r"\bSIGSEGV\b",
        r"\bSegmentation fault\b",
        r"\bsignal: segmentation fault\b",
        r"terminated with signal 11\b",
        r"\[code=139\]",
    ),
    "killed": (
        r"\bSIGKILL\b",
        r"Killed signal terminated program",
        r"internal compiler error: Killed\b",  # before GCC 9
        r"terminated with signal 9\b",
        r"\bsignal: killed\b",
        r"unable to execute command: Killed\b",
        r"^Killed$",
        r"\*\*\* \[.*\] Killed$",
        r": (?:line )?\d+:? +\d+ Killed\b",
        r"\[code=137\]",
    ),
    "abort": (
        r"\bSIGABRT\b",
        r"^Aborted\b",
        r"\*\*\* \[.*\] Aborted\b",
        r"terminated with signal 6\b",
        r"\[code=134\]",
    ),
    "no-space": (r"[Nn]o space left on device", r"Disk full\?", r"\bENOSPC\b", r"\bos error 28\b"),
    "quota": (r"[Dd]isk quota exceeded", r"\bEDQUOT\b", r"\bos error 122\b"),
    "no-memory": (
        r"memory allocation of \d+ bytes failed",
        r"virtual memory exhausted",
        r"[Cc]annot allocate memory",
        r"out of memory allocating",
        r"\bLLVM ERROR: out of memory",
        r"\bruntime: out of memory",
        r"std::bad_alloc",
        r"memory exhausted",
    ),
    "compiler-bug": (
        r"internal compiler error(?!: Killed)",
        r"the compiler unexpectedly panicked",
        r"PLEASE submit a bug report",
        r"error in backend:",
        r"frontend command failed with exit code",
        r"\bBFD .*internal error, aborting",
    ),
    "no-processes": (
        r"Resource temporarily unavailable",
        r"[Cc]annot fork",
        r"failed to create new OS thread",
        r"failed to spawn thread",
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
_PATTERNS = tuple((kind, re.compile("|".join(patterns))) for kind, patterns in _BY_KIND.items())
# Every pattern's text has one of these in it. A log has a million lines, and all but a few have none.
_HINTS = (
    "SIG", "rror", "ignal", "egmentation", "illed", "bort", "space", "ENOSPC", "Disk", "quota", "EDQUOT", "memory",
    "alloc", "panicked", "bug report", "unavailable", "fork", "thread", "code=1",
)  # fmt: skip


def kinds_in(line: str) -> list[str]:
    """The kinds of trouble that one line tells of."""
    if not any(hint in line for hint in _HINTS):
        return []
    return [kind for kind, pattern in _PATTERNS if pattern.search(line)]


def network_failure(lines: Iterable[str]) -> str | None:
    """The last of a failed fetch's lines that tells of a network; None where it had a definite answer, or another."""
    found = None
    for line in lines:
        if _DEFINITE.search(line):
            return None
        if _NETWORK.search(line):
            found = line
    return found
