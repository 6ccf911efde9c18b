"""What the box costs: the same build in a bare container as its ordinary user, and as root by default, by turns.

.venv/bin/python -m benchmarks.box packer-linux packer-windows --repeat 5
"""

from __future__ import annotations

import os

from benchmarks import pairs, report

from buildproof.errors import BuildproofError
from buildproof.record import EngineRecord


def main() -> None:
    """Measure the builds that are named."""
    parser = pairs.parser(__doc__)
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    rows: list[list[str]] = []
    for build, count in pairs.asked(parser, given):
        found, engine = pairs.measure(build, lambda ways: (ways.boxed, ways.as_root), count)
        rows.append(pairs.cells(build, found))
        report.write("box.md", _page(rows, engine, load_before), given.output)


def _page(rows: list[list[str]], engine: EngineRecord | None, load_before: float) -> list[str]:
    return [
        "# What the box costs",
        "",
        *report.facts(engine, load_before),
        "",
        "Medians, with the least and the largest. Nothing is watched in either.",
        "",
        *report.table(
            ["build", "pairs", "in the box, s", "as root, s", "ratio", "ratio of CPU"],
            rows,
        ),
        "",
        "In the box: an ordinary user without capabilities, the image read-only, volumes for what is written.",
        "As root: `docker run` as it is by default, in the image's own file system.",
    ]


if __name__ == "__main__":
    try:
        main()
    except BuildproofError as error:
        raise SystemExit(str(error)) from None
