"""What several unit tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_SHORTER = 10


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """How many of so many random inputs to try now: the first tenth, or all with `--thorough`."""
    return lambda full: full if request.config.getoption("thorough") else full // _SHORTER
