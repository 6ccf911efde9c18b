"""Attacks from the outputs of a build: what it leaves behind and what it prints is taken by the real harness."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from buildproof.ca import ca_bundle
from buildproof.collect import MOST_FILES
from buildproof.discovery import load
from buildproof.evidence import Artifact, Check, CheckStatus
from buildproof.record import BuildRecord, dump
from buildproof.runfolder import RunFolder
from buildproof.session import Session
from buildproof.summary import told
from buildproof.verdict import Outcome
from buildproof.verdict.claims import Answer, Claim, decide

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "fixtures" / "attacks" / "outputs"


class Run(NamedTuple):
    """The run in which everything was tried."""

    folder: Path
    record: BuildRecord
    summary: str

    @property
    def taken(self) -> Path:
        """Where the outputs are."""
        return self.folder / self.record.id / "artifacts"

    def check(self, name: str) -> Check:
        """What is said of an output: the first check that failed, or the last."""
        artifact = self.artifact(name)
        return next((check for check in artifact.checks if check.status is CheckStatus.FAIL), artifact.checks[-1])

    def artifact(self, name: str) -> Artifact:
        """An output by its name."""
        (artifact,) = [artifact for artifact in self.record.artifacts or () if artifact.path == name]
        return artifact


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Run]:
    (build,) = load([PROJECT])
    folder = RunFolder.reserve(tmp_path_factory.mktemp("outputs"))
    session = Session(folder, ca_bundle=ca_bundle(pytestconfig.getoption("buildproof_ca_bundle")), say=print)
    session.prepare((build,))
    record = session.outcome(build)
    whole = session.close()
    assert whole
    yield Run(folder.path, record, told(whole, folder.path, width=100, colour=False))


REFUSED = {
    "link-to-host": "link-to-host is a link: name the file itself as the artifact",
    "link-above": "link-above is a link: name the folder that it leads to",
    "link-out": "link-out is a link: name the file itself as the artifact",
    "pipe": "pipe is a pipe, no plain file",
    "socket": "socket is a socket, no plain file",
    "sparse": "sparse is 5 GiB: all outputs of a build together may be 4 GiB",
    r"names/title\x1b]0;owned\x07.exe": "has characters in its name that cannot be seen: refused",
    r"names/turned\u202egpj.exe": "has characters in its name that cannot be seen: refused",
    r"names/two\nlines": "has characters in its name that cannot be seen: refused",
    r"names/latin-\xe9": "has characters in its name that cannot be seen: refused",
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_output_that_leads_out_or_is_no_file_is_refused_by_name(run: Run, name: str) -> None:
    """tries: links, a pipe, a socket, a sparse file and names that a terminal obeys, in the place of outputs"""
    check = run.check(name)
    assert (check.id, check.status) == ("artifact-present", CheckStatus.FAIL)
    assert check.message.endswith(REFUSED[name])


def test_what_comes_out_is_plain_files_of_ours_below_one_folder_and_nothing_else(run: Run) -> None:
    """tries: to leave links, set-id bits, owners, and files elsewhere"""
    found = {path.relative_to(run.taken).as_posix(): path.lstat() for path in run.taken.rglob("*")}
    files = {name: status for name, status in found.items() if not stat.S_ISDIR(status.st_mode)}
    swapped = {"swapped/app"} & set(files)  # what it was when the command ended is chance
    assert set(files) - swapped == {
        "app", "set-id", "names/good",
        *(f"packages/{name}" for name in ("traversal.tar", "link.tar", "sparse.tar.gz", "bomb.tar.gz")),
    }  # fmt: skip
    for name, status in files.items():
        assert (stat.S_ISREG(status.st_mode), status.st_mode & 0o7777) == (True, 0o755), name
        assert status.st_uid == os.getuid()
    for path in run.folder.rglob("*"):
        assert not path.is_symlink(), path
    assert sum(status.st_size for status in files.values()) < 10 << 20


def test_an_output_that_is_swapped_for_a_link_is_itself_or_nothing(run: Run) -> None:
    """tries: a process that outlives its command and goes on swapping an output for a link"""
    artifact = run.artifact("swapped/app")
    if artifact.sha256 is None:
        assert run.check("swapped/app").message.startswith("swapped/app is a link")
    else:
        assert artifact.sha256 == run.artifact("app").sha256


def test_more_files_than_may_be_taken_are_refused_together(run: Run) -> None:
    """tries: a pattern that matches 1,001 files"""
    assert MOST_FILES == 1000
    said = "up to the pattern 'many/*.o' the artifact patterns match over 1000 files"
    assert run.check("many/*.o").message == said


@pytest.mark.parametrize(
    ("name", "rule", "said"),
    [
        ("packages/traversal.tar", "bundle-safe", "would be written outside of the folder"),
        ("packages/link.tar", "bundle-safe", "outside of the folder"),
        ("packages/sparse.tar.gz", "bundle-whole", "unpacks to more than"),
        ("packages/bomb.tar.gz", "bundle-whole", "unpacks to more than"),
    ],
)
def test_a_package_that_would_harm_who_unpacks_it_is_refused(run: Run, name: str, rule: str, said: str) -> None:
    """tries: members with `..`, a link out, a sparse member of 5 GiB, 300 MB of zeros in 300 kB"""
    check = run.check(name)
    assert (check.id, check.status) == (rule, CheckStatus.FAIL)
    assert said in check.message


def test_what_looks_like_the_probes_words_is_a_line_of_the_log(run: Run) -> None:
    """tries: the probe's events and the gate's own mark, printed by the build"""
    record = run.record
    assert record.verdict
    assert (record.verdict.outcome, record.ended.exit_code) == (Outcome.BAD_ARTIFACT, 0), record.verdict.summary
    assert (record.memory.oom_kills, record.processes.signalled) == (0, ())
    assert any('"oom_kills": 7' in line for line in record.last_lines)
    for claim in (Claim.MEASURED, Claim.BUILDS, Claim.NO_SIGBUS, Claim.NO_OOM_KILL):
        assert decide(claim, record.case()).answer is Answer.HELD, claim


def test_what_is_shown_of_the_run_is_obeyed_by_nobody(run: Run) -> None:
    """tries: escape sequences, text that runs backwards, and a CI's commands, in the log and in file names"""
    shown = [run.summary, dump_text(run), "\n".join(run.record.last_lines)]
    for text in shown:
        assert not any(character in text for character in "\x1b\x07\x9b\u202e")
    for line in run.summary.splitlines():
        assert not line.strip().startswith("::")
        assert "##[" not in line
    assert any("link" in line for line in run.record.last_lines)


def dump_text(run: Run) -> str:
    """The record's file, which is what `dump` makes of it."""
    text = (run.folder / "record.json").read_text(encoding="utf-8")
    assert dump.__module__ == "buildproof.record"
    assert '"hostile-outputs"' in text
    return text
