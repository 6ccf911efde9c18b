"""The shipped builders, brought up by pytest-docker from the very Compose file that a person would use."""

from __future__ import annotations

import dataclasses
import io
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import testinfra
import yaml
from testinfra.host import Host

from buildproof import labels
from buildproof.builder import Builder
from buildproof.ca import ca_bundle
from buildproof.compose import read_compose
from buildproof.engine import ContainerSpec, Engine
from buildproof.images import PROBE_IMAGE, Images
from buildproof.limits import LimitState
from buildproof.logs import Log
from buildproof.plugin_live import say
from buildproof.pod import Pod, PodSpec
from buildproof.resources import shipped_compose
from buildproof.timeline import Timeline

_PROJECT = "buildproof-builder-checks"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine.connect() as engine:
        yield engine


@pytest.fixture(scope="session")
def builders() -> dict[str, Builder]:
    return read_compose(shipped_compose())


@pytest.fixture(scope="session", params=["windows", "linux"])
def builder(request: pytest.FixtureRequest, builders: dict[str, Builder]) -> Builder:
    return builders[request.param]


@pytest.fixture(scope="session")
def images(engine: Engine, builders: dict[str, Builder], pytestconfig: pytest.Config) -> Images:
    """Every builder's image is there, and `latest` means it."""
    bundle = ca_bundle(pytestconfig.getoption("buildproof_ca_bundle"))
    images = Images(engine, ca_bundle=bundle, progress=lambda text: say(pytestconfig, text))
    for builder in builders.values():
        image = images.for_builder(builder)
        repository, _, _ = image.reference.partition(":")
        engine.tag(image.reference, repository, "latest")
    return images


@pytest.fixture(scope="session")
def limit_states(
    engine: Engine, images: Images, builder: Builder, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, LimitState]:
    """The builder's limits as read back from the kernel in a pod, exactly as before a build."""
    folder = tmp_path_factory.mktemp("pod")
    image = images.for_builder(builder)
    spec = PodSpec(
        build_id=f"check-{builder.name}",
        image=image.reference,
        probe_image=images.named(PROBE_IMAGE).reference,
        command="true",
        workdir="/buildproof/src",
        environment={},
        limits=builder.limits,
        time_limit_s=60,
    )
    with Pod(engine, spec, log=Log.create(folder / "log"), timeline=Timeline(io.StringIO())) as pod:
        return pod.prepare()


# -- pytest-docker ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    return "docker-compose" if shutil.which("docker-compose") else "docker compose"


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    return _PROJECT


@pytest.fixture(scope="session")
def docker_compose_file(
    engine: Engine, images: Images, builders: dict[str, Builder], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """The shipped file, and one over it that keeps the containers up and carries our label.

    An engine without CAP_SYS_RESOURCE refuses to start containers with rlimits above its own: those are replaced
    by the engine's own here, and test_builders.py reports them as not in force.
    """
    override: dict[str, Any] = {
        name: {"command": ["sleep", "infinity"], "labels": {labels.OURS: "builder-check"}} for name in builders
    }
    for name, builder in builders.items():
        own = _own_rlimits(engine, images.for_builder(builder).reference, builder)
        if own:
            override[name]["ulimits"] = {rlimit: {"soft": soft, "hard": hard} for rlimit, (soft, hard) in own.items()}
    path = tmp_path_factory.mktemp("compose") / "override.yml"
    path.write_text(yaml.safe_dump({"services": override}))
    return [str(shipped_compose()), str(path)]


def _own_rlimits(engine: Engine, image: str, builder: Builder) -> dict[str, tuple[int, int]]:
    """The engine's own values of the rlimits that it refuses to set as the builder asks."""
    from buildproof.engine import RlimitRefused  # noqa: PLC0415
    from buildproof.in_force import rlimits_of  # noqa: PLC0415

    refused: set[str] = set()
    while True:
        asked = {name: pair for name, pair in builder.limits.rlimits.items() if name not in refused}
        limits = dataclasses.replace(builder.limits, rlimits=asked)
        spec = ContainerSpec(
            image=image, argv=("cat", "/proc/self/limits"), limits=limits, labels=labels.of("builder-check")
        )
        container = engine.create(spec)
        output = bytearray()
        try:
            engine.run_to_end(container, output.extend, timeout_s=60)
        except RlimitRefused as error:
            refused.add(error.rlimit)
            continue
        finally:
            engine.remove(container)
        own = rlimits_of(output.decode())
        return {name: own[name] for name in refused}


@pytest.fixture(scope="session")
def docker_setup(images: Images) -> list[str]:
    return ["up -d --no-build"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down --timeout 0"]


@pytest.fixture(scope="session")
def host(docker_services: Any, builder: Builder) -> Host:
    """The running builder, seen by testinfra."""
    said = docker_services._docker_compose.execute(f"ps -q {builder.name}").decode()
    container = next(line for line in said.split() if re.fullmatch(r"[0-9a-f]{64}", line))
    return testinfra.get_host(f"docker://{container}")
