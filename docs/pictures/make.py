"""Take the pictures of the report again: `.venv/bin/python docs/pictures/make.py`.

Needs Chromium. What is to be seen is the page of a real run, the one that is kept in tests/runs.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.browser import chromium  # noqa: E402

from buildproof.record import SCHEMA_VERSION  # noqa: E402
from buildproof.report import read_runs, write  # noqa: E402
from buildproof.verdict import Outcome  # noqa: E402


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


def main(folder: Path) -> None:
    """Draw the page of one run, and take all pictures of it."""
    browser = chromium.executable()
    if not browser:
        sys.exit("there is no Chromium here: apt-get install chromium")
    runs = read_runs([folder])
    first = {build.verdict.outcome: build.id for run in runs for build in reversed(run.record.builds) if build.verdict}
    with tempfile.TemporaryDirectory() as scratch, chromium.tab(browser, Path(scratch)) as tab:
        page = write(runs, Path(scratch) / "report.html")
        for picture in PICTURES:
            tab.look(picture.width, picture.height, dark=picture.is_dark)
            tab.open(page)
            if picture.outcome:
                tab.eval(f"location.hash = {first[picture.outcome]!r}")
                tab.until("document.querySelector('.chart svg')")
                tab.eval("document.activeElement.blur()")
            tab.picture(HERE / picture.name, whole=False)


if __name__ == "__main__":
    main(HERE.parents[1] / "tests" / "runs" / f"v{SCHEMA_VERSION}")
