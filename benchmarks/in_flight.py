"""The most that was promised at once, from the records of any number of runs on one machine.

.venv/bin/python -m benchmarks.in_flight .buildproof/*/record.json
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import report

from buildproof.errors import BuildproofError
from buildproof.record import Promised, load
from buildproof.units import duration, size


@dataclass(frozen=True, kw_only=True)
class InFlight:
    """The most at one moment: bytes, CPUs, attempts. `budget` are the smallest budgets that any of them had."""

    memory: int
    cpus: float
    attempts: int
    memory_budget: int | None
    cpu_budget: float | None

    @property
    def inside(self) -> bool:
        """Whether neither budget was passed."""
        return self.memory <= (self.memory_budget or math.inf) and self.cpus <= (self.cpu_budget or math.inf)


def in_flight(promises: Iterable[Promised]) -> InFlight:
    """Add up what is promised at each moment at which a promise begins; one without an end lasts for ever.

    All moments are those of one wall clock: a step of it during the runs makes the sums meaningless.
    """
    known = sorted(promises, key=lambda promise: promise.since)
    never = datetime.max.replace(tzinfo=UTC)
    together = [
        [other for other in known if other.since <= promise.since < (other.until or never)] for promise in known
    ]
    return InFlight(
        memory=max((sum(promise.memory for promise in some) for some in together), default=0),
        cpus=max((math.fsum(promise.cpus for promise in some) for some in together), default=0.0),
        attempts=max(map(len, together), default=0),
        memory_budget=min((promise.memory_budget for promise in known if promise.memory_budget), default=None),
        cpu_budget=min((promise.cpu_budget for promise in known if promise.cpu_budget), default=None),
    )


def promises_in(records: Iterable[Path]) -> list[Promised]:
    """All promises of some records; InputError for a file that is none."""
    return [promised for path in records for build in load(path).builds for promised in build.promised]


def told(found: InFlight, promises: Sequence[Promised]) -> list[str]:
    """The sums against the budgets, and how long was waited, in Markdown."""
    waits = [promise.waited_s for promise in promises]
    rows = (
        ("memory", size(found.memory), size(found.memory_budget) if found.memory_budget else "no bound"),
        ("CPUs", f"{found.cpus:g}", f"{found.cpu_budget:g}" if found.cpu_budget else "no bound"),
        ("builds", str(found.attempts), "-"),
    )
    waited = f"the longest wait was {duration(max(waits))}" if waits else "nothing was promised"
    return [*report.table(("in flight", "at most", "budget"), rows), "", f"{len(promises)} promises; {waited}."]


def main() -> int:
    """Exit code 1 when a budget was passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD")
    try:
        promises = promises_in(parser.parse_args().records)
    except BuildproofError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    found = in_flight(promises)
    print("\n".join(told(found, promises)))
    return 0 if found.inside else 1


if __name__ == "__main__":
    sys.exit(main())
