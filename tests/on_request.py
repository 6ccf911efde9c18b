"""Suites that run only when the command line asks for them: by their folder, something below it, or their marker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


class OnRequest:
    """What a folder's conftest registers: marks the folder's tests, and deselects them when nobody asked.

    `what` names the tests in the plural: "faults". With `fixture` only tests that use that fixture are meant; the
    others of the folder need nothing special, and run always.
    """

    def __init__(self, folder: Path, *, marker: str, what: str, fixture: str | None = None) -> None:
        self._folder, self._marker, self._what, self._fixture = folder, marker, what, fixture
        self._left_out = 0

    @classmethod
    def register(
        cls, config: pytest.Config, folder: Path, *, marker: str, what: str, fixture: str | None = None
    ) -> None:
        """Register the marker and the plugin; to be called in the conftest's `pytest_configure`."""
        config.addinivalue_line("markers", f"{marker}: {what}")
        config.pluginmanager.register(cls(folder, marker=marker, what=what, fixture=fixture), f"on-request-{marker}")

    def asked_for(self, config: pytest.Config) -> bool:
        """Whether the command line names the folder, something below it, or the marker."""
        paths = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
        marked = self._marker in re.findall(r"\w+", config.option.markexpr or "")
        return marked or any(path.resolve().is_relative_to(self._folder) for path in paths)

    def _means(self, item: pytest.Item) -> bool:
        inside = item.path.is_relative_to(self._folder)
        return inside and (self._fixture is None or self._fixture in getattr(item, "fixturenames", ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Mark what is in the folder, and deselect it when nobody asked."""
        here = [item for item in items if self._means(item)]
        for item in here:
            item.add_marker(self._marker)
        if here and not self.asked_for(config):
            self._left_out = len(here)
            config.hook.pytest_deselected(items=here)
            items[:] = [item for item in items if item not in set(here)]

    def pytest_report_collectionfinish(self, config: pytest.Config) -> str | None:
        """Say what was left out, and how to run it."""
        if not self._left_out:
            return None
        folder = self._folder.relative_to(config.rootpath)
        return f"{self._left_out} tests of {self._what} are deselected: `./verify {folder}` runs them"
