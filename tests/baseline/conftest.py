"""Growth of a real build needs an engine and a minute or more, and is no part of the matrix."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.on_request import OnRequest


def pytest_configure(config: pytest.Config) -> None:
    """What needs an engine runs on request."""
    OnRequest.register(config, Path(__file__).parent, marker="growth", what="growth of a real build")
