"""The running builds drawn: rows with a bar for a terminal, a line now and then for a log. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table

from buildproof.terminal import Laid, joined, line
from buildproof.units import clock, duration, size

from .state import LiveState

_BAR = 14
_LEAST_NAME, _LEAST_WORK = 10, 12  # columns of the terminal; a name may be cut, figures never are
_LONGEST_PHASE = max(map(len, ("waiting", "sources")))
_LONGEST_SIZE = len("1023 MiB")
_HOT, _WARM = 0.9, 0.7


@dataclass(frozen=True)
class Board:
    """How far the whole run is."""

    states: Sequence[LiveState]
    done: int
    of: int


class _Column(NamedTuple):
    """One column: its cells, and the width that it keeps while figures change."""

    cells: list[Laid]
    width: int
    is_number: bool = False

    @classmethod
    def of(cls, cells: list[Laid], least: int = 0, *, is_number: bool = False) -> _Column:
        return cls(cells, max([least, *(cell.cell_len for cell in cells)]), is_number)


def board(now: Board, *, width: int, unicode: bool = True) -> RenderableType:
    """One row for each build that is under way, and one for the run. Rows stay where they are while figures change."""
    table = Table.grid(padding=(0, 1))
    columns = _fitted(now.states, _columns(now.states, unicode=unicode), width)
    for column in columns:
        table.add_column(
            no_wrap=True,
            width=column.width,
            justify="right" if column.is_number else "left",
            overflow="ellipsis",
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return Group(table, line(f"{now.done} of {now.of} builds done", "dim"))


def _columns(states: Sequence[LiveState], *, unicode: bool) -> dict[str, _Column]:
    longest_time = max((2 * len(clock(state.time_limit_s)) + 1 for state in states if state.time_limit_s), default=0)
    longest_limit = max((len(size(state.memory_limit)) for state in states if state.memory_limit), default=0)
    longest_memory = _LONGEST_SIZE + len(" of ") + longest_limit if longest_limit else 0
    return {
        "name": _Column.of([line(state.id, "bold") for state in states]),
        "phase": _Column.of([line(state.phase, "cyan") for state in states], _LONGEST_PHASE),
        "time": _Column.of([line(_time(state)) for state in states], longest_time, is_number=True),
        "bar": _Column.of([_bar(state, unicode=unicode) for state in states], _BAR),
        "memory": _Column.of([line(_memory(state)) for state in states], longest_memory, is_number=True),
        "work": _Column.of([_work(state) for state in states]),
    }


def _fitted(states: Sequence[LiveState], columns: dict[str, _Column], width: int) -> list[_Column]:
    """What fits into the terminal: who is at work goes first, then the bar, then the phase of what has a time."""
    columns = _cut(columns, "work", _over(columns, width), _LEAST_WORK)
    for spare in ("work", "bar", "phase"):
        if _over(columns, width) > 0:
            columns = {name: column for name, column in columns.items() if name != spare}
    if "phase" not in columns:
        cells = [line(_time(state)) if _time(state) else line(state.phase, "cyan") for state in states]
        columns["time"] = _Column.of(cells, columns["time"].width, is_number=True)
    return list(_cut(columns, "name", _over(columns, width), _LEAST_NAME).values())


def _over(columns: dict[str, _Column], width: int) -> int:
    return sum(column.width for column in columns.values()) + len(columns) - 1 - width


def _cut(columns: dict[str, _Column], name: str, by: int, least: int) -> dict[str, _Column]:
    column = columns[name]
    cut = min(max(0, by), max(0, column.width - least))
    return {**columns, name: column._replace(width=column.width - cut)}


def _time(state: LiveState) -> str:
    if state.running_s is None:
        return ""
    return f"{clock(state.running_s)}/{clock(state.time_limit_s)}"


def _memory(state: LiveState) -> str:
    if state.demand is None:
        return ""
    return f"{size(state.demand)} of {size(state.memory_limit)}"


def _work(state: LiveState) -> Laid:
    """Who is at work, after the mount that is nearly full: that one is rare, and matters more."""
    free = f"{size(state.tightest[1])} free on {state.tightest[0]}" if state.tightest else ""
    return joined(line(free, "yellow"), line("  " if free and state.at_work else ""), line(state.at_work or ""))


def _bar(state: LiveState, *, unicode: bool) -> Laid:
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
