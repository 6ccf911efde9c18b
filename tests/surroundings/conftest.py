"""Faults of the surroundings, really done: on an engine of the tests' own, so that the machine's is never stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from tests.on_request import OnRequest
from tests.surroundings.dockerd import Dockerd, dockerd, missing

from buildproof import labels
from buildproof.ca import ca_bundle
from buildproof.engine import Engine
from buildproof.images import PROBE_IMAGE, Images

DISK = "1500m"


def pytest_configure(config: pytest.Config) -> None:
    """These tests run on request; some are marked `quick`."""
    config.addinivalue_line("markers", "quick: faults of the surroundings that are done with in seconds")
    OnRequest.register(
        config, Path(__file__).parent, marker="surroundings", what="builds whose surroundings fail", fixture="own"
    )


@pytest.fixture(scope="session")
def _own(pytestconfig: pytest.Config) -> Iterator[Dockerd]:
    """An engine with the two small images that these tests need, brought from the machine's own engine."""
    if why := missing():
        pytest.fail(f"these tests start an engine of their own, and cannot here: {why}", pytrace=False)
    with Engine.connect() as theirs, dockerd(size=DISK) as own:
        images = Images(theirs, ca_bundle=ca_bundle(pytestconfig.getoption("buildproof_ca_bundle")), progress=print)
        images.named(PROBE_IMAGE)
        client = docker.APIClient(base_url=own.host, version="auto", timeout=600)
        list(client.load_image(theirs.save(images.used)))  # type: ignore[no-untyped-call]
        client.close()
        yield own


@pytest.fixture
def own(_own: Dockerd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dockerd]:
    """The engine, running and empty, and the one that the environment names.

    A run leaves no container in an engine that answers at its end.
    """
    monkeypatch.setenv("DOCKER_HOST", _own.host)
    if not _own.is_running:
        _own.start()
    yield _own
    _own.make_room()
    monkeypatch.setenv("DOCKER_HOST", _own.host)
    is_away = not _own.is_running
    if is_away:
        _own.start()
    with Engine.connect() as engine:
        left = engine.labelled(labels.OURS)
        for container in left:
            engine.remove(container)
    assert is_away or not left, "a run left containers behind"


@pytest.fixture
def engine(own: Dockerd) -> Iterator[Engine]:
    """A connection to it."""
    with Engine.connect() as engine:
        yield engine
