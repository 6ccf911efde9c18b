"""Runs of several builds at once need an engine, and are no part of the matrix."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.on_request import OnRequest


def pytest_configure(config: pytest.Config) -> None:
    """What needs an engine runs on request."""
    OnRequest.register(config, Path(__file__).parent, marker="budget", what="several runs on one engine")
