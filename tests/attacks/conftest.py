"""Attacks are builds like all others, and `-m linux` means the matrix: they run only when asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.on_request import OnRequest


def pytest_configure(config: pytest.Config) -> None:
    """The attacks run on request."""
    OnRequest.register(
        config, Path(__file__).parent, marker="attacks", what="attacks from inside of a box and from its outputs"
    )
