"""The report and the trend in a real browser: tests that need Chromium, and run when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser import chromium
from tests.on_request import OnRequest

from buildproof.record import SCHEMA_VERSION
from buildproof.report import read_runs, write

HERE = Path(__file__).parent
RUN = HERE.parent / "runs" / f"v{SCHEMA_VERSION}"


def pytest_configure(config: pytest.Config) -> None:
    """What needs a browser runs on request."""
    OnRequest.register(config, HERE, marker="browser", what="the pages in headless Chromium")


@pytest.fixture(scope="session")
def browser() -> str:
    """The browser's path; without one nothing here can be told."""
    found = chromium.executable()
    if not found:
        pytest.fail("there is no Chromium here: apt-get install chromium", pytrace=False)
    return found


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the run that was kept: real builds."""
    return write(read_runs([RUN]), tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def tab(browser: str, tmp_path: Path) -> Iterator[chromium.Tab]:
    """A fresh browser on a desk's screen. Whatever is done with it, no page may complain, or ask for anything."""
    with chromium.tab(browser, tmp_path / "profile") as tab:
        tab.look(1400, 900)
        yield tab
        assert tab.console == []
        assert [address for address in tab.requests if not address.startswith(("file:", "data:"))] == []
