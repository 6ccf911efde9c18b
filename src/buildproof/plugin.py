"""The pytest plugin: options, markers, parametrization. Thin: the work is the session's, the words the summary's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildproof.budget.allowance import Asked
from buildproof.errors import BuildproofError
from buildproof.interrupts import as_interrupts
from buildproof.plugin_baseline import stood
from buildproof.plugin_live import folded, live_of, say
from buildproof.targets import Target

if TYPE_CHECKING:
    from buildproof.plan import Build
    from buildproof.proof import Proof
    from buildproof.session import Session

pytest_plugins = ("buildproof.plugin_baseline", "buildproof.plugin_ci", "buildproof.plugin_live")

SUITE = Path(__file__).with_name("suite.py")
_MANIFEST = "buildproof.toml"
_WORKER_FOLDER = "buildproof_folder"
_WORKER_HELD = "buildproof_held"
_BUILDS = pytest.StashKey[dict[tuple[Path, ...], "tuple[Build, ...]"]]()
_BUDGET = pytest.StashKey[Asked]()
_SESSION = pytest.StashKey["Session"]()
_BAD_INPUT = pytest.StashKey[list[BuildproofError]]()
_REPORT = pytest.StashKey[str]()
_ARGUMENT = "proof"


# -- options ------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, each with its ini twin where it makes sense."""
    group = parser.getgroup("buildproof", "prove that native projects cross-compile")
    group.addoption(
        "--project", action="append", type=Path, metavar="PATH", dest="buildproof_projects",
        help="a buildproof.toml, or a folder with some below it; may be given several times (ini: buildproof_projects)",
    )  # fmt: skip
    group.addoption(
        "--build", action="append", metavar="ID", dest="buildproof_builds",
        help="this build alone, of whatever tier, by its id as `buildproof list` has it; may be given several times",
    )  # fmt: skip
    group.addoption(
        "--tier", choices=("gate", "nightly"), default="gate", dest="buildproof_tier",
        help="gate: what every pull request must pass (default); nightly: the full matrix with all profiles",
    )  # fmt: skip
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
        "--trust", choices=("full", "limits", "none"), default="full", dest="buildproof_trust",
        help="who wrote the manifests: people of the project (full, default), or a pull request that may not change "
        "the box (limits), nor use the network or promise less (none); see docs/security.md",
    )  # fmt: skip
    group.addoption(
        "--trusted-base", type=Path, metavar="PATH", dest="buildproof_base",
        help="a checkout of the branch that a pull request wants to go into: its builders and manifests are the law",
    )  # fmt: skip
    group.addoption(
        "--keep", choices=("none", "failed", "all"), default="none", dest="buildproof_keep",
        help="whose containers to leave for `buildproof shell`, which enters them: those of failed builds, or all",
    )  # fmt: skip
    parser.addini("buildproof_projects", "projects that the suite verifies", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and take SIGTERM as Ctrl-C, so that teardown happens."""
    for platform in sorted({target.platform for target in Target}):
        config.addinivalue_line("markers", f"{platform}: builds for {platform}")
    config.addinivalue_line("markers", "gate: builds that every pull request must pass")
    config.addinivalue_line("markers", "nightly: builds of the full matrix alone (see --tier)")
    config.stash[_BUILDS] = {}
    config.stash[_BAD_INPUT] = []
    try:
        config.stash[_BUDGET] = Asked.read(
            config.getoption("buildproof_memory_budget"), config.getoption("buildproof_cpu_budget")
        )
    except BuildproofError as error:
        raise pytest.UsageError(str(error)) from None
    as_interrupts()


# -- collection ---------------------------------------------------------------------------------------


class ManifestFile(pytest.File):
    """A collected `buildproof.toml`: the suite, for the builds of that manifest."""

    def collect(self) -> Iterator[pytest.Module]:
        """The suite as a module below this file."""
        yield pytest.Module.from_parent(self, path=SUITE, nodeid=f"{self.nodeid}::suite")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ManifestFile | None:
    """Collect every manifest that pytest comes upon."""
    if file_path.name != _MANIFEST:
        return None
    collected: ManifestFile = ManifestFile.from_parent(parent, path=file_path)
    return collected


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Pass over build trees: they carry a tag by the Cache Directory Tagging Specification, as cargo's target does."""
    return True if (collection_path / "CACHEDIR.TAG").is_file() else None


def _manifests_of(metafunc: pytest.Metafunc) -> tuple[Path, ...]:
    manifest = metafunc.definition.getparent(ManifestFile)
    if manifest is not None:
        return (manifest.path,)
    own = getattr(metafunc.module, "BUILDPROOF_PROJECTS", None)
    return tuple(map(Path, own)) if own else _chosen_projects(metafunc.config)


def _chosen_projects(config: pytest.Config) -> tuple[Path, ...]:
    """What `--project` names, relative to where the person stood, else what the ini names."""
    named: list[Path] | None = config.getoption("buildproof_projects")
    return tuple(stood(config) / path for path in named) if named else tuple(config.getini("buildproof_projects"))


def _builds_of(config: pytest.Config, paths: tuple[Path, ...]) -> tuple[Build, ...]:
    """The builds under `paths`; none, and the error kept for `_stop_for_bad_input`, when a manifest cannot be read."""
    from buildproof.discovery import load  # noqa: PLC0415 (an import that only a run with builds pays for)
    from buildproof.trust import Ceiling, Trust  # noqa: PLC0415

    known = config.stash[_BUILDS]
    if paths not in known:
        try:
            trust, base = config.getoption("buildproof_trust"), config.getoption("buildproof_base")
            base = stood(config) / base if base else None
            known[paths] = load(paths, ceiling=Ceiling(trust=Trust(trust), base=base))
        except BuildproofError as error:
            known[paths] = ()
            config.stash[_BAD_INPUT].append(error)
    return known[paths]


def _stop_for_bad_input(config: pytest.Config) -> None:
    """End the run with what is wrong in all manifests: inside of a collector pytest would wrap it in a traceback."""
    errors = config.stash[_BAD_INPUT]
    if errors:
        pytest.exit("\n".join(dict.fromkeys(map(str, errors))), returncode=errors[0].exit_code)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per claim and build."""
    if _ARGUMENT not in metafunc.fixturenames:
        return
    builds = _builds_of(metafunc.config, _manifests_of(metafunc))
    if metafunc.function.__name__ == "test_starts":
        builds = tuple(build for build in builds if build.starts)
    cells = [
        pytest.param(
            build,
            id=build.id,
            marks=[
                getattr(pytest.mark, build.platform),
                getattr(pytest.mark, build.tier.value),
            ],
        )
        for build in builds
    ]
    metafunc.parametrize(_ARGUMENT, cells, indirect=True)


def _build_of(item: pytest.Item) -> Build | None:
    callspec = getattr(item, "callspec", None)
    build: Build | None = callspec.params.get(_ARGUMENT) if callspec else None
    return build if hasattr(build, "spec") else None  # an empty parameter set holds pytest's own placeholder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a build's claims together, and leave the nightly builds to `--tier nightly`."""
    if not hasattr(config, "workerinput"):  # under xdist the controller stops the run, not a worker in its midst
        _stop_for_bad_input(config)
    first_seen: dict[str, int] = {}
    order: dict[pytest.Item, int] = {}
    for index, item in enumerate(items):
        build = _build_of(item)
        order[item] = first_seen.setdefault(build.id, index) if build else index
    items.sort(key=lambda item: order[item])
    if named := config.getoption("buildproof_builds"):
        _keep_builds(config, items, named)
    elif config.getoption("buildproof_tier") == "gate" and "nightly" not in (config.option.markexpr or ""):
        late = [item for item in items if (build := _build_of(item)) and build.tier.value == "nightly"]
        if late:
            config.hook.pytest_deselected(items=late)
            items[:] = [item for item in items if item not in set(late)]


def _keep_builds(config: pytest.Config, items: list[pytest.Item], named: list[str]) -> None:
    """Of all tests keep the claims about these builds; a name that no build has ends the run."""
    if not hasattr(config, "workerinput"):
        _stop_for_unknown(named, {build.id for item in items if (build := _build_of(item))})
    others = [item for item in items if not (build := _build_of(item)) or build.id not in named]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in set(others)]


def _stop_for_unknown(named: list[str], known: Collection[str]) -> None:
    from buildproof.document import did_you_mean  # noqa: PLC0415

    for name in named:
        if name not in known:
            said = f"--build: there is no build {name!r}{did_you_mean(name, sorted(known))}"
            pytest.exit(said, returncode=pytest.ExitCode.USAGE_ERROR)


# -- the run ------------------------------------------------------------------------------------------


def _session(config: pytest.Config) -> Session:
    """The run's session: the controller's makes the folder, a worker's is told which it is."""
    from buildproof.ca import ca_bundle  # noqa: PLC0415
    from buildproof.ownership import Keep  # noqa: PLC0415
    from buildproof.runfolder import RunFolder  # noqa: PLC0415
    from buildproof.session import Session  # noqa: PLC0415

    if _SESSION not in config.stash:
        told = getattr(config, "workerinput", {}).get(_WORKER_FOLDER)
        folder = RunFolder(Path(told)) if told else RunFolder.reserve(config.rootpath)
        bundle = ca_bundle(config.getoption("buildproof_ca_bundle"))
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
    _prepare(config, {build.id: build for item in session.items if (build := _build_of(item))})


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which folder the run has; bad input stops the run here, before workers trip over it."""
    _builds_of(node.config, _chosen_projects(node.config))
    _stop_for_bad_input(node.config)
    node.workerinput[_WORKER_FOLDER] = str(_session(node.config).folder.path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Under xdist the controller collects nothing itself: it learns from the first worker which builds were chosen."""
    config = node.config
    if config.option.collectonly or (config.stash.get(_SESSION, None) and config.stash[_SESSION].prepared):
        return
    found = _builds_named(config, ids)
    _stop_for_unknown(config.getoption("buildproof_builds") or [], found)
    _prepare(config, found)


def _builds_named(config: pytest.Config, ids: list[str]) -> dict[str, Build]:
    """The builds that node ids speak of: `…test_builds[launcher-windows]`."""
    found: dict[str, Build] = {}
    for node_id in ids:
        file, _, rest = node_id.partition("::")
        name = rest.partition("[")[2].partition("]")[0]
        paths = (config.rootpath / file,) if Path(file).name == _MANIFEST else _chosen_projects(config)
        build = next((build for build in _builds_of(config, paths) if build.id == name), None) if name else None
        if build:
            found[build.id] = build
    _stop_for_bad_input(config)
    return found


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a build's claims on one worker: `-n 2` alone would spread them, and the others would only wait.

    All other tests stay together by file. A `--dist` that a person chose is left alone.
    """
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415

    class BuildScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
        """One build is one scope."""

        def _split_scope(self, nodeid: str) -> str:
            file, _, rest = nodeid.partition("::")
            build_id = rest.partition("[")[2].removesuffix("]")
            known = (build.id for builds in config.stash[_BUILDS].values() for build in builds)
            return build_id if build_id and build_id in known else file

    return BuildScheduling(config, log)


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Proof:
    """One build of the matrix, run when the first claim about it is asked."""
    from buildproof.proof import Proof  # noqa: PLC0415

    session = _session(request.config)
    return Proof(request.param, session.outcome, session.folder.read)


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
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
    text = told(record, folder.path, width=terminalreporter._tw.fullwidth, colour=terminalreporter._tw.hasmarkup)  # noqa: SLF001
    terminalreporter.write(f"{text}{config.stash.get(_REPORT, 'report: none')}\n")
    tell_baseline(config, record, terminalreporter)
    if folder.unwritten:
        terminalreporter.write_line(f"{folder.unwritten}\nwhat stands above is all that is known", yellow=True)
    tell_ci(record, terminalreporter)
