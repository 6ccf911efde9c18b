"""As much of a Dockerfile as is needed to know its parents and to point at a line. Pure.

Source: the Dockerfile reference, "FROM", "ARG" and "Understand how ARG and FROM interact".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(?P<ref>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)(?:=(.*?))?\s*$", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_COPY_FROM = re.compile(r"^\s*COPY\s+(?:--\S+\s+)*?--from=(?P<ref>\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Instruction:
    """One instruction; `line` counts from 1 and is where it begins."""

    line: int
    text: str


def instructions(text: str) -> list[Instruction]:
    """The instructions in order, continuation lines joined, comments and blank lines left out."""
    found: list[Instruction] = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip()
        if not stripped or stripped.startswith("#"):
            continue
        start = start or number
        pending += stripped.removesuffix("\\") + " "
        if not stripped.endswith("\\"):
            found.append(Instruction(start, pending.strip()))
            pending, start = "", 0
    return found


def with_parents(text: str, args: Mapping[str, str], resolve: Callable[[str], str]) -> str:
    """The Dockerfile with every outside parent, in FROM and COPY --from, replaced by what `resolve` makes of it.

    `args` are build arguments; an ARG before the first FROM gives the defaults. Line numbers stay as they are.
    """
    values: dict[str, str] = {}
    stages: set[str] = set()
    out = []
    continued = False
    for line in text.splitlines():
        new, stripped, begins = line, line.strip(), not continued
        if stripped and not stripped.startswith("#"):
            continued = stripped.endswith("\\")
        if not begins:
            pass
        elif (arg := _ARG.match(line)) and not stages:
            values[arg[1]] = args.get(arg[1], _expand((arg[2] or "").strip("\"'"), values))
        elif found := _FROM.match(line):
            ref = _expand(found["ref"], values)
            if ref != "scratch" and ref.lower() not in stages:
                new = line[: found.start("ref")] + resolve(ref) + line[found.end("ref") :]
            stages.add((found["stage"] or f"#{len(stages)}").lower())
        elif copied := _COPY_FROM.match(line):
            ref = copied["ref"]
            if ref.lower() not in stages and not ref.isdigit():
                new = line[: copied.start("ref")] + resolve(ref) + line[copied.end("ref") :]
        out.append(new)
    return "\n".join(out) + "\n"


def _expand(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda m: values.get(m[1] or m[3]) or m[2] or "", text)
