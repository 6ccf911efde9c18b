"""What a stranger's fetch step leaves is nobody else's: real fetches of one project, one of them poisoned."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attacks.fetched import forget
from tests.attacks.listed import ROOT

from buildproof.ca import ca_bundle
from buildproof.discovery import load
from buildproof.engine import Engine
from buildproof.runfolder import RunFolder
from buildproof.session import Session
from buildproof.trust import Ceiling, Trust
from buildproof.verdict import Outcome

MANIFEST = """\
[project]
name = "{name}"
compose = "compose.yml"

# The script is no input: whoever changes it alone does not change the name of what is fetched.
[fetch]
command = "sh fetch.sh"
inputs = ["lock"]

[[build]]
builder = "linux"
command = '''
echo "built with $(cat "$BUILDPROOF_CACHE/fetched")"
echo "int main(void) {{ return 0; }}" | cc -xc -o app -
'''
artifacts = ["app"]
time-limit = "1m"
"""
COMPOSE = ROOT / "fixtures" / "attacks" / "compose.yml"


class Checkouts:
    """The base branch of a project, and a pull request that changes nothing but what is fetched."""

    def __init__(self, folder: Path, name: str, bundle: Path | None) -> None:
        self.folder, self.name, self._bundle = folder, name, bundle
        context = ROOT / "dockerfiles" / "linux-builder"
        for checkout, loads in (("base", "what belongs there"), ("pull", "poison")):
            path = folder / checkout
            (path / ".git").mkdir(parents=True)
            (path / "buildproof.toml").write_text(MANIFEST.format(name=name))
            compose = COMPOSE.read_text().replace("../../dockerfiles/linux-builder", os.path.relpath(context, path))
            (path / "compose.yml").write_text(compose)
            (path / "lock").write_text("1")
            (path / "fetch.sh").write_text(f"echo {loads} >$BUILDPROOF_CACHE/fetched\n")

    def built_with(self, checkout: str, trust: Trust) -> str:
        """What a build of a checkout says that it was built with."""
        law = Ceiling(trust=trust, base=None if trust is Trust.FULL else self.folder / "base")
        (build,) = load([self.folder / checkout], ceiling=law)
        session = Session(RunFolder.reserve(self.folder / f"{checkout}-{trust}"), ca_bundle=self._bundle, say=print)
        session.prepare((build,))
        try:
            record = session.outcome(build)
            log = (session.folder.path / str(record.log)).read_text("utf-8")
        finally:
            session.close()
        assert record.verdict
        assert record.verdict.outcome is Outcome.PASSED, record.verdict.summary
        return log.partition("built with ")[2].strip()


@pytest.fixture
def checkouts(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Checkouts]:
    name = f"cache-{os.getpid()}"
    yield Checkouts(tmp_path, name, ca_bundle(pytestconfig.getoption("buildproof_ca_bundle")))
    with Engine.connect() as engine:
        forget(engine, name)


def test_what_a_pull_request_fetched_is_never_what_its_base_is_built_with(checkouts: Checkouts) -> None:
    assert checkouts.built_with("pull", Trust.LIMITS) == "poison"
    assert checkouts.built_with("base", Trust.FULL) == "what belongs there"


def test_at_the_lowest_level_a_pull_request_is_built_with_what_its_base_fetched(checkouts: Checkouts) -> None:
    assert checkouts.built_with("pull", Trust.NONE) == "what belongs there"
    assert checkouts.built_with("base", Trust.FULL) == "what belongs there"
