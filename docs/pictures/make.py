"""Take the pictures of the documentation again, each of something real.

    .venv/bin/python docs/pictures/make.py             # report, trend and job summary, of what is kept in tests/runs
    .venv/bin/python docs/pictures/make.py terminal    # a run in a terminal, of builds that are run for it

Needs Chromium, and fonts-noto-color-emoji for the signs of the summary; the terminal's need tmux and an engine.
What is taken of a terminal is run in a clone of the last commit, in /tmp/app: no picture shows where somebody works.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE)]

import github  # noqa: E402
from terminal import terminal  # noqa: E402
from tests.browser import chromium  # noqa: E402

from buildproof.baseline import History, parse_thresholds  # noqa: E402
from buildproof.ci_summary import summary  # noqa: E402
from buildproof.record import SCHEMA_VERSION  # noqa: E402
from buildproof.report import read_runs, write  # noqa: E402
from buildproof.trend import draw  # noqa: E402
from buildproof.verdict import Outcome  # noqa: E402

GROWTH = ROOT / "tests" / "runs" / "growth.jsonl"
KEPT = ROOT / "tests" / "runs" / f"v{SCHEMA_VERSION}"
CLONE = Path("/tmp/app")  # noqa: S108 (it is to be seen)
LONG = "./verify -n 2 --project fixtures/projects/packer --project fixtures/faults/oom-rustc -m linux"
BUILDING = r"oom-rustc-linux +build +\d:\d\d/\d:\d\d █{2}.*\n+packer-linux +build +\d:\d\d/\d:\d\d .*MiB of 6 GiB"
SHORT = "./verify -n 2 --project fixtures/faults/oom-rustc --project fixtures/small -m 'windows or linux'"
ENDED = r"=+ .*\d (passed|failed|skipped|no tests ran).* in [\d:.]+"


class Picture(NamedTuple):
    """A file's name, and what is to be seen on it: the overview, or the first build of an outcome."""

    name: str
    width: int
    height: int
    outcome: Outcome | None = None
    is_dark: bool = False


PICTURES = (
    Picture("report.png", 1120, 720),
    Picture("report-build.png", 1120, 790, Outcome.OUT_OF_MEMORY, is_dark=True),
    Picture("report-phone.png", 390, 790, Outcome.PASSED),
)


def report(tab: chromium.Tab, scratch: Path) -> None:
    """The report of the kept run."""
    runs = read_runs([KEPT])
    first = {build.verdict.outcome: build.id for run in runs for build in reversed(run.record.builds) if build.verdict}
    page = write(runs, scratch / "report.html")
    for picture in PICTURES:
        tab.look(picture.width, picture.height, dark=picture.is_dark)
        tab.open(page)
        if picture.outcome:
            tab.eval(f"location.hash = {first[picture.outcome]!r}")
            tab.until("document.querySelector('.chart svg')")
            tab.eval("document.activeElement.blur()")
        tab.picture(HERE / picture.name, whole=False)


def trend(tab: chromium.Tab, scratch: Path) -> None:
    """The trend of the kept history: a build that grew, opened."""
    page = scratch / "trend.html"
    page.write_text(draw(History.read(GROWTH), parse_thresholds(["peak:10%", "time:25%", "size:5%"])), "utf-8")
    tab.look(1120, 840)
    tab.open(page)
    tab.eval("location.hash = 'crates-linux'")
    tab.until("document.querySelector('.charts svg')")
    tab.eval("document.activeElement.blur()")
    tab.picture(HERE / "trend.png", whole=False)


def job_summary(tab: chromium.Tab, scratch: Path) -> None:
    """What GitHub shows on the job's page: its beginning."""
    (run,) = read_runs([KEPT])
    page = scratch / "summary.html"
    page.write_text(github.page(summary(run.record)), "utf-8")
    tab.look(1100, 880)
    tab.open(page)
    tab.picture(HERE / "job-summary.png", whole=False)


def a_run_in_a_terminal(tab: chromium.Tab, scratch: Path) -> None:
    """The board while two builds run, which are ended then; and the end of another run."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(CLONE)], check=True)
    try:
        (CLONE / ".venv").symlink_to(sys.prefix)
        with terminal(CLONE, columns=112, rows=34) as shell:
            shell.wait(r"\$ ?$", at_most_s=10)
            shell.type(LONG)
            _take(tab, shell.page(shell.wait(BUILDING, at_most_s=600)), scratch, "terminal-board.png")
            shell.press("C-c")
            shell.wait(r"exit \d+|KeyboardInterrupt(.*\n)+.*\$ ?$", at_most_s=120)
        with terminal(CLONE, columns=112, rows=34) as shell:
            shell.wait(r"\$ ?$", at_most_s=10)
            shell.type(SHORT)
            shell.wait(ENDED, at_most_s=1200)
            _take(tab, shell.page(_section("builds", shell.screen(history=200))), scratch, "terminal-end.png")
    finally:
        shutil.rmtree(CLONE)


def _take(tab: chromium.Tab, page: str, scratch: Path, name: str) -> None:
    file = scratch / "terminal.html"
    file.write_text(page, "utf-8")
    tab.look(1200, 400)
    tab.open(file)
    size = tab.eval("(({ width, height }) => [width, height])(document.body.getBoundingClientRect())")
    tab.look(*(int(side) + 1 for side in size))
    tab.picture(HERE / name, whole=False)


def _section(name: str, screen: str) -> str:
    """One of pytest's sections, head and all, without the one that follows."""
    lines = screen.splitlines()
    heads = [at for at, line in enumerate(lines) if re.search(r"={5} [a-z ]+ ={5}", line)]
    begin = next(at for at in heads if f"= {name} =" in lines[at])
    return "\n".join(lines[begin : next((at for at in heads if at > begin), None)])


def main(what: list[str]) -> None:
    """Take the pictures."""
    browser = chromium.executable()
    if not browser:
        sys.exit("there is no Chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, chromium.tab(browser, Path(folder)) as tab:
        if what == ["terminal"]:
            a_run_in_a_terminal(tab, Path(folder))
        else:
            report(tab, Path(folder))
            trend(tab, Path(folder))
            job_summary(tab, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
