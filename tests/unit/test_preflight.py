"""Which engines can prove something, and what the doctor says about the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildproof.errors import ExitCode
from buildproof.facts import EngineFacts, HostFacts
from buildproof.limits import Limits
from buildproof.preflight import GIB, Finding, Level, Untrustworthy, examine_engine, stop_if_untrustworthy

ENGINE = EngineFacts(
    product="Docker",
    name="host",
    version="28.1.1",
    api="1.49",
    kernel="6.12.0",
    operating_system="Debian GNU/Linux 13",
    cgroup_version=2,
    cgroup_driver="systemd",
    storage_driver="overlay2",
    root="/var/lib/docker",
    cores=8,
    memory=32 * GIB,
    memory_limit=True,
    swap_limit=True,
    pids_limit=True,
    cpu_limit=True,
    rootless=False,
    architecture="x86_64",
)
HOST = HostFacts(disk_free=100 * GIB, swap=4 * GIB, accounting_tried=True)


def found(what: str, engine: EngineFacts = ENGINE, host: HostFacts = HOST, **builders: Limits) -> Finding:
    (finding,) = [one for one in examine_engine(engine, host, list(builders.items())) if one.what == what]
    return finding


def test_a_good_engine_is_good_in_every_respect() -> None:
    findings = examine_engine(ENGINE, HOST, [("linux", Limits(memory=6 * GIB, cpus=2.0))])
    assert {finding.level for finding in findings} == {Level.OK}
    assert [finding.what for finding in findings] == [
        "engine", "cgroup", "memory limit", "swap", "cpu limit", "pids limit", "process accounting",
        "memory", "disk free for the engine", "cores", "builder linux",
    ]  # fmt: skip
    stop_if_untrustworthy(findings)


@pytest.mark.parametrize(
    ("api", "level"),
    [
        ("1.24", Level.STOP),
        ("1.40", Level.STOP),
        ("1.41", Level.OK),
        ("1.100", Level.OK),
        ("2.0", Level.OK),
        ("", Level.OK),
    ],
)
def test_the_api_is_compared_as_numbers(api: str, level: Level) -> None:
    assert found("engine", replace(ENGINE, api=api)).level is level


STOPS = {
    "cgroup": replace(ENGINE, cgroup_version=None),
    "memory limit": replace(ENGINE, memory_limit=False),
    "engine": replace(ENGINE, api="1.39"),
}


@pytest.mark.parametrize("what", STOPS)
def test_an_engine_that_could_prove_nothing_stops_the_run(what: str) -> None:
    finding = found(what, STOPS[what])
    assert finding.level is Level.STOP
    with pytest.raises(Untrustworthy) as error:
        stop_if_untrustworthy([found("swap"), finding])
    assert error.value.exit_code is ExitCode.UNMEASURED
    assert str(error.value) == (
        f"a run on this engine could not be trusted\n{what}: {finding.found}\n  next: {finding.mend}"
    )


def test_an_engine_without_a_cgroup_driver_stops_the_run() -> None:
    assert found("cgroup", replace(ENGINE, cgroup_driver="none")).level is Level.STOP


# What a rootless engine says of itself on cgroup v1, as measured: Docker 20.10, then Podman 4.3, which overstates.
ROOTLESS_V1 = {
    "Docker": replace(
        ENGINE, rootless=True, cgroup_version=1, cgroup_driver="none", memory_limit=False, swap_limit=False,
        pids_limit=False, cpu_limit=False,
    ),
    "Podman": replace(ENGINE, product="Podman", rootless=True, cgroup_version=1, cgroup_driver="cgroupfs"),
}  # fmt: skip


@pytest.mark.parametrize("product", ROOTLESS_V1)
def test_a_rootless_engine_on_cgroup_v1_stops_the_run_whatever_it_says_of_itself(product: str) -> None:
    findings = examine_engine(ROOTLESS_V1[product], HOST, [("linux", Limits(memory=6 * GIB, cpus=2.0))])
    stops = [finding.what for finding in findings if finding.level is Level.STOP]
    assert stops == ["cgroup", "memory limit"]
    assert [one.what for one in findings if one.level is Level.WARNING] == ["swap", "cpu limit", "pids limit"]
    with pytest.raises(Untrustworthy) as error:
        stop_if_untrustworthy(findings)
    assert "a rootless engine on cgroup v1 puts no limit in force" in error.value.what
    assert str(error.value.next_step).count("cgroup v2") == 1


@pytest.mark.parametrize("product", ["Docker", "Podman"])
def test_a_rootless_engine_with_delegated_controllers_may_run(product: str) -> None:
    engine = replace(ENGINE, product=product, rootless=True)
    findings = examine_engine(engine, HOST, [("linux", Limits(memory=6 * GIB, cpus=2.0))])
    assert {finding.level for finding in findings} <= {Level.OK, Level.NOTE}
    assert ", rootless, " in found("engine", engine).found


def test_a_rootless_engine_is_told_to_have_the_missing_controller_delegated() -> None:
    engine = replace(ENGINE, rootless=True, cgroup_driver="none", memory_limit=False, cpu_limit=False, pids_limit=False)
    for what, controller in (("memory limit", "memory"), ("cpu limit", "cpu"), ("pids limit", "pids")):
        assert f"delegate {controller} to the engine's user" in str(found(what, engine).mend)
    assert found("cgroup", engine).level is Level.STOP


def test_a_builder_whose_cpus_cannot_be_limited_stops_the_run() -> None:
    engine = replace(ENGINE, rootless=True, cpu_limit=False)
    assert found("cpu limit", engine).level is Level.WARNING
    assert found("builder free", engine, free=Limits(memory=GIB)).level is Level.OK
    finding = found("builder linux", engine, linux=Limits(memory=GIB, cpus=2.0))
    assert (finding.level, finding.found) == (Level.STOP, "asks for 2.0 cpus, which the engine cannot limit")


def test_what_an_engine_does_not_say_is_left_to_the_reading_before_each_build() -> None:
    engine = replace(ENGINE, cpu_limit=None, swap_limit=None)
    findings = examine_engine(engine, HOST, [("linux", Limits(memory=GIB, cpus=2.0))])
    assert {finding.level for finding in findings} == {Level.OK}
    assert "the engine does not say" in found("cpu limit", engine).found
    assert "the engine does not say" in found("swap", engine).found


def test_podman_is_named_and_what_holds_there_is_said_in_one_finding() -> None:
    podman = replace(ENGINE, product="Podman", version="4.3.1", api="1.41")
    assert found("engine", podman).found.startswith("Podman 4.3.1, API 1.41, ")
    assert found("engine").found.startswith("Docker 28.1.1, ")
    rootful, rootless = found("podman", podman), found("podman", replace(podman, rootless=True))
    assert (rootful.level, rootless.level) == (Level.NOTE, Level.NOTE)
    assert "`nr_inodes` is refused" in rootful.found
    assert "without process accounting" in rootless.found
    assert not [one for one in examine_engine(ENGINE, HOST) if one.what == "podman"]


def test_an_old_engine_is_told_which_version_of_its_own_to_take() -> None:
    assert "Podman 4" in str(found("engine", replace(ENGINE, product="Podman", api="1.40")).mend)
    assert "Docker Engine 20.10" in str(found("engine", replace(ENGINE, api="1.40")).mend)


def test_every_reason_to_stop_is_told_at_once() -> None:
    engine = replace(ENGINE, memory_limit=False, cgroup_version=None)
    with pytest.raises(Untrustworthy) as error:
        stop_if_untrustworthy(examine_engine(engine, HOST))
    assert error.value.what.count("\n") == 2
    assert str(error.value.next_step).count("; ") == 1


def test_warnings_stop_nothing() -> None:
    engine = replace(ENGINE, swap_limit=False, pids_limit=False, cores=1, memory=GIB)
    host = HostFacts(disk_free=GIB, accounting_tried=True, accounting_refused="acct(2): Operation not permitted")
    findings = examine_engine(engine, host)
    assert [one.what for one in findings if one.level is Level.WARNING] == [
        "swap", "pids limit", "process accounting", "memory", "disk free for the engine", "cores",
    ]  # fmt: skip
    assert all(one.mend for one in findings if one.level is Level.WARNING)
    stop_if_untrustworthy(findings)


@pytest.mark.parametrize(
    ("memory", "level"),
    [
        (int(7.2 * GIB) - 1, Level.WARNING),
        (int(7.2 * GIB) + 1, Level.NOTE),
        (int(14.4 * GIB) - 1, Level.NOTE),
        (int(14.4 * GIB) + 1, Level.OK),
    ],
)
def test_the_guides_figures_allow_for_what_the_firmware_keeps(memory: int, level: Level) -> None:
    assert found("memory", replace(ENGINE, memory=memory)).level is level


@pytest.mark.parametrize(
    ("free", "level"),
    [
        (None, Level.NOTE),
        (9 * GIB - 1, Level.WARNING),
        (9 * GIB, Level.NOTE),
        (18 * GIB - 1, Level.NOTE),
        (18 * GIB, Level.OK),
    ],
)
def test_disk_space_is_judged_where_it_is_known(free: int | None, level: Level) -> None:
    finding = found("disk free for the engine", host=replace(HOST, disk_free=free))
    assert finding.level is level
    assert ("unknown" in finding.found) == (free is None)


@pytest.mark.parametrize(("cores", "level"), [(1, Level.WARNING), (2, Level.NOTE), (3, Level.NOTE), (4, Level.OK)])
def test_cores_are_judged_by_the_guides_figures(cores: int, level: Level) -> None:
    assert found("cores", replace(ENGINE, cores=cores)).level is level


def test_a_host_without_swap_is_noted_and_unknown_swap_is_not_called_none() -> None:
    assert found("swap", host=replace(HOST, swap=0)).level is Level.NOTE
    unknown = found("swap", host=replace(HOST, swap=None))
    assert (unknown.level, unknown.found) == (Level.OK, "can be limited")
    assert found("swap").found == "can be limited, 4 GiB on the host"


def test_accounting_is_ok_only_when_it_was_tried() -> None:
    assert found("process accounting", host=HostFacts()).level is Level.NOTE
    assert found("process accounting").level is Level.OK
    refused = found("process accounting", host=replace(HOST, accounting_refused="acct(2): no"))
    assert (refused.level, refused.found) == (Level.WARNING, "refused: acct(2): no")


def test_a_builder_that_wants_more_memory_than_there_is_is_a_warning() -> None:
    assert found("builder big", big=Limits(memory=32 * GIB)).level is Level.OK
    finding = found("builder big", big=Limits(memory=33 * GIB))
    assert (finding.level, finding.found) == (Level.WARNING, "asks for 33 GiB, the engine has 32 GiB")


def test_a_builder_that_wants_more_cores_than_there_are_stops_the_run_whatever_else_it_wants() -> None:
    assert found("builder wide", wide=Limits(cpus=8.0)).level is Level.OK
    for limits in (Limits(cpus=8.5), Limits(cpus=8.5, memory=33 * GIB)):
        finding = found("builder wide", wide=limits)
        assert (finding.level, finding.found) == (Level.STOP, "asks for 8.5 cpus, the engine has 8")


def test_a_builder_without_limits_is_fine() -> None:
    assert found("builder free", free=Limits()).found == "unknown, 8 cpus"
    assert found("builder small", small=Limits(memory=4 * GIB, cpus=1.5)).found == "4 GiB, 1.5 cpus"
