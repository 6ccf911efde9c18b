"""The part of the plugin that shows what is going on while builds run.

On a terminal that is a row for each build below pytest's own output. Elsewhere, and with `-s`, it is a line now and
then. With `-q` it is nothing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from buildproof.hostile import harmless

if TYPE_CHECKING:
    from buildproof.live import Board
    from buildproof.live.view import View
    from buildproof.runfolder import RunFolder

_NAME = "buildproof-live"
_BOARD = "buildproof_board"


def pytest_configure(config: pytest.Config) -> None:
    """Only the process that has the terminal shows anything."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(LiveBuilds(config), _NAME)


def _can_redraw(config: pytest.Config) -> bool:
    """Whether rows can be drawn again and again: a terminal with a cursor, and nobody else who writes to it."""
    return (
        sys.stdout.isatty()
        and os.environ.get("TERM", "") not in {"", "dumb"}
        and not os.environ.get("CI")
        and config.get_verbosity() >= 0
        and config.getoption("capture") != "no"
    )


class LiveBuilds:
    """What one run shows of its builds while they run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.has_board = _can_redraw(config)
        self._view: View | None = None
        self._of = 0
        self.has_broken_a_line = False
        self._done: set[str] = set()

    def begin(self, folder: RunFolder, of: int) -> None:
        """Builds are about to run, here or in workers."""
        self._folder, self._of = folder, of
        if self.has_board and self._view is None:
            from buildproof.live.view import View  # noqa: PLC0415

            self._view = View.on(sys.stdout, self._look, self._column)
            self._view.start()

    def aside(self) -> AbstractContextManager[None]:
        """While somebody else writes to the terminal."""
        return self._view.aside() if self._view else nullcontext()

    # -- out of pytest's way ----------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self) -> Iterator[None]:
        """The name of a test is written."""
        with self.aside():
            yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Iterator[None]:
        """The outcome of a test is written."""
        with self.aside():
            self._name_again(report)
            yield
        _, measured, rest = report.nodeid.rpartition("::test_measured[")
        if measured and report.when == "call":
            self._done.add(rest.removesuffix("]"))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker whether its builds are rows of a board."""
        node.workerinput[_BOARD] = self.has_board

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """No build runs any more."""
        if self._view:
            self._view.stop()
            self._view = None

    @pytest.hookimpl(wrapper=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Iterator[None]:
        """What stopped a run is said in its own words: pytest would put the name of a class of its own before them."""
        yield
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        told = reporter._keyboardinterrupt_memo if reporter else None  # noqa: SLF001 (what it shows at the very end)
        if isinstance(excinfo.value, pytest.exit.Exception) and told and told.reprcrash:
            told.reprcrash.message = str(excinfo.value)

    def _name_again(self, report: pytest.TestReport) -> None:
        """Begin the line of a test anew when something was said in its midst: else its outcome stands there alone."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        has_outcome = report.when == "call" or not report.passed
        if not reporter or not self.has_broken_a_line or not has_outcome or hasattr(report, "node"):
            return
        self.has_broken_a_line = False
        if self._config.get_verbosity(pytest.Config.VERBOSITY_TEST_CASES) > 0:
            begun = reporter.currentfspath = reporter._locationline(report.nodeid, *report.location)  # noqa: SLF001
        else:
            reporter.currentfspath = self._config.rootpath / report.nodeid.partition("::")[0]
            begun = f"{os.path.relpath(reporter.currentfspath, reporter.startpath)} "
        reporter._tw.write(begun)  # noqa: SLF001 (its own way puts an empty line before that)

    def _look(self) -> Board:
        from buildproof.live import Board, read_all  # noqa: PLC0415

        return Board(states=read_all(self._folder.live), done=len(self._done), of=self._of)

    def _column(self) -> int:
        """How far pytest's reporter has written the line that the cursor is in."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if not reporter:
            return 0
        width: int = reporter._tw.width_of_current_line  # noqa: SLF001 (it writes to this terminal alone)
        return width


def live_of(config: pytest.Config) -> LiveBuilds | None:
    """What this process shows; None in a worker."""
    live: LiveBuilds | None = config.pluginmanager.get_plugin(_NAME)
    return live


def columns(config: pytest.Config) -> int:
    """How wide the terminal is; of a pipe and of a worker's terminal what pytest makes up."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():  # it asks descriptor 1
        width: int = reporter._tw.fullwidth if reporter else 80  # noqa: SLF001 (config's own writer asserts a reporter)
    return width


def aside(config: pytest.Config) -> AbstractContextManager[None]:
    """While somebody writes to the terminal."""
    live = live_of(config)
    return live.aside() if live else nullcontext()


def say(config: pytest.Config, text: str) -> None:
    """Write a line to the terminal, past pytest's capture; silent with `-q`.

    An xdist worker's stdout is not the terminal, and its reporter writes to nobody; its stderr is the controller's.
    Where that one has a board a worker keeps still.
    """
    if config.get_verbosity() < 0:
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    with aside(config), capture.global_and_fixture_disabled() if capture else nullcontext():
        if hasattr(config, "workerinput"):
            if not config.workerinput.get(_BOARD):
                sys.stderr.write(f"{harmless(text)}\n")
        elif reporter:
            live = live_of(config)
            if live and reporter.currentfspath:
                live.has_broken_a_line = True
            reporter.ensure_newline()
            reporter.write_line(harmless(text))


@contextmanager
def folded(config: pytest.Config, title: str) -> Iterator[None]:
    """Lines that a CI service shows folded, where it is one that can: GitHub Actions, GitLab CI."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not reporter or config.get_verbosity() < 0:
        yield
    elif os.environ.get("GITHUB_ACTIONS") == "true":
        reporter.ensure_newline()
        reporter.write_line(f"::group::{title}")
        try:
            yield
        finally:
            reporter.write_line("::endgroup::")
    elif os.environ.get("GITLAB_CI") == "true":
        name = title.replace(" ", "_")
        reporter.ensure_newline()
        reporter.write_line(f"\x1b[0Ksection_start:{int(time.time())}:{name}[collapsed=true]\r\x1b[0K{title}")
        try:
            yield
        finally:
            reporter.write_line(f"\x1b[0Ksection_end:{int(time.time())}:{name}\r\x1b[0K")
    else:
        yield
