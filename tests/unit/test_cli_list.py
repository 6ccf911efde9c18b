"""`buildproof list`: the same builds for people, for programs and for the jobs of a CI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from buildproof.cli import app
from buildproof.errors import InputError

PROJECTS = str(Path(__file__).parents[2] / "fixtures" / "projects")
REST = 'command = "true"\nartifacts = ["a"]\n'


def listed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["list", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def ids(*arguments: str) -> list[str]:
    return listed(PROJECTS, "--format", "ids", *arguments).split()


def test_every_form_has_the_same_builds() -> None:
    known = ids()
    assert "launcher-windows-4g" in known
    assert [row["id"] for row in json.loads(listed(PROJECTS, "--format", "json"))] == known
    assert listed(PROJECTS, "--json") == listed(PROJECTS, "--format", "json")
    assert [line.split()[0] for line in listed(PROJECTS).splitlines()[1:]] == known


def test_the_gate_is_a_part_of_the_whole_matrix() -> None:
    assert set(ids("--tier", "gate")) < set(ids())


def test_the_form_for_github_is_one_line_that_names_an_output(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = listed(PROJECTS, "--format", "github").splitlines()
    name, _, value = line.partition("=")
    rows = json.loads(value)["include"]
    assert name == "matrix"
    assert [row["build"] for row in rows] == ids()
    assert {row["platform"] for row in rows} == {"windows", "linux"}


def test_more_builds_than_a_matrix_may_have_are_refused(tmp_path: Path) -> None:
    for number in range(130):
        folder = tmp_path / f"p{number}"
        folder.mkdir()
        (folder / "buildproof.toml").write_text(
            f'[project]\nname = "p{number}"\nsource = "."\n'
            + "".join(
                f'[[build]]\nbuilder = "{b}"\ncommand = "true"\nartifacts = ["a"]\n' for b in ("linux", "windows")
            )
        )
    with pytest.raises(InputError, match="260 builds are more jobs than"):
        listed(str(tmp_path), "--format", "github")


def test_nothing_is_cut_off_in_a_pipe() -> None:
    assert "…" not in listed(PROJECTS)
