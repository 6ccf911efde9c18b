"""The part of the plugin that sees to it that `--project` does what is meant by it.

pytest settles its root folder before it knows the options of plugins: a word after `--project` is a path of tests
then (`_pytest.config.findpaths.determine_setup`). Where that lies elsewhere the ini file is lost, and much with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from pathlib import Path

import pytest

_OPTION = "--project"


def pytest_configure(config: pytest.Config) -> None:
    """Stop when the word after `--project` became the root folder."""
    here = config.invocation_params.dir
    root = config.inipath.parent if config.inipath else config.rootpath
    if root == here or (config.inipath and root in here.parents):
        return
    words = [str(word) for word in config.invocation_params.args]
    if {word.partition("=")[0] for word in words} & {"-c", "--config-file", "--rootdir"}:
        return
    for option, path in itertools.pairwise(words):
        if option == _OPTION and not (here / path).resolve().is_relative_to(here):
            raise pytest.UsageError(
                f"pytest took {path}, a word of its own, for a folder of tests, and its root folder is {root} by that;"
                f" write it as one word: {_OPTION}={path}"
            )


def refuse_unasked(config: pytest.Config, found: Collection[str]) -> None:
    """End a run that would be green, or empty, and have nothing to do with the projects that were named."""
    named: list[Path] | None = config.getoption("buildproof_projects")
    if found or not named:
        return
    said = " ".join(map(str, named))
    pytest.exit(
        f"{_OPTION}: no test here takes it: it is for a suite such as buildproof's own tests/verify."
        f" Name the project itself: pytest {said}",
        returncode=pytest.ExitCode.USAGE_ERROR,
    )
