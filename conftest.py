"""This repository's tests use the plugin as it stands in `src`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["buildproof.plugin", "pytester"]

_HERE = Path(__file__).parent
_MATRIX_MARKERS = {"windows", "linux", "gate", "nightly"}
_ALWAYS = {"verify", "__pycache__"}
_WITHOUT_MATRIX = {path for path in (_HERE / "tests").iterdir() if path.is_dir() and path.name not in _ALWAYS}


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the unit tests with random input go on: they say so to a reader of `--help`, too."""
    parser.addoption(
        "--thorough",
        action="store_true",
        help="unit tests marked `fuzz`: ten times as much random input; floods of full size in tests/attacks",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not spend seconds on collecting what would be deselected."""
    return True if collection_path in _WITHOUT_MATRIX and _matrix_alone(config) else None


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    """Say what was not even looked at; of no interest to who verifies a project of their own."""
    if not _matrix_alone(config) or config.getoption("buildproof_projects"):
        return None
    names = ", ".join(sorted(path.name for path in _WITHOUT_MATRIX))
    asked = f"-m {config.option.markexpr}" if config.option.markexpr else "--build"
    return f"{asked} means the matrix: of tests/ these were left out: {names}"


def _matrix_alone(config: pytest.Config) -> bool:
    """`pytest -m windows` and `--build ID` ask for the matrix and nothing else, unless they name folders or files."""
    asked = set(re.findall(r"\w+", config.option.markexpr or "")) - {"and", "or"}
    of_matrix = asked <= _MATRIX_MARKERS if asked else bool(config.getoption("buildproof_builds"))
    return of_matrix and config.args_source is pytest.Config.ArgsSource.TESTPATHS
