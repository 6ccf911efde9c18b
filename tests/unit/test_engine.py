"""What is read from an engine's own words: Docker's, and Podman's where they differ."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.fake_engine import fake_engine

from buildproof.engine import Engine, RlimitRefused
from buildproof.engine.failure import rlimits_told_apart
from buildproof.errors import EngineError
from buildproof.facts import EngineFacts

# As Podman 4.3.1 answers; abridged.
PODMAN: dict[str, Any] = {
    "version": {"Version": "4.3.1", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]},
    "CgroupVersion": "1", "CgroupDriver": "cgroupfs", "SecurityOptions": ["name=seccomp,profile=default"],
}  # fmt: skip


@pytest.fixture
def facts_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    def ask(**answers: Any) -> EngineFacts:
        with fake_engine(**answers) as address:
            monkeypatch.setenv("DOCKER_HOST", address)
            with Engine.connect() as engine:
                return engine.facts()

    return ask


def test_docker_is_docker(facts_of: Any) -> None:
    facts = facts_of()
    assert (facts.product, facts.version, facts.rootless, facts.cpu_limit) == ("Docker", "26.0", False, True)


def test_an_engine_that_names_no_components_is_taken_for_docker(facts_of: Any) -> None:
    assert facts_of(version={"Components": None}).product == "Docker"


def test_podman_is_known_by_its_components(facts_of: Any) -> None:
    facts = facts_of(**PODMAN)
    assert (facts.product, facts.version, facts.api, facts.cgroup_version) == ("Podman", "4.3.1", "1.41", 1)


def test_rootless_docker_says_so_among_its_security_options_and_rootless_podman_in_a_field(facts_of: Any) -> None:
    assert facts_of(SecurityOptions=["name=seccomp,profile=default", "name=rootless"]).rootless
    assert facts_of(**PODMAN, Rootless=True).rootless
    assert not facts_of(**PODMAN, Rootless=False).rootless


def test_an_engine_that_cannot_limit_cpus_is_known(facts_of: Any) -> None:
    assert not facts_of(CpuCfsQuota=False).cpu_limit


def test_podman_on_cgroup_v2_is_not_believed_when_it_says_that_it_cannot_limit_cpus_and_swap(facts_of: Any) -> None:
    facts = facts_of(**{**PODMAN, "CgroupVersion": "2"}, CpuCfsQuota=False, SwapLimit=False)
    assert (facts.cpu_limit, facts.swap_limit) == (None, None)
    facts = facts_of(CpuCfsQuota=False, SwapLimit=False)  # Docker is
    assert (facts.cpu_limit, facts.swap_limit) == (False, False)


REFUSALS = {
    "runc: error setting rlimits for ready process: error setting rlimit type 7: operation not permitted": "nofile",
    "crun: setrlimit `RLIMIT_MEMLOCK`: Operation not permitted": "memlock",
}


@pytest.mark.parametrize("said", REFUSALS)
def test_a_refused_rlimit_is_told_apart_and_says_what_to_do(said: str) -> None:
    with pytest.raises(RlimitRefused) as error, rlimits_told_apart():
        raise EngineError(f"the engine refused to attach to container 123: {said}")
    assert error.value.rlimit == REFUSALS[said]
    assert "containers.conf" in str(error.value.next_step)


def test_another_failure_stays_what_it_is() -> None:
    with pytest.raises(EngineError) as error, rlimits_told_apart():
        raise EngineError("no such container")
    assert type(error.value) is EngineError
