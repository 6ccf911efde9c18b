"""Faults are builds for a platform like all others, and `-m linux` means the matrix: they run only when asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.on_request import OnRequest

from buildproof.patience import patient
from buildproof.plan import Build
from buildproof.proof import Proof

HERE = Path(__file__).parent
MARKER = "faults"
OWN_LIMITS = {"time-limit", "silent", "slow-success"}  # faults that are about a limit: those have to be met as they are


def pytest_configure(config: pytest.Config) -> None:
    """The faults run on request."""
    OnRequest.register(config, HERE, marker=MARKER, what="builds that have to fail, each in one known way")


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
