"""The lease around a container's program: unseen while the harness is there, the end of it when the harness is gone."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import cast

import pytest

from buildproof.engine import ContainerSpec, Engine
from buildproof.errors import EngineError
from buildproof.lease import NoProgram, first_into, leased, run_leased

LONG_S = 60.0


def spec(*argv: str) -> ContainerSpec:
    return ContainerSpec(image="image", argv=argv, labels={})


@contextmanager
def running(*argv: str, time_limit_s: float = LONG_S, missing: str = "nothing") -> Iterator[subprocess.Popen[bytes]]:
    """The wrapped words in this host's own shell; what the kernel would kill with a container is killed as a group."""
    words = leased(spec(*argv), time_limit_s=time_limit_s, missing=missing).argv
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            kill_all(process)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def outcome(*argv: str, missing: str = "nothing") -> tuple[int, bytes, bytes]:
    with running(*argv, missing=missing) as process:
        assert process.stdout
        assert process.stderr
        code = process.wait(LONG_S)
        kill_all(process)  # they hold the pipes open
        return code, process.stdout.read(), process.stderr.read()


def test_a_program_gets_its_arguments_as_they_are_and_gives_its_status() -> None:
    assert outcome("printf", "%s|", "$HOME; id", "a b", "'\"") == (0, b"$HOME; id|a b|'\"|", b"")
    assert outcome("sh", "-c", "echo out; echo err >&2; exit 42") == (42, b"out\n", b"err\n")


def test_a_program_that_dies_of_a_signal_is_told_as_an_engine_tells_it_and_without_a_word_of_the_shells() -> None:
    assert outcome("sh", "-c", "kill -s SEGV $$") == (128 + signal.SIGSEGV, b"", b"")


def test_a_program_has_an_empty_stdin_and_not_the_lease() -> None:
    assert outcome("cat") == (0, b"", b"")
    assert outcome("sh", "-c", "cat <&3 || echo closed")[1] == b"closed\n"


def test_it_ends_when_its_stdin_closes() -> None:
    with running("sleep", "600") as process:
        assert process.stdin
        process.stdin.close()
        assert process.wait(LONG_S) == 128 + signal.SIGKILL


def test_it_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildproof.lease._GRACE_S", 0.0)
    with running("sleep", "600", time_limit_s=1.0) as process:
        assert process.wait(LONG_S) == 128 + signal.SIGKILL


def test_a_program_that_is_not_there_is_told_apart() -> None:
    assert outcome("no-such-program", missing="a token") == (127, b"", b"a token\n")


class FakeEngine:
    """Prints what it is told to, and exits with a status."""

    def __init__(self, code: int | None, output: Callable[[ContainerSpec], bytes]) -> None:
        self.code, self.output = code, output
        self.removed: list[str] = []

    def create(self, asked: ContainerSpec) -> str:
        self.asked = asked
        return "container"

    def run_to_end(self, _container: str, output: Callable[[bytes], object], *, timeout_s: float) -> int | None:
        assert timeout_s > 0
        output(self.output(self.asked))
        return self.code

    def remove(self, container: str) -> None:
        self.removed.append(container)


def says_missing(asked: ContainerSpec) -> bytes:
    return asked.argv[2].partition("echo '")[2].partition("'")[0].encode() + b"\n"


def run(engine: FakeEngine, prepare: Callable[[str], None] | None = None) -> int | None:
    return run_leased(
        cast("Engine", engine), spec("wine", "a.exe"), lambda _data: None, time_limit_s=1.0, prepare=prepare
    )


def test_a_program_that_the_image_lacks_is_the_engines_side_and_no_status_of_the_program() -> None:
    engine = FakeEngine(127, says_missing)
    with pytest.raises(NoProgram, match="the image image has no program wine"):
        run(engine)
    assert engine.removed == ["container"]
    assert run(FakeEngine(127, lambda _asked: b"wine: not found\n")) == 127
    assert run(FakeEngine(None, lambda _asked: b"")) is None


def test_a_container_that_could_not_be_prepared_is_removed() -> None:
    def broken(container: str) -> None:
        raise EngineError(f"{container} is full")

    engine = FakeEngine(0, lambda _asked: b"")
    with pytest.raises(EngineError, match="container is full"):
        run(engine, prepare=broken)
    assert engine.removed == ["container"]


def test_of_a_flood_of_output_only_the_beginning_is_kept() -> None:
    kept = bytearray()
    take = first_into(kept, 10)
    for _ in range(1000):
        take(b"abcd")
    assert kept == b"abcdabcdab"
