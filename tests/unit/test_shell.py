"""`buildproof shell`: what is said before an engine is asked, and which kept container is entered."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from buildproof.cli import app
from buildproof.engine import Engine, Kind, Thing
from buildproof.errors import InputError
from buildproof.shell.enter import newest_kept

PROJECTS = str(Path(__file__).parents[2] / "fixtures" / "projects")


def test_a_build_that_there_is_not_is_said_with_its_nearest_name() -> None:
    with pytest.raises(InputError, match="no build 'launcher-window' here, did you mean"):
        CliRunner().invoke(app, ["shell", "launcher-window", PROJECTS], catch_exceptions=False)


class FakeEngine:
    """Has some containers of one build."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def things(self, label: str) -> list[Thing]:
        assert label == "buildproof.build=app-linux"
        return [Thing(kind=Kind.CONTAINER, id=name, labels={}, names=(name,)) for name in self.names]


def test_the_container_that_was_kept_last_is_entered_and_none_that_was_not_kept() -> None:
    kept = [f"buildproof-kept-2026{month}01-000000-abcdef-app-linux" for month in ("01", "11", "02")]
    found = newest_kept(cast("Engine", FakeEngine("other", *kept)), "app-linux")
    assert found is not None
    assert found.names == (kept[1],)
    assert newest_kept(cast("Engine", FakeEngine("other")), "app-linux") is None
