"""The part of the plugin that says which builds a run has: what is collected, parametrized and left out."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buildproof.errors import BuildproofError
from buildproof.plugin_root import refuse_unasked
from buildproof.targets import Target

if TYPE_CHECKING:
    from buildproof.plan import Build

SUITE = Path(__file__).with_name("suite.py")
_MANIFEST = "buildproof.toml"
_ARGUMENT = "proof"
_BUILDS = pytest.StashKey[dict[tuple[Path, ...], "tuple[Build, ...]"]]()
_BAD_INPUT = pytest.StashKey[list[BuildproofError]]()


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
        "--trust", choices=("full", "limits", "none"), default="full", dest="buildproof_trust",
        help="who wrote the manifests: people of the project (full, default), or a pull request that may not change "
        "the box (limits), nor use the network or promise less (none); see docs/security.md",
    )  # fmt: skip
    group.addoption(
        "--trusted-base", type=Path, metavar="PATH", dest="buildproof_base",
        help="a checkout of the branch that a pull request wants to go into: its builders and manifests are the law",
    )  # fmt: skip
    parser.addini("buildproof_projects", "projects that the suite verifies", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for platform in sorted({target.platform for target in Target}):
        config.addinivalue_line("markers", f"{platform}: builds for {platform}")
    config.addinivalue_line("markers", "gate: builds that every pull request must pass")
    config.addinivalue_line("markers", "nightly: builds of the full matrix alone (see --tier)")
    config.stash[_BUILDS] = {}
    config.stash[_BAD_INPUT] = []


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


def stood(config: pytest.Config) -> Path:
    """Where the person stood, from where paths of options are meant: `./verify` tells."""
    return Path(os.environ.get("BUILDPROOF_INVOKED_FROM") or config.invocation_params.dir)


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


def build_of(item: pytest.Item) -> Build | None:
    """The build that a test makes a claim about, None for any other test."""
    callspec = getattr(item, "callspec", None)
    build: Build | None = callspec.params.get(_ARGUMENT) if callspec else None
    return build if hasattr(build, "spec") else None  # an empty parameter set holds pytest's own placeholder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a build's claims together, and leave the nightly builds to `--tier nightly`."""
    if not hasattr(config, "workerinput"):  # under xdist the controller stops the run, not a worker in its midst
        _stop_for_bad_input(config)
        refuse_unasked(config, {build.id for item in items if (build := build_of(item))})
    first_seen: dict[str, int] = {}
    order: dict[pytest.Item, int] = {}
    for index, item in enumerate(items):
        build = build_of(item)
        order[item] = first_seen.setdefault(build.id, index) if build else index
    items.sort(key=lambda item: order[item])
    if named := config.getoption("buildproof_builds"):
        _keep_builds(config, items, named)
    elif config.getoption("buildproof_tier") == "gate" and "nightly" not in (config.option.markexpr or ""):
        late = [item for item in items if (build := build_of(item)) and build.tier.value == "nightly"]
        if late:
            config.hook.pytest_deselected(items=late)
            items[:] = [item for item in items if item not in set(late)]


def refuse_bad_input(config: pytest.Config) -> None:
    """End the run when a manifest of the chosen projects cannot be used: here, before workers trip over it."""
    _builds_of(config, _chosen_projects(config))
    _stop_for_bad_input(config)


def _keep_builds(config: pytest.Config, items: list[pytest.Item], named: list[str]) -> None:
    """Of all tests keep the claims about these builds; a name that no build has ends the run."""
    if not hasattr(config, "workerinput"):
        refuse_unknown_builds(config, {build.id for item in items if (build := build_of(item))})
    others = [item for item in items if not (build := build_of(item)) or build.id not in named]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in set(others)]


def refuse_unknown_builds(config: pytest.Config, known: Collection[str]) -> None:
    """End the run when `--build` names what is not among the `known` ids."""
    from buildproof.document import did_you_mean  # noqa: PLC0415

    for name in config.getoption("buildproof_builds") or ():
        if name not in known:
            said = f"--build: there is no build {name!r}{did_you_mean(name, sorted(known))}"
            pytest.exit(said, returncode=pytest.ExitCode.USAGE_ERROR)


def builds_named(config: pytest.Config, ids: list[str]) -> dict[str, Build]:
    """The builds that node ids speak of, by id: `…test_builds[launcher-windows]`. Bad input ends the run."""
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
