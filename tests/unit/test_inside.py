"""The hash inside of the builder against the one outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, cast

import pytest

from buildproof.engine import ContainerSpec, Engine
from buildproof.evidence import Artifact, CheckStatus
from buildproof.inside import compared, hashes_inside
from buildproof.targets import Format, Machine

ONE, OTHER = "1" * 64, "2" * 64


class FakeEngine:
    """Prints what it was made with, and remembers what it was asked for."""

    def __init__(self, output: bytes) -> None:
        self.output = output
        self.spec: ContainerSpec | None = None
        self.removed: list[str] = []

    def create(self, spec: ContainerSpec) -> str:
        self.spec = spec
        return "hasher"

    def run_to_end(self, _container: str, output: Callable[[bytes], Any], *, timeout_s: float) -> int:
        assert timeout_s > 0
        output(self.output)
        return 0

    def remove(self, container: str) -> None:
        self.removed.append(container)


def ask(output: bytes, *names: str) -> tuple[FakeEngine, dict[str, str] | None]:
    engine = FakeEngine(output)
    found = hashes_inside(
        cast("Engine", engine),
        image="builder",
        container="build",
        folder=PurePosixPath("/src"),
        names=names,
    )
    return engine, found


def artifact(sha256: str | None) -> Artifact:
    return Artifact(path="out/app", size=1, sha256=sha256, format=Format.ELF, machine=Machine.X86_64)


def test_the_files_are_hashed_in_the_builds_own_volumes_without_network_or_rights() -> None:
    engine, found = ask(f"{ONE}  /src/out/app\n{OTHER}  /src/a b\n".encode(), "out/app", "a b")
    assert found == {"out/app": ONE, "a b": OTHER}
    assert engine.spec is not None
    assert engine.spec.argv[4:] == ("sha256sum", "--", "/src/out/app", "/src/a b")
    assert (engine.spec.volumes_of, engine.spec.network, engine.spec.cap_drop) == ("build", "none", ("ALL",))
    assert engine.removed == ["hasher"]


@pytest.mark.parametrize("output", [b"", b"sha256sum: not found\n", f"{ONE}  /src/other\n".encode()])
def test_an_image_that_cannot_hash_says_nothing(output: bytes) -> None:
    _, found = ask(output, "out/app")
    assert found is None
    assert compared(artifact(ONE), found).status is CheckStatus.NOT_APPLICABLE


def test_nothing_is_started_for_no_files() -> None:
    engine, found = ask(b"")
    assert (engine.spec, found) == (None, {})


def test_equal_hashes_pass_and_others_fail() -> None:
    assert compared(artifact(ONE), {"out/app": ONE}).status is CheckStatus.PASS
    check = compared(artifact(OTHER), {"out/app": ONE})
    assert (check.id, check.status, check.expected, check.actual) == ("artifact-hash", CheckStatus.FAIL, ONE, OTHER)
    assert "Copy it again" in check.message
    assert compared(artifact(None), {"out/app": ONE}).status is CheckStatus.NOT_APPLICABLE
