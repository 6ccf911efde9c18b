"""Attacks from the outputs of a build: what it leaves behind and what it prints is taken by the real harness.

`UPDATE_GOLDEN=1` writes the observed answers into docs/security.md.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.attacks import listed
from tests.attacks.listed import WORKED, Attack

from buildproof import ci_summary, report
from buildproof.ca import ca_bundle
from buildproof.discovery import load
from buildproof.evidence import Artifact, Check, CheckStatus
from buildproof.record import BuildRecord, RunRecord
from buildproof.runfolder import RunFolder
from buildproof.session import Session
from buildproof.summary import told
from buildproof.verdict import Outcome
from buildproof.verdict.claims import Answer as Decided
from buildproof.verdict.claims import Claim, decide

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "fixtures" / "attacks" / "outputs"


class Run(NamedTuple):
    """The run in which everything was tried."""

    folder: Path
    whole: RunRecord
    record: BuildRecord
    summary: str
    page: str

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
    page = report.write([report.Run(whole, folder.path)], folder.path / report.NAME).read_text("utf-8")
    yield Run(folder.path, whole, record, told(whole, folder.path, width=100, colour=False), page)


Answer = Callable[[Run], str]


def _said(name: str) -> Answer:
    """What is said of an output that is refused; one that is not refused worked."""

    def answer(run: Run) -> str:
        check = run.check(name)
        return check.message if check.status is CheckStatus.FAIL else WORKED

    return answer


def _set_id(run: Run) -> str:
    status = (run.taken / "set-id").lstat()
    return f"taken with mode {status.st_mode & 0o7777:o}, as a file of the harness's user" if _own(status) else WORKED


def _own(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_mode & 0o7777 == 0o755 and status.st_uid == os.getuid()


def _swapped(run: Run) -> str:
    """What it was when the command ended is chance; nothing swaps it afterwards."""
    artifact = run.artifact("swapped/app")
    own = artifact.sha256 == run.artifact("app").sha256
    return "it is itself, or refused as a link" if own or "is a link" in run.check("swapped/app").message else WORKED


def _escapes(run: Run) -> str:
    shown = (*run.record.last_lines, run.summary, run.page, (run.folder / "record.json").read_text("utf-8"))
    obeyed = any(character in text for text in shown for character in "\x1b\x07\x9b\u202e")
    return WORKED if obeyed else "left out, or shown as text"


def _commands(run: Run) -> str:
    lines = run.summary.splitlines()
    obeyed = any(line.strip().startswith("::") or "##[" in line or "##vso[" in line for line in lines)
    return WORKED if obeyed else "broken by a backslash"


def _markup(run: Run) -> str:
    page = ci_summary.summary(run.whole)
    harmless = "<script>alert(1)" not in run.page + page and "alert(1)" in run.page and "](https://owned" not in page
    return "shown as text" if harmless else WORKED


def _forged(run: Run) -> str:
    record = run.record
    unmoved = record.ended.exit_code == 0 and record.memory.oom_kills == 0 and not record.processes.signalled
    there = any('"oom_kills": 7' in line for line in record.last_lines)
    return "they are in the log, and nowhere else" if unmoved and there else WORKED


ATTACKS: dict[str, tuple[str, Answer]] = {
    "link": ("leaves a link to a file of the host as an output", _said("link-to-host")),
    "link-above": ("leaves an output in a folder that is a link to one of the host", _said("link-above")),
    "link-out": ("leaves a link that climbs out of the sources", _said("link-out")),
    "link-swapped": ("goes on swapping an output for a link when its command has ended", _swapped),
    "pipe": ("leaves a pipe, to hold its reader", _said("pipe")),
    "socket": ("leaves a socket", _said("socket")),
    "set-id": ("leaves a program with set-id bits", _set_id),
    "sparse-output": ("leaves a file of 5 GiB that takes no space", _said("sparse")),
    "many-outputs": ("leaves 1,001 files that a pattern matches", _said("many/*.o")),
    "name-escape": ("leaves a name that sets a terminal's title", _said(r"names/title\x1b]0;owned\x07.exe")),
    "name-turned": ("leaves a name that reads backwards", _said(r"names/turned\u202egpj.exe")),
    "name-lines": ("leaves a name of two lines", _said(r"names/two\nlines")),
    "name-bytes": ("leaves a name that is no UTF-8", _said(r"names/latin-\xe9")),
    "package-traversal": ("packs a file that unpacks outside of its folder", _said("packages/traversal.tar")),
    "package-link": ("packs a link out of the folder", _said("packages/link.tar")),
    "package-sparse": ("packs a file of 5 GiB as a hole", _said("packages/sparse.tar.gz")),
    "package-bomb": ("packs 300 MB of zeros in 300 kB", _said("packages/bomb.tar.gz")),
    "log-escapes": ("prints titles, links, cursor movements and text that runs backwards", _escapes),
    "log-commands": ("prints commands to the CI services that show its log", _commands),
    "log-markup": ("prints markup for HTML, XML and Markdown", _markup),
    "log-forged": ("prints lines as the probe writes them, and what it finds of the gate's mark", _forged),
}


def test_no_attack_from_the_outputs_works_and_the_answers_are_those_that_are_listed(run: Run) -> None:
    found = [Attack(name, tries, answer(run)) for name, (tries, answer) in ATTACKS.items()]
    assert [attack for attack in found if WORKED in attack.answer] == []
    if os.environ.get("UPDATE_GOLDEN"):
        listed.write("outputs", found)
    assert listed.listed("outputs") == found


def test_the_build_around_the_attacks_is_measured_and_has_the_verdict_of_its_outputs(run: Run) -> None:
    record = run.record
    assert record.verdict
    assert (record.verdict.outcome, record.ended.exit_code) == (Outcome.BAD_ARTIFACT, 0), record.verdict.summary
    for claim in (Claim.MEASURED, Claim.BUILDS, Claim.NO_SIGBUS, Claim.NO_OOM_KILL):
        assert decide(claim, record.case()).answer is Decided.HELD, claim


def test_what_comes_out_is_plain_files_of_ours_below_one_folder_and_nothing_else(run: Run) -> None:
    found = {path.relative_to(run.taken).as_posix(): path.lstat() for path in run.taken.rglob("*")}
    files = {name: status for name, status in found.items() if not stat.S_ISDIR(status.st_mode)}
    swapped = {"swapped/app"} & set(files)  # what it was when the command ended is chance
    assert set(files) - swapped == {
        "app", "set-id", "names/good",
        *(f"packages/{name}" for name in ("traversal.tar", "link.tar", "sparse.tar.gz", "bomb.tar.gz")),
    }  # fmt: skip
    for name, status in files.items():
        assert _own(status), name
    assert not [path for path in run.folder.rglob("*") if path.is_symlink()]
    assert sum(status.st_size for status in files.values()) < 10 << 20
