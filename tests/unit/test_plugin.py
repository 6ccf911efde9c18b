"""The plugin as a person meets it, in a folder of their own: collection, messages and exit codes, without an engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.fake_engine import fake_engine

SOURCE = Path(__file__).parents[2] / "src"


MANIFEST = """\
[project]
name = "hello"
source = "."

[[build]]
builder = "linux"
command = "cc -o hello hello.c"
artifacts = ["hello"]
peak-memory = "100m"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "buildproof.toml").write_text(MANIFEST)
    (tmp_path / "hello.c").write_text("int main(void) { return 0; }\n")
    return tmp_path


def run(
    folder: Path, *arguments: str, engine: str = "unix:///nowhere/engine.sock", **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "buildproof.plugin", "-p", "no:cacheprovider", "--rootdir", "."]
    own = {"PYTHONPATH": str(SOURCE), "DOCKER_HOST": engine, "BUILDPROOF_INVOKED_FROM": "", **environment}
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_manifest_in_ones_own_repository_is_collected_without_copying_the_suite(project: Path) -> None:
    done = run(project, "--collect-only", "-q", "-m", "linux")
    assert done.returncode == 0, done.stdout
    ids = [line for line in done.stdout.splitlines() if line.startswith("buildproof.toml::")]
    assert "buildproof.toml::suite::test_no_sigbus[hello-linux]" in ids
    assert not any("test_starts" in line and "[hello-linux]" in line for line in ids), "the manifest has no `starts`"


def test_collecting_needs_no_engine_and_leaves_nothing_behind(project: Path) -> None:
    assert run(project, "--collect-only", "-q").returncode == 0
    assert not (project / ".buildproof").exists()


def test_markers_choose_the_platform(project: Path) -> None:
    assert "deselected" in run(project, "--collect-only", "-q", "-m", "windows").stdout


def test_nightly_profiles_wait_for_the_nightly_tier(project: Path) -> None:
    manifest = project / "buildproof.toml"
    manifest.write_text(MANIFEST + 'profiles = ["4g"]\n')
    assert "hello-linux-4g" not in run(project, "--collect-only", "-q").stdout
    assert "hello-linux-4g" in run(project, "--collect-only", "-q", "--tier", "nightly").stdout
    assert "hello-linux-4g" in run(project, "--collect-only", "-q", "-m", "nightly").stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("peak-memory", "peak-memroy", ["buildproof.toml:9", "peak-memroy", "did you mean", "peak-memory"]),
        ('"100m"', '"lots"', ["buildproof.toml:9", "lots"]),
        ('"100m"', '"0"', ["buildproof.toml:9"]),
        ('builder = "linux"', 'builder = "linus"', ["buildproof.toml:6", "linus", "did you mean", "linux"]),
        ('source = "."', 'source = "gone"', ["buildproof.toml:3", "gone"]),
        ('source = "."', 'source = "."\ncompose = "mine.yml"', ["buildproof.toml:4", "mine.yml"]),
    ],
)
def test_bad_input_is_one_message_with_its_place(project: Path, old: str, new: str, said: list[str]) -> None:
    manifest = project / "buildproof.toml"
    manifest.write_text(manifest.read_text().replace(old, new))
    for arguments in ((), ("--collect-only",), ("-n", "2")):
        done = run(project, *arguments)
        assert done.returncode == 4, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert all(word in done.stdout + done.stderr for word in said), done.stdout


def test_a_project_option_that_leads_nowhere_is_said_with_its_path(project: Path) -> None:
    (project / "test_nothing.py").write_text("from buildproof.suite import *\n")
    done = run(project, "test_nothing.py", "--project=elsewhere")
    assert done.returncode == 4
    assert "elsewhere" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_missing_dockerfile_is_said_at_the_line_that_names_it(project: Path) -> None:
    (project / "compose.yml").write_text(
        "services:\n  linux:\n    build: box\n    mem_limit: 1g\n    x-buildproof:\n      target: linux-x86_64\n"
    )
    (project / "box").mkdir()
    manifest = project / "buildproof.toml"
    manifest.write_text(manifest.read_text().replace('source = "."', 'source = "."\ncompose = "compose.yml"'))
    done = run(project)
    assert done.returncode == 4
    assert "compose.yml:3" in done.stdout
    assert "Dockerfile" in done.stdout


def test_no_engine_is_one_message_and_its_own_exit_code(project: Path) -> None:
    for arguments in ((), ("-n", "2")):
        done = run(project, *arguments)
        assert done.returncode == 12, done.stdout
        assert "the engine cannot be reached" in done.stdout
        assert "start Docker" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr


def test_an_engine_that_hangs_up_is_one_message(project: Path, tmp_path: Path) -> None:
    with fake_engine(tmp_path / "engine.sock") as engine:
        done = run(project, engine=engine + "-gone")
    assert done.returncode == 12
    assert "Traceback" not in done.stdout + done.stderr


def test_an_engine_without_memory_limits_stops_the_run_before_anything_is_built(project: Path, tmp_path: Path) -> None:
    with fake_engine(tmp_path / "engine.sock", MemoryLimit=False) as engine:
        done = run(project, engine=engine)
    assert done.returncode == 13, done.stdout
    assert "the engine cannot limit memory" in done.stdout
    assert "memory controller" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_wrong_checksum_names_both_and_the_line(project: Path, tmp_path: Path) -> None:
    (project / "source.tar").write_bytes(b"not what was promised")
    manifest = project / "buildproof.toml"
    wrong = 'source = { archive = "source.tar", sha256 = "' + "0" * 64 + '" }'
    manifest.write_text(manifest.read_text().replace('source = "."', wrong))
    with fake_engine(tmp_path / "engine.sock") as engine:
        done = run(project, engine=engine)
    assert done.returncode == 4, done.stdout
    assert "buildproof.toml" in done.stdout
    assert "0" * 64 in done.stdout
    assert "found" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_ca_bundle_that_is_not_there_is_said(project: Path) -> None:
    done = run(project, "--ca-bundle", "missing.pem")
    assert done.returncode == 4, done.stdout
    assert "missing.pem" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
