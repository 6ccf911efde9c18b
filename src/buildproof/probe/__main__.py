"""`python3 -m probe DEADLINE_S`: the probe's life, from its lease to the last counters.

Commands come as JSON lines on stdin, which is also the lease: when it closes, the probe ends, and with it, as PID 1,
everything in its namespace (pid_namespaces(7)). The build cannot end it first: a signal from inside its own namespace
reaches PID 1 only where PID 1 has a handler, so there is none; prlimit(2) needs matching real, effective and saved
user ids or CAP_SYS_RESOURCE, so the real one differs; ptrace(2) and /proc/1/fd need the capabilities it holds.
"""

from __future__ import annotations

import json
import os
import platform
import select
import signal
import sys
import time
from pathlib import Path

from .accounting import Journal
from .host import memory_available, swap_total
from .watch import Watch

PROTOCOL = 1
REAL_UID = 61357  # of no account in any image
ACCOUNTING_FOLDER = Path("/buildproof/acct")
CGROUP_ROOT = Path("/buildproof/cgroup")


def emit(event: str, **facts: object) -> None:
    """Write one event. A sample waits for one of another kind, a second at most: each write wakes the engine."""
    line = json.dumps({"event": event, **facts}, separators=(",", ":"), ensure_ascii=True) + "\n"
    sys.stdout.write(line)
    if event != "sample":
        sys.stdout.flush()


def shut_the_doors() -> None:
    """No signal handler that a build could reach, no user id that prlimit(2) would accept."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.setresuid(REAL_UID, 0, 0)


def switch_accounting_on() -> tuple[Journal | None, str | None]:
    """The journal, or why the kernel refused: rootless engines and user namespaces lack CAP_SYS_PACCT."""
    try:
        return Journal(ACCOUNTING_FOLDER), None
    except OSError as error:
        return None, f"acct(2): {error.strerror}"


class Commands:
    """JSON lines from stdin; `open` turns False when the lease is gone."""

    def __init__(self) -> None:
        self._rest = b""
        self.open = True
        os.set_blocking(0, False)

    def wait(self, seconds: float) -> list[dict[str, object]]:
        """The commands that arrived within `seconds`, none being usual."""
        ready, _, _ = select.select([0], [], [], seconds)
        if not ready:
            return []
        chunk = os.read(0, 1 << 16)
        if not chunk:
            self.open = False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]


def reap() -> None:
    """Orphans of the build become children of PID 1: without this they would stay zombies."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def main(deadline_s: float) -> int:
    """Run until the lease closes or the deadline passes; the exit status says which: 0 or 3.

    The deadline counts anew when the build is let go: its sources may have taken long to copy.
    """
    shut_the_doors()
    deadline = time.monotonic() + deadline_s
    journal, refused = switch_accounting_on()
    host = {"host_swap": swap_total(), "host_available": memory_available()}
    emit("hello", protocol=PROTOCOL, accounting_refused=refused, kernel=platform.release(), **host)
    watch = Watch(journal, CGROUP_ROOT, emit)
    commands = Commands()
    while commands.open:
        for command in commands.wait(watch.pause_s):
            watch.obey(command)
            if command.get("do") == "go":
                deadline = time.monotonic() + deadline_s
        reap()
        watch.tick()
        if time.monotonic() >= deadline:
            emit("deadline")
            return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1])))
