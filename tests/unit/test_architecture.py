"""The rooms of docs/design.md and their one direction of dependency."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "buildproof"

# Upper rows import lower rows, never the other way.
ROWS = (
    ("plugin", "suite", "cli"),
    ("proof", "summary"),
    ("session",),
    ("runner",),
    ("doctor", "start", "fetch", "reaper", "runfolder"),
    ("collect",),
    ("pod", "images"),
    ("engine",),
    ("record", "reproduce", "preflight", "check"),
    ("verdict", "observation", "in_force", "logs", "artifacts", "discovery"),
    ("plan", "sources"),
    ("compose", "manifest", "ca"),
    ("compose_tables", "manifest_tables"),
    ("builder", "compose_limits", "compose_refused"),
    ("document", "resources", "layout"),
    ("evidence", "facts"),
    ("limits", "targets", "labels", "hardening"),
    ("units", "errors"),
    ("probe",),
    ("ping", "__init__"),
)
RANK = {room: rank for rank, row in enumerate(ROWS) for room in row}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported_rooms(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "buildproof":
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif node.module.startswith("buildproof."):
                yield node.module.split(".")[1], node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("buildproof."):
                    yield alias.name.split(".")[1], node.lineno


def test_every_room_has_its_place() -> None:
    rooms = {room_of(path) for path, _ in modules()}
    assert rooms == set(RANK), "a new room belongs into ROWS and into docs/design.md"


def test_no_room_imports_one_above_it() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line}: {room_of(path)} imports {room}"
        for path, tree in modules()
        for room, line in imported_rooms(tree)
        if room != room_of(path) and room in RANK and RANK[room] <= RANK[room_of(path)]
    ]
    assert not wrong, "\n".join(wrong)


ALONE = [("docker", "engine"), ("pefile", "artifacts"), ("elftools", "artifacts")]


@pytest.mark.parametrize(("package", "room"), ALONE)
def test_only_one_room_imports(package: str, room: str) -> None:
    found = {
        room_of(path)
        for path, tree in modules()
        for node in ast.walk(tree)
        for name in _names(node)
        if name.split(".")[0] == package
    }
    assert found == {room}


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module or ""]
    return []


def test_the_probe_needs_nothing_but_the_standard_library() -> None:
    for path, tree in modules():
        if room_of(path) in {"probe", "ping"}:
            for node in ast.walk(tree):
                for name in _names(node):
                    assert name.split(".")[0] in sys.stdlib_module_names, f"{path.name}: {name}"
