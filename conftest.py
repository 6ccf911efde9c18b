"""This repository's tests use the plugin as it stands in `src`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["buildproof.plugin"]

_HERE = Path(__file__).parent
_MATRIX_MARKERS = {"windows", "linux", "gate", "nightly"}
_WITHOUT_MATRIX = {_HERE / "tests" / name for name in ("unit", "builders", "calibration")}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`pytest -m windows` asks for the matrix alone: do not spend seconds on collecting what it would deselect."""
    asked = set(re.findall(r"\w+", config.option.markexpr or "")) - {"and", "or"}
    matrix_alone = bool(asked) and asked <= _MATRIX_MARKERS
    from_ini = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return True if matrix_alone and from_ini and collection_path in _WITHOUT_MATRIX else None
