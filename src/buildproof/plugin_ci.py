"""The part of the plugin that speaks to a CI service: job summary and annotations of GitHub, properties of JUnit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from buildproof.record import RunRecord


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Give the test that says whether a build was measured every figure of it, as properties of its JUnit testcase."""
    try:
        return (yield)
    finally:
        proof = getattr(item, "funcargs", {}).get("proof")
        if proof is not None and getattr(item, "originalname", "") == "test_measured":
            from buildproof.ci_summary import figures  # noqa: PLC0415

            item.user_properties.extend(figures(proof.record).items())


def tell(record: RunRecord, reporter: pytest.TerminalReporter, *, is_green: bool) -> None:
    """Append the summary to the job's page and write the annotations, where GitHub runs this.

    In a green run no test minds a verdict, as where builds have to fail: nothing is to be mended at any line.
    """
    from buildproof.ci_summary import github_annotations, summary  # noqa: PLC0415

    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if page:
        try:
            with Path(page).open("a", encoding="utf-8") as file:
                file.write(summary(record, is_green=is_green))
        except OSError as error:
            reporter.write_line(f"the job summary cannot be written: {page}: {error.strerror}")
    if os.environ.get("GITHUB_ACTIONS") == "true" and not is_green:
        root = Path(os.environ.get("GITHUB_WORKSPACE") or reporter.config.rootpath)
        for line in github_annotations(record, root):
            reporter.write_line(line)
