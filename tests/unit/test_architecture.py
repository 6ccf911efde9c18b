"""The rooms of docs/design.md and their one direction of dependency."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "buildproof"

# Upper rows import lower rows, never the other way.
ROWS = (
    ("plugin", "suite", "cli"),
    ("cli_run", "cli_shell"),
    ("proof", "summary", "calibration", "plugin_baseline", "plugin_ci", "plugin_live", "cli_list"),
    ("plugin_matrix", "shell"),
    ("plugin_root",),
    ("session",),
    ("killed",),
    ("runner",),
    ("harvest",),
    ("doctor", "start", "inside", "fetch", "leftovers", "runfolder", "budget"),
    ("collect",),
    ("pod", "images"),
    ("lease",),
    ("engine",),
    ("trend",),
    ("baseline", "ci_summary", "report"),
    ("retries", "cells"),
    ("live",),
    ("record", "reproduce", "preflight", "check"),
    ("bundles",),
    ("verdict", "observation", "timeline", "in_force", "logs", "artifacts", "discovery"),
    ("plan", "sources"),
    ("trust",),
    ("compose", "manifest", "ca", "box"),
    ("compose_tables", "manifest_tables"),
    ("builder", "compose_limits", "compose_refused", "capped"),
    ("document", "resources", "layout", "keptfile"),
    ("evidence", "facts", "log_patterns"),
    ("limits", "targets", "ownership", "hardening"),
    ("labels",),
    ("patience", "interrupts"),
    ("units", "errors", "terminal"),
    ("hostile",),
    ("probe",),
    ("ping", "__init__"),
)
RANK = {room: rank for rank, row in enumerate(ROWS) for room in row}


class Import(NamedTuple):
    """One import: who does it and where, and the full name of what is imported."""

    room: str
    place: str
    name: str

    @property
    def package(self) -> str:
        return self.name.split(".")[0]

    @property
    def imported_room(self) -> str | None:
        parts = self.name.split(".")
        return parts[1] if parts[0] == "buildproof" and len(parts) > 1 else None


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def imports() -> tuple[Import, ...]:
    return tuple(
        Import(room_of(path), f"{path.relative_to(SOURCE)}:{line}", name)
        for path in sorted(SOURCE.rglob("*.py"))
        for line, name in names_in(path.read_text(encoding="utf-8"), path.relative_to(SOURCE.parent).parent.parts)
    )


def names_in(text: str, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The full names that a module of `package` imports; `from buildproof import x` means the room x."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *filter(None, [node.module])))
            if module == "buildproof":
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def test_every_way_to_write_an_import_is_seen() -> None:
    text = "import os.path, docker\nfrom a.b import c\nfrom . import d\nfrom .d import e\nfrom .. import f\n"
    text += "from ..f import g\nfrom buildproof import h, i\ndef late():\n    from buildproof.j.k import l\n"
    assert sorted(names_in(text, ("buildproof", "room"))) == [
        (1, "docker"), (1, "os.path"), (2, "a.b"), (3, "buildproof.room"), (4, "buildproof.room.d"),
        (5, "buildproof.f"), (6, "buildproof.f"), (7, "buildproof.h"), (7, "buildproof.i"), (9, "buildproof.j.k"),
    ]  # fmt: skip


def test_every_room_has_its_place() -> None:
    rooms = {room_of(path) for path in SOURCE.rglob("*.py")}
    assert rooms == set(RANK), "a new room belongs into ROWS and into docs/design.md"


def test_every_room_is_on_the_map() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z_]+)/?`", text[text.index("## The rooms") : text.index("## The pod")]))
    missing = {room for room in RANK if not {room, room.partition("_")[0]} & told} - {"__init__"}
    assert not missing, 'docs/design.md, "The rooms", says nothing of these'


def test_no_room_imports_one_above_it() -> None:
    wrong = [
        f"{found.place}: {found.room} imports {found.imported_room}"
        for found in imports()
        if found.imported_room not in (None, found.room)
        and RANK.get(found.imported_room or "", len(ROWS)) <= RANK[found.room]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("package", "room"), [("docker", "engine"), ("pefile", "artifacts"), ("elftools", "artifacts")]
)
def test_only_one_room_imports(package: str, room: str) -> None:
    assert {found.room for found in imports() if found.package == package} == {room}


def test_there_is_one_way_from_a_string_to_a_text_of_the_terminal() -> None:
    assert {found.room for found in imports() if found.name == "rich.text"} == {"terminal"}


def test_the_probe_needs_nothing_but_the_standard_library() -> None:
    wrong = [
        f"{found.place}: {found.name}"
        for found in imports()
        if (found.room in {"probe", "ping"} or "project/load.py" in found.place)
        and found.imported_room != found.room
        and found.package not in sys.stdlib_module_names
    ]
    assert not wrong, "\n".join(wrong)


# A wall clock may be set at any moment: it names runs and says when, and bounds what nobody can see; it times nothing.
WALL_CLOCK = re.compile(r"\btime\.time\(|\bdatetime\.now\(")
BY_THE_WALL_CLOCK = {
    "budget/ledger.py": "since when somebody waits or holds, told to those who wait",
    "budget/promises.py": "the same",
    "calibration/run.py": "the name of a run's folder",
    "engine/client.py": "when a thing in the engine is overdue",
    "ownership/process.py": "the same",
    "plugin_live.py": "the moment in what GitLab folds",
    "runfolder.py": "the name of a run's folder, and when it is overdue",
    "runner.py": "when a build began",
    "session.py": "when a run began and ended",
}


def test_nothing_is_timed_by_the_wall_clock() -> None:
    sources = {str(path.relative_to(SOURCE)): path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")}
    assert {path for path, text in sources.items() if WALL_CLOCK.search(text)} == set(BY_THE_WALL_CLOCK)
    assert not [path for path, text in sources.items() if re.search(r"from time import|import time as", text)]
