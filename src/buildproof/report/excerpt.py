"""Of a build's log the beginning, the end, and what surrounds the lines that tell; numbered as printed. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from typing import IO, Any

from buildproof.capped import LEFT_OUT
from buildproof.hostile import plain
from buildproof.logs import shown

AROUND = 3
_LONGEST = 500
_PIECE = 1 << 16


def excerpt(file: IO[bytes], *, head: int, tail: int, telling: Collection[int]) -> dict[str, Any]:
    """The first `head` and last `tail` lines and those around `telling`, as `parts` of [first line's number, lines].

    `total` is the number of lines in all. A line keeps its first 500 characters.
    """
    wanted = {line for number in telling for line in range(number - AROUND, number + AROUND + 1)}
    kept: dict[int, str] = {}
    last: deque[tuple[int, str]] = deque(maxlen=tail)
    total = 0
    for total, text in _numbered(file):
        line = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        if total <= head or total in wanted:
            kept[total] = line
        last.append((total, line))
    kept.update(last)
    return {"total": total, "parts": _parts(kept)}


def last_lines(lines: Collection[str]) -> dict[str, Any]:
    """What the record itself has of a log that is not there: its end, without numbers."""
    return {"total": None, "parts": [[None, [plain(line) for line in lines]]] if lines else []}


def _parts(kept: dict[int, str]) -> list[list[Any]]:
    parts: list[list[Any]] = []
    for number in sorted(kept):
        if parts and parts[-1][0] + len(parts[-1][1]) == number:
            parts[-1][1].append(kept[number])
        else:
            parts.append([number, [kept[number]]])
    return parts


def _numbered(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1; of an endless one, a progress bar's, the last piece that says something."""
    number, text = 1, ""
    while piece := file.readline(_PIECE):
        text = shown(piece) or text
        if left_out := LEFT_OUT.fullmatch(piece):  # stands in the middle of a line, and of many that are not there
            ends = int(left_out[1])
            if ends > 1:
                yield number, text
            number, text = number - 1 + ends, ""
        elif piece.endswith(b"\n"):
            yield number, text
            number, text = number + 1, ""
    if text:
        yield number, text
