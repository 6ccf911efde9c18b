from __future__ import annotations

from pathlib import Path

import pytest

from buildproof.compose import BuildContext, Builder, read_compose
from buildproof.errors import InputError
from buildproof.limits import Limits
from buildproof.targets import Target

FULL = """\
name: example
version: "3.8"
x-common: &common
  image: example/base:1
  environment: &environment
    SHARED: "1"
    NUMBER: 2
services:
  helper:
    image: postgres
    ports: ["80:80"]
    environment: ["HOST=${HOST}"]
  windows:
    <<: *common
    build: {context: image, dockerfile: Other, args: {RUST: "1.85"}, target: final}
    mem_limit: 6g
    memswap_limit: 8g
    shm_size: 1gb
    cpus: "2.0"
    mem_swappiness: 10
    oom_kill_disable: false
    pids_limit: 4096
    ulimits: {memlock: -1, nofile: {soft: 1024, hard: 65536}}
    tmpfs: ["/tmp:size=64m,mode=1777", /run]
    network_mode: none
    user: 1000
    environment:
      <<: *environment
      NUMBER: 3
      EMPTY: ""
      DOLLAR: a$$b
    x-other: anything
    x-buildproof:
      target: windows-x86_64
      address-space: 6291456k
      time-limit: 30m
      starts-in: example/wine
      profile: guide
      toolchain: {rust: rustc --version}
      profiles:
        4g:
          mem_limit: 4g
          memswap_limit: 6g
          shm_size:
          ulimits: {nofile: 512}
          tmpfs: []
          environment: {SHARED: , NUMBER: 4, EXTRA: x}
          address-space:
          time-limit: 1h
  linux:
    image: example/linux
    memswap_limit: -1
    mem_limit: 2g
    pids_limit: 0
    environment: [A=1, "B=x=y"]
    x-buildproof: {target: linux-aarch64, glibc-baseline: "2.36", user-namespaces: true,
      root: it installs packages, writable-image: it installs packages}
"""


def builders(folder: Path, text: str) -> dict[str, Builder]:
    (folder / "image").mkdir(exist_ok=True)
    (folder / "image" / "Dockerfile").touch()
    (folder / "image" / "Other").touch()
    (folder / "compose.yml").write_text(text)
    return read_compose(folder / "compose.yml")


def test_every_key_of_a_builder_arrives(tmp_path: Path) -> None:
    windows = builders(tmp_path, FULL)["windows"]
    assert windows.image == "example/base:1"
    assert windows.build == BuildContext(
        context=(tmp_path / "image").resolve(),
        dockerfile=(tmp_path / "image" / "Other").resolve(),
        args={"RUST": "1.85"},
        target="final",
    )
    assert windows.limits == Limits(
        memory=6 << 30,
        memory_swap=8 << 30,
        shm=1 << 30,
        cpus=2.0,
        pids=4096,
        swappiness=10,
        oom_kill_disable=False,
        address_space=6 << 30,
        rlimits={"memlock": (-1, -1), "nofile": (1024, 65536)},
        tmpfs={"/tmp": "size=64m,mode=1777", "/run": ""},
    )
    assert windows.environment == {"SHARED": "1", "NUMBER": "3", "EMPTY": "", "DOLLAR": "a$b"}
    assert windows.user == "1000"
    assert (windows.target, windows.time_limit_s) == (Target.WINDOWS_X86_64, 1800)
    assert (windows.starts_in, windows.glibc_baseline) == ("example/wine", None)
    assert windows.user_namespaces is False
    assert (windows.root, windows.writable_image) == (None, None)
    assert windows.toolchain == {"rust": "rustc --version"}
    assert (windows.profile, list(windows.profiles)) == ("guide", ["4g"])
    assert str(windows.place) == f"{tmp_path}/compose.yml:13:3"


def test_only_services_with_our_extension_are_builders(tmp_path: Path) -> None:
    assert list(builders(tmp_path, FULL)) == ["windows", "linux"]


def test_what_is_left_out_is_not_asked(tmp_path: Path) -> None:
    linux = builders(tmp_path, FULL)["linux"]
    assert linux.limits == Limits(memory=2 << 30, memory_swap=-1, pids=-1)
    assert linux.environment == {"A": "1", "B": "x=y"}
    assert (linux.build, linux.user, linux.time_limit_s, linux.user_namespaces) == (None, None, None, True)
    assert (linux.root, linux.writable_image) == ("it installs packages", "it installs packages")
    assert (linux.profile, linux.profiles, linux.toolchain, linux.glibc_baseline) == (
        "default",
        {},
        {},
        "2.36",
    )


def test_a_profile_is_laid_over_the_builder_key_by_key(tmp_path: Path) -> None:
    base = builders(tmp_path, FULL)["windows"]
    laid = base.with_profile("4g")
    assert laid.limits == Limits(
        memory=4 << 30,
        memory_swap=6 << 30,
        shm=None,
        cpus=2.0,
        pids=4096,
        swappiness=10,
        oom_kill_disable=False,
        address_space=None,
        rlimits={"memlock": (-1, -1), "nofile": (512, 512)},
        tmpfs={},
    )
    assert laid.environment == {"NUMBER": "4", "EMPTY": "", "DOLLAR": "a$b", "EXTRA": "x"}
    assert (laid.profile, laid.time_limit_s, laid.image) == ("4g", 3600, base.image)
    assert base.with_profile("guide") is base


def test_an_unknown_profile_is_an_error_at_the_builder(tmp_path: Path) -> None:
    base = builders(tmp_path, FULL)["windows"]
    with pytest.raises(InputError) as error:
        base.with_profile("guyde")
    assert str(error.value) == f"{base.place}: builder 'windows' has no profile 'guyde', did you mean 'guide'?"
    with pytest.raises(InputError, match="has no profile 'guide'"):
        base.with_profile("4g").with_profile("guide")


def test_a_profile_may_lift_that_builds_run_one_after_another(tmp_path: Path) -> None:
    text = """services:
  one:
    image: x
    x-buildproof:
      target: linux-x86_64
      sequential: true
      profiles: {beside: {sequential: false}, lifted: {sequential: }, small: {mem_limit: 1g}}
  other: {image: x, x-buildproof: {target: linux-x86_64, profiles: {alone: {sequential: true}}}}
"""
    found = builders(tmp_path, text)
    one, other = found["one"], found["other"]
    assert (one.sequential, other.sequential) == (True, False)
    laid_over = {name: one.with_profile(name).sequential for name in one.profiles}
    assert laid_over == {"beside": False, "lifted": False, "small": True}
    assert other.with_profile("alone").sequential is True
