"""The command that a person pastes: the same words arrive in docker and in the container's shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from buildproof.builder import Builder
from buildproof.errors import Place
from buildproof.limits import Limits
from buildproof.manifest import BuildSpec, Fetch, Folder, Manifest, Project, Tier
from buildproof.plan import Build
from buildproof.reproduce import docker_run
from buildproof.targets import Target

PLACE = Place(Path("buildproof.toml"), 1)
COMMAND = "cargo build --release && echo \"it's $HOME\" > 'a b'"


ASIDE = "mkdir -p /buildproof/home /buildproof/cache/files && chown -R 1000:1000 /buildproof && "
DROP = "exec setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs --bounding-set=-all /bin/sh -c "


def build(limits: Limits | None = None, *, fetch: str | None = None, root: str | None = None) -> Build:
    spec = BuildSpec(
        builder="linux",
        command=COMMAND,
        artifacts=("x",),
        peak_memory=None,
        time_limit_s=None,
        silent_limit_s=None,
        starts=None,
        tier=Tier.GATE,
        profiles=(),
        environment={},
        place=PLACE,
        places={},
    )
    manifest = Manifest(
        path=Path("buildproof.toml"),
        project=Project(name="app", source=Folder(path=Path("/src")), compose=None, place=PLACE, source_place=PLACE),
        fetch=Fetch(command=fetch, inputs=(), time_limit_s=60.0, place=PLACE) if fetch else None,
        builds=(spec,),
    )
    builder = Builder(
        name="linux",
        place=PLACE,
        target=Target.LINUX_X86_64,
        image="x",
        build=None,
        limits=limits or Limits(),
        environment={},
        user=None,
        root=root,
        time_limit_s=None,
        starts_in=None,
        glibc_baseline=None,
        windows_baseline=None,
        toolchain={},
        profile="default",
        profiles={},
    )
    return Build(
        id="app-linux",
        project="app",
        manifest=manifest,
        spec=spec,
        builder=builder,
        profile="default",
        tier=Tier.GATE,
        time_limit_s=60.0,
        environment={},
    )


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "my project"
    folder.mkdir()
    return folder


def words(build: Build, origin: Path, environment: Mapping[str, str] | None = None) -> list[str]:
    text = docker_run(build, image="builder:1", origin=origin, environment=environment or {})
    assert "\n" not in text
    return shlex.split(text)


def test_what_is_pasted_is_one_command_with_the_builds_own_words(origin: Path) -> None:
    assert words(build(root="it installs packages"), origin) == [
        "docker", "run", "--rm", "-it", "--pids-limit=4096", "--ulimit=fsize=17179869184:17179869184",
        "--user", "0:0", "-v", f"{origin}:/mnt/source:ro", "-w", "/buildproof/src", "builder:1",
        "/bin/sh", "-c", f"cp -a /mnt/source/. . && {COMMAND}",
    ]  # fmt: skip


def test_by_hand_too_the_build_runs_as_an_ordinary_user_with_no_rights(origin: Path) -> None:
    script = words(build(), origin)[-1]
    assert script == f"cp -a /mnt/source/. . && {ASIDE}{DROP}{shlex.quote(COMMAND)}"


def test_the_environment_arrives_unchanged(origin: Path) -> None:
    environment = {"RUSTFLAGS": "-C link-arg=-Wl,--x 'y'", "EMPTY": "", "DOLLAR": '$HOME `id` \\ "q"'}
    found = words(build(), origin, environment)
    given = [found[at + 1] for at, word in enumerate(found) if word == "-e"]
    assert given == [f"{name}={value}" for name, value in environment.items()]


def test_every_limit_is_given(origin: Path) -> None:
    limits = Limits(
        memory=6 << 30,
        memory_swap=8 << 30,
        shm=1 << 30,
        cpus=2.0,
        pids=4096,
        swappiness=10,
        oom_kill_disable=True,
        rlimits={"memlock": (-1, -1), "nofile": (1024, 65536)},
        tmpfs={"/tmp": "size=64m", "/run": ""},
    )
    found = words(build(limits), origin)
    assert found[4 : found.index("-v")] == [
        "--memory=6442450944",
        "--memory-swap=8589934592",
        "--shm-size=1073741824",
        "--cpus=2.0",
        "--pids-limit=4096",
        "--memory-swappiness=10",
        "--oom-kill-disable",
        "--ulimit=fsize=17179869184:17179869184",
        "--ulimit=memlock=-1:-1",
        "--ulimit=nofile=1024:65536",
        "--tmpfs=/tmp:size=64m",
        "--tmpfs=/run",
        "--user",
        "0:0",
    ]


def test_a_limit_of_zero_is_a_limit_and_one_not_asked_for_is_none(origin: Path) -> None:
    assert "--memory-swappiness=0" in words(build(Limits(swappiness=0, oom_kill_disable=False)), origin)
    assert not any(word.startswith(("--memory", "--oom")) for word in words(build(Limits()), origin))


@pytest.mark.parametrize(
    ("fetch", "space", "script"),
    [
        (None, None, f"cp -a /mnt/source/. . && {COMMAND}"),
        ("cargo fetch", None, f"cp -a /mnt/source/. . && cargo fetch && {COMMAND}"),
        (None, 6 << 30, f"cp -a /mnt/source/. . && ulimit -v 6291456 && {COMMAND}"),
        ("cargo fetch", 6 << 30, f"cp -a /mnt/source/. . && cargo fetch && ulimit -v 6291456 && {COMMAND}"),
    ],
)
def test_the_steps_come_in_the_order_of_a_run_and_only_the_build_is_limited(
    origin: Path, fetch: str | None, space: int | None, script: str
) -> None:
    found = words(build(Limits(address_space=space), fetch=fetch, root="it installs packages"), origin)
    assert found[-1] == script


def test_a_builder_that_may_make_namespaces_may_make_them_by_hand_too(origin: Path) -> None:
    usual = build()
    sandbox = replace(usual, builder=replace(usual.builder, user_namespaces=True))
    assert "--security-opt" not in words(usual, origin)
    found = words(sandbox, origin)
    assert found[found.index("--security-opt") + 1] == "seccomp=unconfined"


def test_an_archive_is_unpacked_without_its_top_folder(tmp_path: Path) -> None:
    path = tmp_path / "tool.tgz"
    path.touch()
    found = words(replace(build()), path)
    assert found[-1].startswith("tar -xf /mnt/source --strip-components=1 && ")
    assert f"{path}:/mnt/source:ro" in found
