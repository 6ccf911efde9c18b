"""The running builds drawn: rows with a bar for a terminal, a line now and then for a log. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table

from buildproof.terminal import joined, line
from buildproof.units import clock, duration, size

from .state import LiveState

_BAR = 14
_NARROW, _MIDDLE = 76, 100  # columns of the terminal below which the bar, and who is at work, are left out
_HOT, _WARM = 0.9, 0.7


@dataclass(frozen=True)
class Board:
    """How far the whole run is."""

    states: Sequence[LiveState]
    done: int
    of: int


def board(now: Board, *, width: int, unicode: bool = True) -> Table:
    """One row for each build that is under way, and one for the run."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    wide, middle = width >= _MIDDLE, width >= _NARROW
    if middle:
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    if wide:
        table.add_column(no_wrap=True, ratio=1)
    for state in now.states:
        cells: list[RenderableType] = [line(state.id, "bold"), line(state.phase, "cyan"), line(_time(state))]
        if middle:
            cells.append(_bar(state, unicode=unicode))
        cells.append(line(_memory(state)))
        if wide:
            cells.append(joined(line(state.at_work or ""), line(_free(state), "dim")))
        table.add_row(*cells)
    table.add_row(line(f"{now.done} of {now.of} builds done", "dim"))
    return table


def _time(state: LiveState) -> str:
    if state.running_s is None:
        return ""
    return f"{clock(state.running_s)}/{clock(state.time_limit_s)}"


def _memory(state: LiveState) -> str:
    if state.demand is None:
        return ""
    return f"{size(state.demand)} of {size(state.memory_limit)}"


def _free(state: LiveState) -> str:
    return f"  {size(state.tightest[1])} free on {state.tightest[0]}" if state.tightest else ""


def _bar(state: LiveState, *, unicode: bool) -> RenderableType:
    """Memory now against the limit, with the high-water mark."""
    if state.demand is None or not state.memory_limit:
        return line("")
    full, mark, empty = ("█", "▏", "·") if unicode else ("#", "|", ".")
    now, high = (_cells(value, state.memory_limit) for value in (state.demand, state.high_water or state.demand))
    share = state.demand / state.memory_limit
    style = "red" if share >= _HOT else "yellow" if share >= _WARM else "green"
    rest = empty * max(0, high - now) + (mark if high < _BAR else "")
    return joined(line(full * now, style), line((rest + empty * _BAR)[: _BAR - now], "dim"))


def _cells(value: int, limit: int) -> int:
    return min(_BAR, round(_BAR * value / limit))


def calm_line(state: LiveState) -> str:
    """A build in one line: what a log shows now and then."""
    parts = [state.phase]
    if state.running_s is not None:
        parts = [f"{duration(state.running_s)} of {duration(state.time_limit_s)}"]
    if state.demand is not None:
        parts.append(_memory(state))
    if state.at_work:
        parts.append(state.at_work)
    return f"{state.id}: {', '.join(parts)}"
