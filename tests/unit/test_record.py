"""The record: what goes in comes out, a damaged one is told clearly, and its schema is the published one."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from buildproof import discovery
from buildproof import record as room
from buildproof.errors import InputError
from buildproof.evidence import (
    Artifact,
    Check,
    CheckStatus,
    Evidence,
    Grade,
    LogFinding,
    Memory,
    Process,
    ProcessEnd,
    Processes,
    Space,
    Started,
    Stop,
    Time,
)
from buildproof.limits import LimitState
from buildproof.record import (
    SCHEMA_VERSION,
    BoxRecord,
    BuildRecord,
    EngineRecord,
    ImageRecord,
    Phase,
    RunRecord,
    dump,
    json_schema,
    load,
)
from buildproof.targets import Format, Machine
from buildproof.trust import Trust
from buildproof.verdict import Budget, Outcome, Verdict

RUNS = Path(__file__).parents[1] / "runs"
# Written with: .venv/bin/buildproof schema > docs/record.schema.json
SCHEMA = Path(__file__).parents[2] / "docs" / "record.schema.json"

EVIDENCE = Evidence(
    exit_code=0,
    stopped=Stop.SILENT,
    stopped_at_s=9.5,
    engine_oom_flag=False,
    accounting=True,
    accounting_refused="why",
    probe_lost="why",
    probe_cpu_s=0.25,
    emulated="the image is for arm64, the engine's CPU is amd64",
    host_swapped=4096,
    host_busy_s=12.5,
    host_cpus=2,
    disk_used=1 << 20,
    limits={
        "memory": LimitState(requested=6 << 30, effective=6 << 30, in_force=True),
        "cpus": LimitState(requested=2.0, effective=1.5, in_force=False, why="the kernel's value differs"),
        "oom_kill_disable": LimitState(requested=True, effective=None, in_force=None, why="unreadable"),
        "ulimit nofile": LimitState(requested=(1024, -1), effective=(1024, 4096), in_force=False, why="differs"),
    },
    memory=Memory(limit=1, charged_peak=2, demand_peak=3, demand_peak_at_s=4.5, oom_kills=0, saturated=False),
    time=Time(wall_s=1.5, cpu_s=2.5, throttled_s=0.0, limit_s=60.0),
    processes=Processes(
        exited=3,
        signalled=(ProcessEnd(pid=1, ppid=2, comm="ld", cmdline=None, at_s=1.0, duration_s=2.0, signal=7),),
        failed=(ProcessEnd(pid=1, ppid=2, comm="cc", cmdline="cc x", at_s=1.0, duration_s=2.0, exit_code=1),),
        top=(Process(pid=9, comm="rustc", cmdline="rustc x", peak_rss=5),),
        peak_pids=4,
    ),
    space={"/dev/shm": Space(size=64, min_free=0, min_free_at_s=2.0, min_free_inodes=9)},
    log_dropped=4096,
    findings=(LogFinding(kind="sigbus", line=4, text="Bus error"),),
    last_lines=("Grüße", "Bus error"),
    artifacts=(
        Artifact(
            path="out/app",
            size=1,
            sha256="00",
            format=Format.ELF,
            machine=Machine.X86_64,
            checks=(Check(id="elf-machine", status=CheckStatus.FAIL, message="no", offset=18, expected="62"),),
            started=Started(image="debian", argv=("app",), exit_code=None, stdout="", duration_s=1.0, complaint="no"),
        ),
    ),
)
BUILD = BuildRecord(
    id="app-linux-4g",
    project="app",
    builder="linux",
    profile="4g",
    tier="gate",
    target="linux-x86_64",
    phase=Phase.DONE,
    began=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    phases_s={"image": 1.5},
    budget=Budget(peak_memory=1 << 30, time_limit=60.0),
    verdict=Verdict(outcome=Outcome.SIGBUS, cause="full-mount", grade=Grade.KERNEL, summary="It died.", advice=("x",)),
    image=ImageRecord(reference="b:1", id="sha256:00", toolchain={"rust": "rustc 1.85.0"}),
    source_sha256="ab",
    log="app-linux-4g/build.log",
    timeline="app-linux-4g/timeline.jsonl",
    reproduce="docker run",
).with_evidence(EVIDENCE)
RUN = RunRecord(
    buildproof="0.1.0",
    id="20260102-030405-abcdef",
    command=("pytest", "-m", "linux"),
    began=datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC),
    engine=EngineRecord(
        version="28.1",
        api="1.49",
        kernel="6.12",
        operating_system="Debian",
        cgroup_version=2,
        cgroup_driver="systemd",
        storage_driver="overlay2",
        cores=8,
        memory=16 << 30,
        rootless=False,
    ),
    remarks=("swap: none",),
    builds=(BUILD, replace(BUILD, id="planned", phase=Phase.PLANNED, verdict=None, artifacts=None)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.json"


def changed(path: Path, **changes: Any) -> Path:
    """A record file with top-level keys changed, or removed where the value is None."""
    data = {**json.loads(dump(RUN)), **changes}
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    return path


def test_what_goes_into_a_record_comes_out_of_it(path: Path) -> None:
    path.write_bytes(dump(RUN))
    again = load(path)
    assert again == RUN
    limits = again.builds[0].limits
    assert {name: type(state.requested) for name, state in limits.items()} == {
        "memory": int, "cpus": float, "oom_kill_disable": bool, "ulimit nofile": tuple,
    }  # fmt: skip


def test_evidence_goes_through_a_record_unchanged(path: Path) -> None:
    path.write_bytes(dump(RUN))
    assert load(path).builds[0].evidence() == EVIDENCE
    assert RUN.builds[0].case().evidence == EVIDENCE
    assert RUN.builds[0].case().budget == BUILD.budget


def test_the_sample_leaves_no_field_of_evidence_at_its_default() -> None:
    empty = Evidence()
    same = {field.name for field in fields(Evidence) if getattr(EVIDENCE, field.name) == getattr(empty, field.name)}
    assert same == set()


def test_a_planned_build_has_its_promises_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(
        "services: {linux: {image: l, x-buildproof: {target: linux-x86_64, root: apt, writable-image: apt too, "
        "profiles: {4g: {mem_limit: 4g}}}}}\n"
    )
    (tmp_path / "buildproof.toml").write_text(
        '[project]\nname = "app"\n[[build]]\nbuilder = "linux"\ncommand = "make"\nartifacts = ["x"]\n'
        'peak-memory = "1g"\ntime-limit = "60s"\nsilent-limit = "9s"\nprofiles = ["4g"]\n'
    )
    _, planned = discovery.load([tmp_path], compose=tmp_path / "compose.yml")
    assert BuildRecord.planned(replace(planned, trust=Trust.NONE)) == BuildRecord(
        id="app-linux-4g",
        project="app",
        builder="linux",
        profile="4g",
        tier="nightly",
        target="linux-x86_64",
        trust=Trust.NONE,
        box=BoxRecord(
            user="0:0", read_only=False, user_namespaces=False, root_because="apt", writable_image_because="apt too"
        ),
        declared_at=f"{tmp_path / 'buildproof.toml'}:4",
        budget=Budget(peak_memory=1 << 30, time_limit=60.0, silent_limit=9.0),
    )


def test_a_build_without_a_verdict_has_no_case() -> None:
    with pytest.raises(ValueError, match="planned has no verdict yet"):
        RUN.builds[1].case()


def test_a_record_can_be_read_by_people_and_ends_with_a_line() -> None:
    text = dump(RUN).decode()
    assert text.startswith('{\n  "schema_version": 1,\n')
    assert text.endswith("}\n")
    assert "Grüße" in text
    assert '"began": "2026-01-02T03:04:05.678900Z"' in text


def test_words_that_are_no_utf8_do_not_stop_a_record(path: Path) -> None:
    path.write_bytes(dump(replace(RUN, command=("pytest", "caf\udce9"))))
    assert load(path).command == ("pytest", "caf?")


def test_a_build_takes_the_place_of_the_one_of_its_id_and_a_new_one_comes_last() -> None:
    done = replace(RUN.builds[1], phase=Phase.DONE)
    again = RUN.with_build(done)
    assert [build.id for build in again.builds] == ["app-linux-4g", "planned"]
    assert again.build("planned") == done
    assert again.builds[0] == BUILD
    more = again.with_build(replace(done, id="new"))
    assert [build.id for build in more.builds] == ["app-linux-4g", "planned", "new"]
    assert more.build("none") is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "the whole file: "),
        (b'{"schema_version": 1, "bui', "the whole file: "),
        (b"\xff\xfe\x00", "the whole file: "),
        (b"[]", "the whole file: "),
        (b"{}", "buildproof: "),
        (b"null", "the whole file: "),
    ],
)
def test_a_damaged_record_is_told_with_its_file(path: Path, raw: bytes, said: str) -> None:
    path.write_bytes(raw)
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: this is no record that can be read: {said}")


def test_a_wrong_value_is_told_with_its_place(path: Path) -> None:
    data = json.loads(dump(RUN))
    data["builds"][0]["memory"]["oom_kills"] = "many"
    changed(path, builds=data["builds"])
    with pytest.raises(InputError, match=r"builds\.0\.memory\.oom_kills: "):
        load(path)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" + "0" * 30])
def test_a_number_that_measures_nothing_makes_no_record(path: Path, number: str) -> None:
    text = dump(RUN).decode().replace('"wall_s": 1.5', f'"wall_s": {number}')
    assert number in text
    path.write_text(text)
    with pytest.raises(InputError, match="neither a size nor a time") as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_real_record_of_every_schema_version_is_read_for_ever() -> None:
    kept = {folder.name: load(folder / "record.json") for folder in RUNS.iterdir() if folder.is_dir()}
    assert {name: run.schema_version for name, run in kept.items()} == {
        f"v{version}": version for version in range(1, SCHEMA_VERSION + 1)
    }
    for run in kept.values():
        outcomes = {build.verdict.outcome for build in run.builds if build.verdict}
        assert {Outcome.PASSED, Outcome.OUT_OF_MEMORY, Outcome.SIGBUS} <= outcomes


def test_a_missing_record_is_told_with_its_file(path: Path) -> None:
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value) == f"{path}: cannot read the record: No such file or directory"


@pytest.mark.parametrize("changes", [{}, {"builds": [{"shape": "of the future"}]}, {"began": None}])
def test_a_newer_record_says_upgrade_whatever_its_shape(path: Path, changes: dict[str, Any]) -> None:
    changed(path, schema_version=SCHEMA_VERSION + 1, **changes)
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: the record has schema version {SCHEMA_VERSION + 1}, this buildproof reads up to {SCHEMA_VERSION}\n"
        "  next: upgrade buildproof"
    )


def test_the_published_schema_is_the_codes() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema(), (
        "run: .venv/bin/buildproof schema > docs/record.schema.json"
    )


def test_the_schema_describes_every_field_that_a_record_has() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) == set(json.loads(dump(RUN)))
    build = schema["$defs"]["BuildRecord"]["properties"]
    assert set(build) == {field.name for field in fields(BuildRecord)}
    assert schema["$defs"]["Outcome"]["enum"] == [outcome.value for outcome in Outcome]


def test_every_fact_of_evidence_has_its_place_in_a_build_record() -> None:
    parts = {field.name for field in fields(BuildRecord)} | {field.name for field in fields(room.Ended)}
    assert {field.name for field in fields(Evidence)} <= parts
