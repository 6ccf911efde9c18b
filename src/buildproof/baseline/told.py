"""What the terminal shows of a comparison with the baseline."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType
from rich.table import Table

from buildproof.hostile import without_commands
from buildproof.terminal import joined, line

from .comparison import Comparison, MetricCompared
from .metrics import Metric

_FROM = 0.005  # a change below half a percent is shown as none


def told(comparisons: list[Comparison], *, width: int, colour: bool) -> str:
    """One row for each build, and in full what failed; NEW where nothing is known yet."""
    out = io.StringIO()
    console = Console(file=out, width=max(width, 60), force_terminal=colour, no_color=not colour, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("build", *Metric):
        table.add_column(name, no_wrap=name == "build")
    known = [found for found in comparisons if found.new_because is None]
    for found in known:
        table.add_row(line(found.build), *map(_cell, found.metrics))
    if known:
        console.print(table)
    for found in comparisons:
        if found.new_because is not None:
            console.print(line(f"{found.build}: NEW, {found.new_because}"))
        for sentence in in_full(found):
            console.print(line(f"{found.build}: {sentence}"))
    return "".join(f"{without_commands(row.rstrip())}\n" for row in out.getvalue().split("\n")[:-1])


def in_full(found: Comparison) -> list[str]:
    """The sentences about what failed, who grew, and what is over its threshold by no more than noise."""
    lines = [f"{compared}; more than {_allowed(compared)}" for compared in found.failing]
    if lines and found.grown:
        lines.append(f"who grew: {'; '.join(map(str, found.grown))}")
    lines += [f"{compared}; within the noise" for compared in found.metrics if compared.is_within_noise]
    return lines


def _allowed(compared: MetricCompared) -> str:
    return compared.threshold.text if compared.threshold else "nothing"


def _cell(compared: MetricCompared) -> RenderableType:
    now = line(compared.metric.show(compared.now))
    if compared.ratio is None:
        return now
    change = compared.ratio - 1
    style = "bold red" if compared.fails else "yellow" if compared.is_within_noise else "dim"
    return joined(now, line(f" {change:+.1%}" if abs(change) >= _FROM else " =", style))
