"""Faults are builds for a platform like all others, and `-m linux` means the matrix: they run only when asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildproof.patience import patient
from buildproof.plan import Build
from buildproof.proof import Proof

HERE = Path(__file__).parent
MARKER = "faults"
OWN_LIMITS = {"time-limit", "silent", "slow-success"}  # faults that are about a limit: those have to be met as they are
_LEFT_OUT = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that every test in this folder gets."""
    config.addinivalue_line("markers", f"{MARKER}: builds that have to fail, each in one known way")


def asked_for(config: pytest.Config) -> bool:
    """Whether the command line names this folder, something below it, or the marker."""
    paths = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return MARKER in (config.option.markexpr or "") or any(path.resolve().is_relative_to(HERE) for path in paths)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the faults, and deselect them when nobody asked."""
    faults = [item for item in items if item.path.is_relative_to(HERE)]
    for item in faults:
        item.add_marker(MARKER)
    if faults and not asked_for(config):
        config.stash[_LEFT_OUT] = len(faults)
        config.hook.pytest_deselected(items=faults)
        items[:] = [item for item in items if item not in set(faults)]


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    """Say that faults were left out, and how to run them."""
    count = config.stash.get(_LEFT_OUT, 0)
    return f"{count} tests of faults are deselected: `./verify tests/faults` runs them" if count else None


def with_patience(build: Build) -> Build:
    """A slow engine gets more time for the same build, unless the limit is what the fault is about."""
    if build.project in OWN_LIMITS:
        return build
    return replace(build, time_limit_s=patient(build.time_limit_s))


@pytest.fixture
def proof(proof: Proof) -> Proof:
    """The plugin's, with BUILDPROOF_PATIENCE applied to the build's own time limit."""
    proof.build = with_patience(proof.build)
    return proof
