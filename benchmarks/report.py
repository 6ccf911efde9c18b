"""What every result begins with: the machine, the engine, the moment, and how busy it was. And tables in Markdown."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import buildproof
from buildproof.record import EngineRecord
from buildproof.units import size

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def commit() -> str:
    """The commit that is measured, with a mark when the tree differs from it; written results are no difference."""
    described = _git("rev-parse", "--short", "HEAD")
    if not described:
        return "no commit"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", f":(exclude){RESULTS.relative_to(ROOT)}")
    return f"{described}-dirty" if changed else described


def _git(*words: str) -> str:
    done = subprocess.run(("git", "-C", str(ROOT), *words), capture_output=True, text=True, check=False)
    return done.stdout.strip()


def facts(engine: EngineRecord | None, load_before: float) -> list[str]:
    """The lines about the machine. Load averages are those of one minute, see getloadavg(3)."""
    lines = [
        f"- buildproof {buildproof.__version__}, commit {commit()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"- load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} after",
    ]
    if engine:
        lines.insert(
            1,
            f"- {engine.cores} cores, {size(engine.memory)} of memory, kernel {engine.kernel}; "
            f"engine {engine.version}, cgroup v{engine.cgroup_version}, {engine.storage_driver}",
        )
    return lines


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [_row(header), _row(["---"] * len(header)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """The median, and the least and the largest in brackets."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def mib(values: Sequence[int]) -> str:
    """Sizes in MiB, the least to the largest."""
    low, high = (f"{value / (1 << 20):.0f}" for value in (min(values), max(values)))
    return f"{low} MiB" if low == high else f"{low} to {high} MiB"


def write(name: str, lines: Sequence[str], output: Path | None) -> None:
    """Print a result, and keep it: in benchmarks/results unless another place is named."""
    text = "\n".join(lines) + "\n"
    path = output or RESULTS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(text)
    print(f"written to {path}")
