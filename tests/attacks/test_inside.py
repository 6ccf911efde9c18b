"""Attacks from inside of a box: all in one build, which has to end as if nothing had been tried.

`UPDATE_GOLDEN=1` writes the observed answers into docs/security.md.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.attacks import listed
from tests.attacks.fetched import forget
from tests.attacks.listed import WORKED, Attack

from buildproof import labels, layout
from buildproof.box import Box, folders
from buildproof.ca import ca_bundle
from buildproof.discovery import load
from buildproof.engine import ContainerSpec, Engine
from buildproof.hostile import plain
from buildproof.plan import Build
from buildproof.record import BuildRecord
from buildproof.runfolder import RunFolder
from buildproof.session import Session
from buildproof.verdict import Outcome
from buildproof.verdict.claims import Answer, Claim, decide

NAMES = list(listed.written())


@dataclass
class Surroundings:
    """What is attacked outside of the box: who listens on the host, and a process in another build's box."""

    port: int
    name: str
    process: int
    connected: list[str]

    def environment(self) -> dict[str, str]:
        return {
            "ATTACKED_PORT": str(self.port), "ATTACKED_NAME": self.name, "ATTACKED_PROCESS": str(self.process),
        }  # fmt: skip


def _accept(listener: socket.socket, kind: str, connected: list[str]) -> None:
    with contextlib.suppress(OSError):  # it was closed
        while True:
            line, _ = listener.accept()
            connected.append(kind)
            line.close()


@contextlib.contextmanager
def other_build(engine: Engine, image: str) -> Iterator[int]:
    """A container like another build's, with a process and a file called `attacked-build`; that process on the host."""
    argv = ("/bin/sh", "-c", "cd && ln -s /bin/sleep attacked-build && ./attacked-build 600")
    spec = ContainerSpec(image=image, argv=argv, labels=labels.of("start"), environment=layout.environment({}))
    container = engine.create(spec.in_box(Box()))
    try:
        engine.put(container, str(layout.WORK), folders(Box().owner, layout.HOME.name))
        engine.start(container)
        yield int(engine._api.inspect_container(container)["State"]["Pid"])
        assert engine.state(container).running, "the other build was ended"
    finally:
        engine.remove(container)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Session]:
    """A run of its own."""
    bundle = ca_bundle(pytestconfig.getoption("buildproof_ca_bundle"))
    session = Session(RunFolder.reserve(tmp_path_factory.mktemp("attacks")), ca_bundle=bundle, say=print)
    yield session
    session.close()
    forget(session.engine, "attacks")


@pytest.fixture(scope="module")
def build(session: Session) -> Build:
    """The build that tries everything, ready to run."""
    (build,) = load([listed.INSIDE])
    session.prepare((build,))
    return build


@pytest.fixture(scope="module")
def surroundings(session: Session, build: Build) -> Iterator[Surroundings]:
    """Two listeners that count who connects, and another build."""
    name = f"buildproof-attacked-{secrets.token_hex(8)}"
    connected: list[str] = []
    image = session.images.for_builder(build.builder).reference
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as local,
        other_build(session.engine, image) as process,
    ):
        local.bind(f"\0{name}")
        local.listen()
        for listener, kind in ((tcp, "tcp"), (local, "abstract")):
            threading.Thread(target=_accept, args=(listener, kind, connected), daemon=True).start()
        yield Surroundings(tcp.getsockname()[1], name, process, connected)


@pytest.fixture(scope="module")
def record(session: Session, build: Build, surroundings: Surroundings) -> BuildRecord:
    """The record of the build that tried everything."""
    return session.outcome(replace(build, environment={**build.environment, **surroundings.environment()}))


@pytest.fixture(scope="module")
def answers(session: Session, record: BuildRecord) -> dict[str, Attack]:
    """What each attack was answered, by its name."""
    log = session.folder.path / str(record.log)
    found = listed.told(plain(log.read_text("utf-8", "replace")))
    assert [attack.name for attack in found] == NAMES, record.verdict
    if os.environ.get("UPDATE_GOLDEN"):
        listed.write("inside", found)
    return {attack.name: attack for attack in found}


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_from_inside_does_not_work(answers: dict[str, Attack], name: str) -> None:
    assert WORKED not in answers[name].answer


def test_the_build_around_the_attacks_is_measured_and_passes(record: BuildRecord) -> None:
    verdict = record.verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.grade) == (Outcome.PASSED, "kernel"), verdict.summary
    decided = {claim: decide(claim, record.case()) for claim in Claim}
    assert decided[Claim.MEASURED].answer is Answer.HELD, decided[Claim.MEASURED].why
    assert record.ended.accounting
    assert record.ended.probe_lost is None


def test_nobody_outside_was_reached(record: BuildRecord, surroundings: Surroundings) -> None:
    assert record.verdict
    assert surroundings.connected == []
    with socket.create_connection(("127.0.0.1", surroundings.port)) as line, socket.socket(socket.AF_UNIX) as local:
        local.connect(f"\0{surroundings.name}")
        assert (line.recv(1), local.recv(1)) == (b"", b"")
    assert sorted(surroundings.connected) == ["abstract", "tcp"], "nobody listened"


def test_the_listed_answers_are_those_that_were_observed(answers: dict[str, Attack], record: BuildRecord) -> None:
    assert record.verdict
    if not Path("/sys/fs/cgroup/memory").is_dir():
        pytest.skip("the list has the answers of cgroup v1; other engines refuse with other words")
    assert listed.listed("inside") == list(answers.values())
