"""The workflows of gate and nightly run: right by their schema, safe by an auditor, true to this repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [(path.name, step) for path in WORKFLOWS for job in read(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_right_by_the_schema_of_github_actions(path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def audited(*workflows: Path) -> subprocess.CompletedProcess[str]:
    auditor = str(Path(sys.executable).with_name("zizmor"))
    command = [auditor, "--offline", "--no-progress", *map(str, workflows)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_auditor_finds_nothing_that_a_stranger_could_use() -> None:
    done = audited(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_auditor_would_find_something(tmp_path: Path) -> None:
    text = (ROOT / ".github" / "workflows" / "gate.yml").read_text("utf-8")
    bad = tmp_path / "bad.yml"
    bad.write_text(text.replace("pull_request:", "pull_request_target:"))
    assert audited(bad).returncode != 0


def test_the_gate_may_read_and_nothing_else() -> None:
    assert all(read(path)["permissions"] == {"contents": "read"} for path in WORKFLOWS)
    assert not any("secrets." in path.read_text("utf-8") for path in WORKFLOWS)


def test_what_a_step_runs_by_path_is_in_the_repository() -> None:
    ours = {name for _, step in steps() for name in re.findall(r"(?:^|\s)\./(\S+)", step.get("run", ""))}
    assert ours
    assert all((ROOT / name).is_file() for name in ours)


def test_the_example_for_gitlab_is_right_by_its_schema(tmp_path: Path) -> None:
    section = (ROOT / "docs" / "ci.md").read_text("utf-8").partition("## GitLab\n")[2].partition("\n## ")[0]
    example = "".join(f"{line[4:]}\n" for line in section.splitlines() if line.startswith("    "))
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(example)
    assert yaml.safe_load(example)["gate"]["script"] == ['./verify -m "$PLATFORM" --junitxml=results.xml']
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    file.write_text(example.replace("script:", "scripts:"))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
