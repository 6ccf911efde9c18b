"""Runs in a bare container around a load: what `/usr/bin/time -v` and the cgroup's own mark would have said.

The maximum resident set size of time(1) is ru_maxrss of wait4(2), in KiB, and so is this one. Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

MARK = "benchmark-measured: "
_PEAK = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")


def kernel_mark() -> int | None:
    """The high-water mark of this container's cgroup in bytes, v2's or v1's; None where neither can be read."""
    for path in _PEAK:
        try:
            return int(Path(path).read_text("ascii"))
        except (OSError, ValueError):
            continue
    return None


def main() -> None:
    """Run the command that is given, and tell."""
    child = os.fork()
    if child == 0:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
    _, status, usage = os.wait4(child, 0)
    facts = {"max_rss": usage.ru_maxrss * 1024, "kernel_mark": kernel_mark()}
    print(MARK + json.dumps(facts), flush=True)
    raise SystemExit(os.waitstatus_to_exitcode(status) % 256)


if __name__ == "__main__":
    main()
