"""The pytest plugin: the run of the builds. Thin: the work is the session's, the words are the summary's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildproof.budget.allowance import Asked
from buildproof.errors import BuildproofError
from buildproof.interrupts import as_interrupts, with_its_parent
from buildproof.plugin_live import columns, folded, live_of, say
from buildproof.plugin_matrix import build_of, builds_named, refuse_bad_input, refuse_unknown_builds
from buildproof.plugin_root import refuse_unasked

if TYPE_CHECKING:
    from buildproof.plan import Build
    from buildproof.proof import Proof
    from buildproof.session import Session

pytest_plugins = (
    "buildproof.plugin_root",
    "buildproof.plugin_matrix",
    "buildproof.plugin_baseline",
    "buildproof.plugin_ci",
    "buildproof.plugin_live",
)

_WORKER_FOLDER = "buildproof_folder"
_WORKER_HELD = "buildproof_held"
_BUDGET = pytest.StashKey[Asked]()
_SESSION = pytest.StashKey["Session"]()
_REPORT = pytest.StashKey[str]()
_IS_ORPHAN = pytest.StashKey[Callable[[], bool]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How the builds are run; which they are is plugin_matrix's."""
    group = parser.getgroup("buildproof", "prove that native projects cross-compile")
    group.addoption(
        "--ca-bundle", metavar="PATH", dest="buildproof_ca_bundle",
        help="CA certificates for image builds and the fetch step, or `off` (default: SSL_CERT_FILE, else the host's)",
    )  # fmt: skip
    group.addoption(
        "--memory-budget", metavar="SIZE", dest="buildproof_memory_budget",
        help="the most memory that all builds on the engine's machine are promised at once, or `off` "
        "(default: BUILDPROOF_MEMORY_BUDGET, else its memory less a tenth)",
    )  # fmt: skip
    group.addoption(
        "--cpu-budget", metavar="CPUS", dest="buildproof_cpu_budget",
        help="the same for CPUs (default: BUILDPROOF_CPU_BUDGET, else twice its cores)",
    )  # fmt: skip
    group.addoption(
        "--keep", choices=("none", "failed", "all"), default="none", dest="buildproof_keep",
        help="whose containers to leave for `buildproof shell`, which enters them: those of failed builds, or all",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Take SIGTERM as Ctrl-C, so that teardown happens; a worker takes the end of its controller for one."""
    try:
        config.stash[_BUDGET] = Asked.read(
            config.getoption("buildproof_memory_budget"), config.getoption("buildproof_cpu_budget")
        )
    except BuildproofError as error:
        raise pytest.UsageError(str(error)) from None
    as_interrupts()
    if hasattr(config, "workerinput"):
        config.stash[_IS_ORPHAN] = with_its_parent()


def _session(config: pytest.Config) -> Session:
    """The run's session: the controller's makes the folder, a worker's is told which it is."""
    from buildproof.ca import ca_bundle  # noqa: PLC0415
    from buildproof.ownership import Keep  # noqa: PLC0415
    from buildproof.runfolder import RunFolder  # noqa: PLC0415
    from buildproof.session import Session  # noqa: PLC0415

    if _SESSION not in config.stash:
        told = getattr(config, "workerinput", {}).get(_WORKER_FOLDER)
        try:
            bundle = ca_bundle(config.getoption("buildproof_ca_bundle"))
            folder = RunFolder(Path(told)) if told else RunFolder.reserve(config.rootpath)
        except BuildproofError as error:  # pytest would wrap it in a traceback
            pytest.exit(str(error), returncode=error.exit_code)
        live = live_of(config)
        config.stash[_SESSION] = Session(
            folder,
            ca_bundle=bundle,
            say=lambda text: say(config, text),
            progress=_said_by_the_board if live and live.has_board else None,
            budget=config.stash[_BUDGET],
            keep=Keep(config.getoption("buildproof_keep")),
        )
    return config.stash[_SESSION]


def _said_by_the_board(_text: str) -> None:
    """Where builds under way are rows of a board, no line is needed."""


def _prepare(config: pytest.Config, builds: dict[str, Build]) -> None:
    if not builds:
        return
    try:
        with folded(config, "buildproof: engine, sources, builder images"):
            _session(config).prepare(tuple(builds.values()))
    except BuildproofError as error:
        pytest.exit(str(error), returncode=error.exit_code)
    if live := live_of(config):
        live.begin(_session(config).folder, len(builds))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Check the engine and have the images before the first test: not for `--collect-only`, not in xdist's workers."""
    config = session.config
    if config.option.collectonly or hasattr(config, "workerinput") or session.testsfailed:
        return
    _prepare(config, {build.id: build for item in session.items if (build := build_of(item))})


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which folder the run has."""
    refuse_bad_input(node.config)
    node.workerinput[_WORKER_FOLDER] = str(_session(node.config).folder.path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Under xdist the controller collects nothing itself: it learns from the first worker which builds were chosen."""
    config = node.config
    if config.option.collectonly or (config.stash.get(_SESSION, None) and config.stash[_SESSION].prepared):
        return
    found = builds_named(config, ids)
    refuse_unasked(config, found)
    refuse_unknown_builds(config, found)
    _prepare(config, found)


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Proof:
    """One build of the matrix, run when the first claim about it is asked."""
    from buildproof.proof import Proof  # noqa: PLC0415

    session = _session(request.config)
    return Proof(request.param, session.outcome, session.folder.read, columns(request.config))


@pytest.hookimpl(tryfirst=True)
def pytest_keyboard_interrupt(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave an exit its own entry of the traceback: pytest shows none, but takes half a second to draw up all."""
    if isinstance(excinfo.value, pytest.exit.Exception):
        excinfo.traceback = excinfo.traceback[-2:]  # the last is that of pytest.exit, which is hidden


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over from an xdist worker what it could not write into the record."""
    held = getattr(node, "workeroutput", {}).get(_WORKER_HELD)
    if held:
        _session(node.config).folder.take_over(held)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Close the record and draw it; a run that a build failed ends with the exit code of the gravest family."""
    config = session.config
    if _SESSION not in config.stash:
        return
    if hasattr(config, "workerinput"):
        config.workeroutput[_WORKER_HELD] = config.stash[_SESSION].folder.hand_over()  # type: ignore[attr-defined]
        if config.stash[_IS_ORPHAN]():
            config.stash[_SESSION].sweep_own()
        return
    from buildproof import report  # noqa: PLC0415
    from buildproof.plugin_baseline import exit_code as baseline_code  # noqa: PLC0415
    from buildproof.summary import exit_code_of  # noqa: PLC0415

    try:
        record = config.stash[_SESSION].close()
    except BuildproofError as error:
        say(config, str(error))
        return
    if record:
        config.stash[_REPORT] = report.leave(config.stash[_SESSION].folder.path)
    if record and exitstatus == pytest.ExitCode.TESTS_FAILED:
        code = exit_code_of(record) or baseline_code(config, record)
        if code:
            session.exitstatus = code
    unwritten = config.stash[_SESSION].folder.unwritten
    if unwritten and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = unwritten.exit_code


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """One row per build, the failing verdicts in full, and where record and report lie."""
    if _SESSION not in config.stash:
        return
    from buildproof.plugin_baseline import tell as tell_baseline  # noqa: PLC0415
    from buildproof.plugin_ci import tell as tell_ci  # noqa: PLC0415
    from buildproof.summary import told  # noqa: PLC0415

    folder = config.stash[_SESSION].folder
    if not folder.begun:
        return
    terminalreporter.section("builds")
    record = folder.read()
    terminal = terminalreporter._tw  # noqa: SLF001 (no public way leads to it)
    is_log = not sys.stdout.isatty()
    text = told(record, folder.path, width=terminal.fullwidth, colour=terminal.hasmarkup, is_log=is_log)
    terminalreporter.write(f"{text}{config.stash.get(_REPORT, 'report: none')}\n")
    tell_baseline(config, record, terminalreporter)
    if folder.unwritten:
        terminalreporter.write_line(f"{folder.unwritten}\nwhat stands above is all that is known", yellow=True)
    tell_ci(record, terminalreporter, is_green=exitstatus == pytest.ExitCode.OK)
