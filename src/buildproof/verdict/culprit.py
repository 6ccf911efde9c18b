"""Say which process it was in words that a maintainer knows: `rustc --crate-name tauri_utils`, not `rustc`. Pure."""

from __future__ import annotations

import re
import signal

from buildproof.evidence import Holder, Process, ProcessEnd

_CRATE = re.compile(r"--crate-name[ =](\S+)")
_OUTPUT = re.compile(r"(?:^| )-o +(\S+)")
_SOURCE = re.compile(r"(?:^| )(\S+\.(?:c|cc|cpp|cxx|C|m|rs|s|S))(?= |$)")
_LONGEST = 80
_SHELLS = frozenset({"sh", "bash", "dash", "zsh"})  # what they run is named in their command line, but not their work


def signal_name(number: int | None) -> str:
    """`SIGBUS` for 7, `signal 40` for one without a name, `an unknown signal` for None; see signal(7)."""
    if number is None:
        return "an unknown signal"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def work_of(comm: str, cmdline: str | None) -> str:
    """The program and what it was working on, as far as its command line tells."""
    if not cmdline:
        return comm
    if comm in _SHELLS:
        return _shortened(cmdline)
    if crate := _CRATE.search(cmdline):
        return f"{comm} --crate-name {crate[1]}"
    if source := _SOURCE.search(cmdline):
        return f"{comm} {_tail(source[1])}"
    if output := _OUTPUT.search(cmdline):
        return f"{comm} -o {_tail(output[1])}"
    return _shortened(cmdline)


def _shortened(cmdline: str) -> str:
    words = " ".join(cmdline.split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"


def _tail(path: str) -> str:
    return path.rpartition("/")[2] or path


def named(process: ProcessEnd | Process | Holder) -> str:
    """`rustc --crate-name regex (pid 214)`."""
    return f"{work_of(process.comm, process.cmdline)} (pid {process.pid})"
