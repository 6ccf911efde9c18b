"""The hash inside of the builder against the one outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, cast

import pytest

from buildproof.collect import Found, Listing
from buildproof.engine import ContainerSpec, Engine
from buildproof.errors import EngineError
from buildproof.evidence import Artifact, CheckStatus
from buildproof.inside import compared, hashes_inside, listed_inside
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

    def run_to_end(self, _container: str, output: Callable[[bytes], Any], *, timeout_s: float) -> int | None:
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


# -- which files there are ------------------------------------------------------------------------------------------


class Walker(FakeEngine):
    """Ends as it is told, and keeps what was copied into it."""

    def __init__(self, output: bytes, code: int | None = 0) -> None:
        super().__init__(output)
        self.code = code
        self.copied = b""

    def put(self, _container: str, _folder: str, tar: bytes) -> None:
        self.copied += tar

    def run_to_end(self, container: str, output: Callable[[bytes], Any], *, timeout_s: float) -> int | None:
        super().run_to_end(container, output, timeout_s=timeout_s)
        return self.code


def look_up(output: str, *patterns: str, code: int | None = 0) -> tuple[Walker, dict[str, Listing]]:
    engine = Walker(output.encode(), code)
    listings = listed_inside(
        cast("Engine", engine), image="probe", container="build", folder=PurePosixPath("/src"), patterns=patterns
    )
    return engine, listings


END = '{"pattern": 0, "too_many": false}\n{"pattern": 1, "too_many": false}\n'


def test_files_are_looked_up_beside_the_build_by_code_of_ours_without_network_or_rights() -> None:
    lines = '{"pattern": 0, "name": "b", "kind": "file", "size": 3}\n'
    lines += '{"pattern": 0, "name": "a", "kind": "link", "size": 1}\n'
    engine, listings = look_up(lines + END, "*", "x")
    assert listings == {"*": Listing(found=(Found("a", "link", 1), Found("b", "file", 3))), "x": Listing()}
    assert engine.spec is not None
    assert engine.spec.argv[4:] == ("python3", "-B", "-s", "-m", "probe.outputs", "/src", "1000", "*", "x")
    assert (engine.spec.image, engine.spec.volumes_of, engine.spec.network) == ("probe", "build", "none")
    assert engine.spec.cap_drop == ("ALL",)
    assert engine.spec.limits.memory
    assert engine.spec.environment["PYTHONPATH"] == "/look"
    assert b"look/probe/outputs.py" in engine.copied


def test_too_many_files_are_a_complaint_and_the_other_patterns_still_hold() -> None:
    lines = '{"pattern": 0, "too_many": true}\n{"pattern": 1, "name": "b", "kind": "file", "size": 3}\n'
    _, listings = look_up(lines + '{"pattern": 1, "too_many": false}\n', "*", "b")
    assert listings == {
        "*": Listing(complaint="up to the pattern '*' the artifact patterns match over 1000 files"),
        "b": Listing(found=(Found("b", "file", 3),)),
    }


def test_a_walk_that_takes_too_long_is_a_complaint() -> None:
    _, listings = look_up("", "*", code=None)
    assert listings["*"].complaint == "the files that may match were not looked through in 2 min 00 s"


@pytest.mark.parametrize(
    "output", ["", '{"pattern": 0, "name": "b", "ki', "Traceback: no space\n", '{"pattern": 0}\n', "3\n"]
)
def test_a_list_that_breaks_off_is_the_engines_error_and_never_taken_for_whole(output: str) -> None:
    with pytest.raises(EngineError, match="broke off with exit code 137"):
        look_up(output, "*", code=137)
