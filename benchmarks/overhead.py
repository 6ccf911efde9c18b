"""What watching costs: the same build under buildproof and in a bare container with the same box, by turns.

.venv/bin/python -m benchmarks.overhead packer-linux packer-windows --repeat 5
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence

from benchmarks import pairs, report

from buildproof.errors import BuildproofError
from buildproof.plan import Build
from buildproof.record import EngineRecord

GOAL_RATIO = 1.03
GOAL_CPU = 0.015


def main() -> None:
    """Measure the builds that are named."""
    parser = pairs.parser(__doc__)
    parser.add_argument("--no-warm-up", action="store_true", help="save time where the images were used just before")
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    rows: list[list[str]] = []
    for build, count in pairs.asked(parser, given):
        found, engine = pairs.measure(
            build, lambda ways: (ways.watched, ways.boxed), count, warm_up=not given.no_warm_up
        )
        rows.append(_row(build, found))
        # An end in the midst loses nothing.
        report.write("overhead.md", _page(rows, engine, load_before), given.output)


def _row(build: Build, found: Sequence[pairs.Pair]) -> list[str]:
    shares = [pair.first.probe_cpu_s / pair.first.cpu_s for pair in found]
    ratio = statistics.median(pair.ratio for pair in found)
    held = ratio <= GOAL_RATIO and statistics.median(shares) <= GOAL_CPU
    return [*pairs.cells(build, found), report.spread([100 * share for share in shares]), "yes" if held else "no"]


def _page(rows: list[list[str]], engine: EngineRecord | None, load_before: float) -> list[str]:
    return [
        "# What watching costs",
        "",
        *report.facts(engine, load_before),
        "",
        "Medians, with the least and the largest.",
        f"Goal: ratio by the clock up to {GOAL_RATIO}, probe up to {GOAL_CPU:.1%} of the build's CPU time.",
        "",
        *report.table(
            ["build", "pairs", "watched, s", "bare, s", "ratio", "ratio of CPU", "probe's CPU, %", "goal held"],
            rows,
        ),
        "",
        "Watched: the command's elapsed time in the kernel's accounting record.",
        "Bare: the same command in a container with the same image, limits, environment, user, rights and volumes.",
        "CPU times are of the build's container: where they differ as the clock does, the machine was slower.",
    ]


if __name__ == "__main__":
    try:
        main()
    except BuildproofError as error:
        raise SystemExit(str(error)) from None
