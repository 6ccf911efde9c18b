"""The plugin as a person meets it, in a folder of their own: collection, messages and exit codes, without an engine."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.fake_engine import fake_engine, hanging_up

# Kept imported: pytester forgets what a run within this process was the first to import.
import buildproof.discovery
import buildproof.session
import buildproof.summary  # noqa: F401
from buildproof.evidence import Grade
from buildproof.plan import Build
from buildproof.record import BuildRecord, RunRecord
from buildproof.session import Session
from buildproof.verdict import Outcome, Verdict

SOURCE = Path(__file__).parents[2] / "src"
NO_ENGINE = "unix:///nowhere/engine.sock"
OPTIONS = ("-p", "buildproof.plugin", "-p", "no:cacheprovider", "--rootdir", ".")

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

BAD_INPUT = [
    ("peak-memory", "peak-memroy", ["buildproof.toml:9", "peak-memroy", "did you mean", "peak-memory"]),
    ('"100m"', '"lots"', ["buildproof.toml:9", "lots"]),
    ('"100m"', '"0"', ["buildproof.toml:9", "0"]),
    ('builder = "linux"', 'builder = "linus"', ["buildproof.toml:6", "linus", "did you mean", "linux"]),
    ('source = "."', 'source = "gone"', ["buildproof.toml:3", "gone"]),
    ('source = "."', 'source = "."\ncompose = "mine.yml"', ["buildproof.toml:4", "mine.yml"]),
]


class Ran:
    """What a person sees of a run of pytest: its exit code, and all that it says."""

    def __init__(self, exit_code: int, said: str) -> None:
        self.exit_code, self.said = int(exit_code), said
        assert "Traceback" not in said, said
        assert "_pytest.outcomes" not in said, said


class Project:
    """A folder with a manifest, and pytest in it, in this process: a second or two less than one of its own."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = pytester.path
        self._pytester, self._monkeypatch = pytester, monkeypatch
        # Workers of xdist are processes of their own. The plugins of whoever runs these tests stay out.
        for name, value in (
            ("PYTHONPATH", str(SOURCE)), ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1"),
            ("DOCKER_HOST", NO_ENGINE), ("BUILDPROOF_INVOKED_FROM", ""),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        self.manifest = self.folder / "buildproof.toml"
        self.manifest.write_text(MANIFEST)
        (self.folder / "hello.c").write_text("int main(void) { return 0; }\n")

    def change(self, old: str, new: str) -> None:
        """Put `new` in the place of `old` in the manifest."""
        text = self.manifest.read_text()
        assert old in text
        self.manifest.write_text(text.replace(old, new))

    def run(self, *arguments: str, engine: str = NO_ENGINE) -> Ran:
        """Run pytest in the folder."""
        self._monkeypatch.setenv("DOCKER_HOST", engine)
        result = self._pytester.runpytest_inprocess(*OPTIONS, *arguments)
        return Ran(result.ret, "\n".join((*result.outlines, *result.errlines)))

    def collected(self, *arguments: str) -> list[str]:
        """The ids that pytest collects, without those that it deselects."""
        ran = self.run("--collect-only", "-q", *arguments)
        assert ran.exit_code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), ran.said
        return [line for line in ran.said.splitlines() if "::" in line]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


def test_a_manifest_in_ones_own_repository_is_collected_without_copying_the_suite(project: Project) -> None:
    """In a process of its own, with every plugin that is installed: nothing is imported before."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, "--collect-only", "-q", "-m", "linux"],
        cwd=project.folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    ids = [line for line in done.stdout.splitlines() if line.startswith("buildproof.toml::")]
    assert "buildproof.toml::suite::test_no_sigbus[hello-linux]" in ids
    assert not any("test_starts" in line and "[hello-linux]" in line for line in ids), "the manifest has no `starts`"


def test_a_claim_that_a_manifest_says_nothing_about_is_no_test(project: Project) -> None:
    assert not any("test_starts" in name for name in project.collected("-m", "linux"))
    project.change("[[build]]", "[[build]]\nstarts = {}")
    assert "buildproof.toml::suite::test_starts[hello-linux]" in project.collected("-m", "linux")


def test_collecting_needs_no_engine_and_leaves_nothing_behind(project: Project) -> None:
    before = sorted(project.folder.iterdir())
    assert "buildproof.toml::suite::test_builds[hello-linux]" in project.collected()
    assert sorted(project.folder.iterdir()) == before


def test_markers_choose_the_platform(project: Project) -> None:
    of_linux = [name for name in project.collected() if "[hello-linux]" in name]
    assert of_linux
    assert project.collected("-m", "linux") == of_linux
    assert project.collected("-m", "windows") == []


def test_nightly_profiles_wait_for_the_nightly_tier(project: Project) -> None:
    project.manifest.write_text(MANIFEST + 'profiles = ["4g"]\n')

    def builds(*arguments: str) -> set[str]:
        return {found[1] for name in project.collected(*arguments) if (found := re.search(r"\[(hello-.*)\]", name))}

    assert builds() == {"hello-linux"}
    assert builds("--tier", "nightly") == {"hello-linux", "hello-linux-4g"}
    assert builds("-m", "nightly") == {"hello-linux-4g"}


def test_a_build_is_chosen_by_its_id_alone_of_whatever_tier(project: Project) -> None:
    project.manifest.write_text(MANIFEST + 'profiles = ["4g"]\n')
    (project.folder / "test_other.py").write_text("def test_other(): pass\n")
    for name in ("hello-linux", "hello-linux-4g"):
        chosen = project.collected("--build", name)
        assert chosen
        assert all(f"[{name}]" in test for test in chosen)


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")])
def test_a_build_that_there_is_not_is_said_with_its_nearest_name(project: Project, workers: tuple[str, ...]) -> None:
    ran = project.run("--build", "helo-linux", *workers)
    assert ran.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "--build: there is no build 'helo-linux'" in ran.said


@pytest.mark.parametrize(("old", "new", "said"), BAD_INPUT)
def test_bad_input_is_one_message_with_its_place(project: Project, old: str, new: str, said: list[str]) -> None:
    project.change(old, new)
    for arguments in ((), ("--collect-only",)):
        ran = project.run(*arguments)
        assert ran.exit_code == 4, ran.said
        (line,) = [line for line in ran.said.splitlines() if said[0] in line]
        assert all(word in line for word in said), ran.said


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n", "2")])
def test_bad_input_in_several_projects_is_said_together(project: Project, arguments: tuple[str, ...]) -> None:
    for number, (old, new, _) in enumerate(BAD_INPUT):
        (project.folder / f"p{number}").mkdir()
        (project.folder / f"p{number}" / "buildproof.toml").write_text(MANIFEST.replace(old, new))
    ran = project.run(*arguments)
    assert ran.exit_code == 4, ran.said
    for number, (_, _, said) in enumerate(BAD_INPUT):
        (line,) = [line for line in ran.said.splitlines() if f"p{number}/{said[0]}" in line]
        assert all(word in line for word in said), ran.said


def test_a_project_option_that_leads_nowhere_is_said_with_its_path(project: Project) -> None:
    (project.folder / "test_nothing.py").write_text("from buildproof.suite import *\n")
    ran = project.run("test_nothing.py", "--project=elsewhere")
    assert ran.exit_code == 4, ran.said
    assert f"{project.folder / 'elsewhere'}: no such file or folder" in ran.said


def test_a_missing_dockerfile_is_said_at_the_line_that_names_it(project: Project) -> None:
    (project.folder / "compose.yml").write_text(
        "services:\n  linux:\n    build: box\n    mem_limit: 1g\n    x-buildproof:\n      target: linux-x86_64\n"
    )
    (project.folder / "box").mkdir()
    project.change('source = "."', 'source = "."\ncompose = "compose.yml"')
    ran = project.run()
    assert ran.exit_code == 4, ran.said
    assert "compose.yml:3" in ran.said
    assert "Dockerfile" in ran.said


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n", "2")])
def test_no_engine_is_one_message_and_its_own_exit_code(project: Project, arguments: tuple[str, ...]) -> None:
    ran = project.run(*arguments)
    assert ran.exit_code == 12, ran.said
    assert ran.said.count("the engine cannot be reached") == 1, ran.said
    assert "start Docker" in ran.said


def test_an_engine_that_hangs_up_is_one_message(project: Project) -> None:
    with hanging_up() as engine:
        ran = project.run(engine=engine)
    assert ran.exit_code == 12, ran.said
    assert ran.said.count("the engine cannot be reached") == 1, ran.said


def test_an_engine_without_memory_limits_stops_the_run_before_anything_is_built(project: Project) -> None:
    with fake_engine(MemoryLimit=False) as engine:
        ran = project.run(engine=engine)
    assert ran.exit_code == 13, ran.said
    assert "the engine cannot limit memory" in ran.said
    assert "memory controller" in ran.said
    assert (project.folder / ".buildproof" / "last" / "report.html").is_file(), "drawn however the run ends"


def test_the_end_of_a_run_names_its_record_and_its_report(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(session: Session, builds: tuple[Build, ...]) -> None:
        session.folder.open()
        planned = tuple(map(BuildRecord.planned, builds))
        session.folder.write(RunRecord(buildproof="0", id="x", command=(), began=datetime.now(UTC), builds=planned))

    def outcome(session: Session, build: Build) -> BuildRecord:
        verdict = Verdict(outcome=Outcome.BUILD_ERROR, grade=Grade.STATUS, summary="It failed.")
        record = replace(BuildRecord.planned(build), verdict=verdict)
        session.folder.put_build(record)
        return record

    monkeypatch.setattr(Session, "prepare", prepare)
    monkeypatch.setattr(Session, "outcome", outcome)
    ran = project.run()
    assert ran.exit_code == 10, ran.said
    home = (project.folder / ".buildproof" / "last").resolve()
    assert f"record: {home}/record.json\nreport: {home}/report.html" in ran.said
    assert "<h1>The build failed</h1>" in (home / "report.html").read_text()


def test_a_wrong_checksum_names_both_and_the_line(project: Project) -> None:
    (project.folder / "source.tar").write_bytes(b"not what was promised")
    project.change('source = "."', 'source = { archive = "source.tar", sha256 = "' + "0" * 64 + '" }')
    with fake_engine() as engine:
        ran = project.run(engine=engine)
    assert ran.exit_code == 4, ran.said
    assert "buildproof.toml:3" in ran.said
    assert "0" * 64 in ran.said
    assert hashlib.sha256(b"not what was promised").hexdigest() in ran.said


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")])
def test_a_ca_bundle_that_is_not_there_is_said(project: Project, workers: tuple[str, ...]) -> None:
    ran = project.run("--ca-bundle", "missing.pem", *workers)
    assert ran.exit_code == 4, ran.said
    assert "missing.pem" in ran.said


def test_a_threshold_that_cannot_be_read_is_said_before_anything_is_built(project: Project) -> None:
    ran = project.run("--fail-on", "peek:10%")
    assert ran.exit_code == pytest.ExitCode.USAGE_ERROR
    for said in ("--fail-on: 'peek' is no figure", "did you mean 'peak'", "next: write it like peak:10%"):
        assert said in ran.said


def test_a_baseline_that_cannot_be_read_is_said_with_its_place(project: Project) -> None:
    (project.folder / "buildproof-baseline.jsonl").write_text("nonsense\n")
    ran = project.run("--compare")
    assert ran.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "buildproof-baseline.jsonl:1: this is no line of a baseline" in ran.said


def test_growth_is_a_test_of_its_own_only_where_it_may_fail(project: Project) -> None:
    assert not any("test_baseline" in name for name in project.collected("--compare"))
    assert "buildproof.toml::suite::test_baseline[hello-linux]" in project.collected("--fail-on", "peak:10%")


@pytest.mark.parametrize(
    ("options", "variables", "words"),
    [
        (["--memory-budget", "much"], {}, "--memory-budget: 'much' is not a size"),
        (["--cpu-budget", "0"], {}, "--cpu-budget: '0' is no number of CPUs above zero"),
        ([], {"BUILDPROOF_MEMORY_BUDGET": "much"}, "BUILDPROOF_MEMORY_BUDGET: 'much' is not a size"),
    ],
)
def test_a_budget_of_the_machine_that_cannot_be_read_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch, options: list[str], variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ran = project.run("--collect-only", *options)
    assert ran.exit_code == 4, ran.said
    assert words in ran.said
    assert "or `off`" in ran.said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--trust=none",), "--trust none needs the base branch"),
        (("--trust=none", "--trusted-base=nowhere"), "nowhere: no such folder"),
        (("--trusted-base=.",), "--trusted-base has no meaning at --trust full"),
        (("--trust=limits", "--trusted-base=."), "the manifest lies in the base itself"),
    ],
)
def test_a_level_of_trust_without_what_it_needs_is_one_message(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    (project.folder / ".git").mkdir()
    ran = project.run("--collect-only", *arguments)
    assert ran.exit_code == 4, ran.said
    assert said in ran.said
    assert "next: " in ran.said


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_a_project_that_no_test_takes_is_no_green_run(
    project: Project, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    mine, empty = project.folder / "mine", tmp_path / "empty"
    mine.mkdir()
    empty.mkdir()
    (mine / "buildproof.toml").write_text(MANIFEST)
    ran = project.run(f"--project={mine}", str(empty), *workers)
    assert ran.exit_code == pytest.ExitCode.USAGE_ERROR
    assert f"Name the project itself: pytest {mine}" in ran.said
    assert len(project.collected(str(mine))) > 5, "and that works"


def test_a_project_that_pytest_takes_for_its_root_folder_is_said_with_the_word_to_write(
    project: Project, tmp_path: Path
) -> None:
    """As a person types it: pytest settles its root folder before any plugin is there."""
    other = tmp_path / "other"
    other.mkdir()
    project.manifest.rename(other / "buildproof.toml")
    (project.folder / "pytest.ini").write_text("[pytest]\n")

    def told(*words: str) -> str:
        command = [sys.executable, "-m", "pytest", "-p", "buildproof.plugin", "--collect-only", "-q", *words]
        done = subprocess.run(
            command, cwd=project.folder, capture_output=True, text=True, timeout=60, check=False
        )  # fmt: skip
        assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert f"write it as one word: --project={other}" in told("--project", str(other))
    assert "one word" not in told(f"--project={other}")
    assert "one word" not in told("--rootdir", str(project.folder), "--project", str(other))
