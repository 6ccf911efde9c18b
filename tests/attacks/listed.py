"""The list of attacks in docs/security.md: what each tries, and what it was answered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
INSIDE = ROOT / "fixtures" / "attacks" / "inside"
WORKED = "IT WORKED"
_BEGIN, _END = "<!-- attacks: {kind} -->\n", "<!-- end -->"
_HEAD = "| attack | what it tries | the answer |\n|---|---|---|\n"
_TOLD = re.compile(r"^attack: ([a-z-]+) \| (.+?) \| (.+)$", re.MULTILINE)
_WRITTEN = re.compile(r"""ATTACK\(\s*"([a-z-]+)",\s*"([^"]+)"|^attack ([a-z-]+) "([^"]+)\"""", re.MULTILINE)


class Attack(NamedTuple):
    """One attack and its answer."""

    name: str
    tries: str
    answer: str


def told(log: str) -> list[Attack]:
    """The attacks that a log tells of."""
    return [Attack(*found) for found in _TOLD.findall(log)]


def written() -> dict[str, str]:
    """The attacks of the fixture by their names, with what they try, in the order in which they are run."""
    script = (INSIDE / "run.sh").read_text(encoding="utf-8")
    names = re.findall(r"^for source in (.*); do$", script, re.MULTILINE)[0].split()
    texts = [*((INSIDE / f"{name}.c").read_text(encoding="utf-8") for name in names), script]
    found = (match.groups() for text in texts for match in _WRITTEN.finditer(text))
    return {(name or other): (tries or tried) for name, tries, other, tried in found}


def _part(kind: str) -> tuple[str, str, str]:
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN.format(kind=kind))
    table, end, after = rest.partition(_END)
    assert begin, f"{PAGE.name} has no list of attacks {kind}"
    assert end
    return before + begin, table, end + after


def listed(kind: str) -> list[Attack]:
    """The attacks that the page lists; `kind` is the part of the list, such as `inside`."""
    rows = [line.strip("|").split(" | ") for line in _part(kind)[1].splitlines()[2:]]
    return [Attack(*(cell.strip().strip("`").replace("\\|", "|") for cell in row)) for row in rows]


def write(kind: str, attacks: Iterable[Attack]) -> None:
    """Put the list into the page."""
    before, _, after = _part(kind)
    cells = ((name, tries, answer.replace("|", r"\|")) for name, tries, answer in attacks)
    rows = "".join(f"| `{name}` | {tries} | {answer} |\n" for name, tries, answer in cells)
    PAGE.write_text(before + _HEAD + rows + after, encoding="utf-8")
