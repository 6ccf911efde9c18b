"""Each setting of the memory guide is in force inside the running builder, or reported with the reason why not.

docs/limits.md has the same list in words: where each is set, how it is proved, what it really does.
"""

from __future__ import annotations

import shlex

import pytest
from testinfra.host import Host

from buildproof.builder import Builder
from buildproof.limits import LimitState

GIB = 1 << 30

GUIDE_LIMITS = {
    "memory": 6 * GIB,
    "memory_swap": 8 * GIB,
    "shm": 1 * GIB,
    "cpus": 2.0,
    "oom_kill_disable": False,
    "swappiness": 10,
    "address_space": 6291456 * 1024,
    "ulimit memlock": (-1, -1),
    "ulimit nofile": (65536, 65536),
}

GUIDE_ENVIRONMENT = {
    "CARGO_BUILD_JOBS": "2",
    "CARGO_NET_GIT_FETCH_WITH_CLI": "true",
    "RUSTC_FORCE_INCREMENTAL": "1",
    "CARGO_HTTP_TIMEOUT": "300",
    "CARGO_HTTP_MULTIPLEXING": "false",
}

LINKER_FLAGS = ("--no-keep-memory", "--reduce-memory-overheads", "--no-gc-sections", "--allow-multiple-definition")

TRIPLE = {"windows": "x86_64-pc-windows-gnu", "linux": "x86_64-unknown-linux-gnu"}

TOOLS = {
    "windows": ["x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-g++", "x86_64-w64-mingw32-ld"],
    "linux": ["gcc", "g++", "ld"],
}
SHARED_TOOLS = ["cargo", "rustc", "ld.lld", "mold", "cmake", "ninja", "make", "pkg-config"]


def run(host: Host, command: str) -> str:
    done = host.run("sh -c %s", command)
    assert done.rc == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout + done.stderr)


# -- limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GUIDE_LIMITS)
def test_the_guides_limit_is_in_force_or_says_why_not(name: str, limit_states: dict[str, LimitState]) -> None:
    state = limit_states[name]
    assert state.requested == GUIDE_LIMITS[name]
    if not state.in_force:
        assert state.why
        pytest.skip(f"{name}: not in force here, because {state.why}")
    assert state.effective == GUIDE_LIMITS[name]


def test_the_fallback_profile_is_4g_and_6g(builder: Builder) -> None:
    limits = builder.with_profile("4g").limits
    assert (limits.memory, limits.memory_swap) == (4 * GIB, 6 * GIB)


def test_composes_own_container_stands_in_the_same_box(host: Host) -> None:
    """What a person gets with `docker compose run` has the memory and shm of the measured build."""
    if host.file("/sys/fs/cgroup/memory.max").exists:
        assert int(host.file("/sys/fs/cgroup/memory.max").content_string) == 6 * GIB
    else:
        assert int(host.file("/sys/fs/cgroup/memory/memory.limit_in_bytes").content_string) == 6 * GIB
    assert int(run(host, "df -B1 --output=size /dev/shm | tail -1")) == 1 * GIB


# -- image --------------------------------------------------------------------------------------------


def test_the_base_is_a_stable_debian(host: Host) -> None:
    assert (host.system_info.distribution, host.system_info.codename) == ("debian", "trixie")


def test_package_lists_are_cleaned(host: Host) -> None:
    assert not run(host, "find /var/lib/apt/lists -type f -name '*Packages*'").strip()


def test_there_is_one_pinned_rust(host: Host) -> None:
    assert run(host, "rustc --version").startswith("rustc 1.85.1 ")
    assert run(host, "which -a rustc | xargs -n1 readlink -f | sort -u | wc -l").strip() == "1"
    assert not host.exists("rustup")


def test_every_tool_is_there(host: Host, builder: Builder) -> None:
    missing = [tool for tool in SHARED_TOOLS + TOOLS[builder.name] if not host.exists(tool)]
    assert not missing


def test_every_declared_toolchain_command_tells_a_version(host: Host, builder: Builder) -> None:
    for name, command in builder.toolchain.items():
        assert any(character.isdigit() for character in run(host, command)), name


def test_the_builder_has_no_network(host: Host) -> None:
    assert run(host, "ls /sys/class/net").split() == ["lo"]


# -- environment, cargo and linker --------------------------------------------------------------------


@pytest.mark.parametrize("name", GUIDE_ENVIRONMENT)
def test_the_guides_variable_is_set(name: str, host: Host) -> None:
    assert host.environment()[name] == GUIDE_ENVIRONMENT[name]


@pytest.fixture(scope="session")
def cargo_says(host: Host, builder: Builder) -> str:
    """What a release build of a tiny crate prints at `-v`, with the linker's own command line."""
    run(host, "rm -rf /tmp/tiny && mkdir -p /tmp/tiny/src && echo 'fn main() {}' > /tmp/tiny/src/main.rs")
    run(host, 'printf \'[package]\\nname = "tiny"\\nversion = "0.1.0"\\nedition = "2021"\\n\' > /tmp/tiny/Cargo.toml')
    command = f"cargo rustc -v --release --offline --target {TRIPLE[builder.name]} -- --print link-args"
    return run(host, f"cd /tmp/tiny && CARGO_HOME=/tmp/cargo-home {command}")


@pytest.mark.parametrize(
    ("setting", "word"),
    [("opt-level 1", "opt-level=1"), ("codegen-units 1", "codegen-units=1"), ("panic abort", "panic=abort"),
     ("thin LTO", "lto=thin")],
)  # fmt: skip
def test_cargos_release_profile_reaches_rustc(setting: str, word: str, cargo_says: str) -> None:
    assert word in cargo_says, f"{setting} does not reach rustc"


@pytest.mark.parametrize("flag", [*LINKER_FLAGS, "-llzma"])
def test_the_guides_linker_flag_reaches_the_linker(flag: str, cargo_says: str) -> None:
    line = next(line for line in cargo_says.splitlines() if " -o " in line.replace('"', " ") and "tiny" in line)
    words = [word.strip('"') for word in shlex.split(line)]
    assert any(flag in word.split(",") for word in words), line


def test_the_linker_flags_reach_c_and_cmake_through_ldflags(host: Host) -> None:
    flags = host.environment()["LDFLAGS"]
    assert all(flag in flags for flag in LINKER_FLAGS)
    run(host, "rm -rf /tmp/c && mkdir /tmp/c && echo 'int main(void) { return 0; }' > /tmp/c/main.c")
    run(host, "printf 'cmake_minimum_required(VERSION 3.20)\\nproject(c C)\\nadd_executable(c main.c)\\n'"
              " > /tmp/c/CMakeLists.txt")  # fmt: skip
    said = run(host, "cd /tmp/c && cmake -G Ninja -B build . && cmake --build build --verbose")
    assert all(flag in said for flag in LINKER_FLAGS)


def test_forced_incremental_has_no_effect_on_a_release_build_of_this_rust(host: Host, cargo_says: str) -> None:
    """The guide's RUSTC_FORCE_INCREMENTAL only lifted a ban in Rust 1.52: it is set, and does nothing."""
    assert "-C incremental" not in cargo_says
    assert not run(host, "find /tmp/tiny/target -path '*release/incremental/*' | head").strip()


def test_both_kinds_of_panic_and_liblzma_link(host: Host, builder: Builder) -> None:
    prefix = "x86_64-w64-mingw32-" if builder.name == "windows" else ""
    run(host, "printf '#include <lzma.h>\\n#include <stdio.h>\\nint main(void) { puts(lzma_version_string()); }\\n'"
              " > /tmp/lzma.c")  # fmt: skip
    run(host, f"{prefix}gcc -DLZMA_API_STATIC /tmp/lzma.c -o /tmp/lzma.out -llzma")
    for panic in ("abort", "unwind"):
        run(
            host,
            f"cd /tmp/tiny && CARGO_HOME=/tmp/cargo-home CARGO_PROFILE_RELEASE_PANIC={panic} "
            f"cargo build --release --offline --target {TRIPLE[builder.name]}",
        )
