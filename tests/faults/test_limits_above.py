"""A limit above the build's own killed: the verdict names that limit, not the build's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildproof.ca import ca_bundle
from buildproof.discovery import load
from buildproof.doctor import engine_is_local
from buildproof.engine import ContainerSpec, Engine
from buildproof.record import BuildRecord
from buildproof.runfolder import RunFolder
from buildproof.session import Session
from buildproof.verdict import Outcome

FAULTS = Path(__file__).parents[2] / "fixtures" / "faults"
LIMIT = 120 << 20
HIERARCHY = Path("/sys/fs/cgroup/memory")


class EngineBelow(Engine):
    """An engine that puts builds below a cgroup of the test's own, as CI services put theirs below one of a job."""

    parent = ""

    def _configuration(self, spec: ContainerSpec) -> dict[str, Any]:
        asked = super()._configuration(spec)
        if spec.pid_namespace_of:
            asked["HostConfig"]["CgroupParent"] = self.parent
        return asked


@pytest.fixture
def parent() -> Iterator[str]:
    if not (engine_is_local() and HIERARCHY.is_dir() and os.access(HIERARCHY, os.W_OK)):
        pytest.skip("needs the engine's own cgroup v1 hierarchy, and root, to make a limit above the build's")
    path = HIERARCHY / f"buildproof-parent-{os.getpid()}"
    path.mkdir()
    (path / "memory.limit_in_bytes").write_text(str(LIMIT))
    yield f"/{path.name}"
    for made in HIERARCHY.parent.glob(f"*/{path.name}"):  # the engine makes it in every hierarchy
        for left in (*made.glob("*/"), made):  # Podman leaves an empty cgroup of its own beside the container's
            left.rmdir()


@pytest.fixture
def record(parent: str, tmp_path: Path, pytestconfig: pytest.Config) -> BuildRecord:
    (build,) = load((FAULTS / "oom-behind-exit-0",))
    bundle = ca_bundle(pytestconfig.getoption("buildproof_ca_bundle"))
    with EngineBelow.connect() as engine:
        engine.parent = parent
        session = Session(RunFolder.reserve(tmp_path), ca_bundle=bundle, say=print, engine=engine)
        session.prepare((build,))
        record = session.outcome(build)
        session.close()
    return record


def test_a_kill_by_a_limit_above_names_that_limit(record: BuildRecord, parent: str) -> None:
    verdict = record.verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.cause, verdict.grade) == (Outcome.OUT_OF_MEMORY, "parent-limit", "kernel")
    assert re.search(rf"120 MiB of cgroup {parent}, killed (\./)?tablegen", verdict.summary)
    assert verdict.advice[0].startswith(f"Raise the limit of {parent} above 120 MiB")
    (above,) = record.memory.ancestors
    assert (above.path, above.limit) == (parent, LIMIT)
    assert above.limit_hits
