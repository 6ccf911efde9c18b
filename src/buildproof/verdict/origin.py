"""Where a failed command failed first: down the chain of ends that the kernel wrote down. Pure."""

from __future__ import annotations

from buildproof.evidence import SHELL_SIGNAL_BASE, Evidence, LogFinding, ProcessEnd
from buildproof.verdict.culprit import named


def origin(evidence: Evidence) -> ProcessEnd | None:
    """The deepest process that explains why the command did not exit 0; None when its own end is not among the known.

    Each step goes to the last child that failed: `make` fails because `gcc` did, and that because `cc1` did. A child
    that a signal ended counts where the parent's status tells of that signal, or where no other child failed: scripts
    kill helpers of theirs when something else went wrong.
    """
    command = _command(evidence)
    found, seen = command, set[int]()
    while found and found.pid not in seen:
        seen.add(found.pid)
        deeper = _explains(found, evidence)
        if deeper is None:
            break
        found = deeper
    if found is command:  # no child of it failed: then the first that ended with another status, wherever it was
        return next((end for end in evidence.processes.failed if end.exit_code != evidence.exit_code), command)
    return found


def first_named(evidence: Evidence) -> str | None:
    """Who failed first, if the kernel's records tell."""
    first = origin(evidence)
    return named(first) if first else None


def said(evidence: Evidence, kind: str) -> LogFinding | None:
    """The first telling line of a kind in the log of a command that did not exit 0."""
    return next((f for f in evidence.findings if f.kind == kind), None) if evidence.exit_code != 0 else None


def _command(evidence: Evidence) -> ProcessEnd | None:
    code, processes = evidence.exit_code, evidence.processes
    if not code:
        return None
    own = [end for end in processes.failed if end.exit_code == code]
    own = own or [end for end in processes.signalled if end.signal == code - SHELL_SIGNAL_BASE]
    return own[-1] if own else None


def _explains(parent: ProcessEnd, evidence: Evidence) -> ProcessEnd | None:
    failed = [end for end in evidence.processes.failed if end.ppid == parent.pid]
    killed = [end for end in evidence.processes.signalled if end.ppid == parent.pid]
    told = [end for end in killed if parent.exit_code == SHELL_SIGNAL_BASE + (end.signal or 0)]
    candidates = told or failed or killed
    return candidates[-1] if candidates else None
