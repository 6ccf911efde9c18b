"""The command with which a person runs the same build by hand: same image, limits, environment and command. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from buildproof.layout import SOURCE
from buildproof.limits import Limits
from buildproof.plan import Build


def docker_run(build: Build, *, image: str, origin: Path, environment: Mapping[str, str]) -> str:
    """A `docker run` that can be pasted; `origin` is the folder or archive with the sources, on the engine's host."""
    unpack = "cp -a /mnt/source/. ." if origin.is_dir() else "tar -xf /mnt/source --strip-components=1"
    steps = [unpack, build.manifest.fetch.command if build.manifest.fetch else "", build.command]
    if build.builder.limits.address_space:
        steps.insert(2, f"ulimit -v {build.builder.limits.address_space // 1024}")
    words = ["docker", "run", "--rm", "-it", *_limit_flags(build.builder.limits)]
    # An engine takes a profile by its text, `docker` only as a file: by hand there is none at all.
    words += ["--security-opt", "seccomp=unconfined"] if build.builder.user_namespaces else []
    words += ["--user", build.builder.user] if build.builder.user else []
    for name, value in environment.items():
        words += ["-e", f"{name}={value}"]
    words += ["-v", f"{origin}:/mnt/source:ro", "-w", str(SOURCE), image]
    return shlex.join([*words, "/bin/sh", "-c", " && ".join(step for step in steps if step)])


def _limit_flags(limits: Limits) -> list[str]:
    flags = {
        "--memory": limits.memory,
        "--memory-swap": limits.memory_swap,
        "--shm-size": limits.shm,
        "--cpus": limits.cpus,
        "--pids-limit": limits.pids,
        "--memory-swappiness": limits.swappiness,
    }
    words = [f"{flag}={value}" for flag, value in flags.items() if value is not None]
    words += ["--oom-kill-disable"] if limits.oom_kill_disable else []
    words += [f"--ulimit={name}={soft}:{hard}" for name, (soft, hard) in limits.rlimits.items()]
    return words + [
        f"--tmpfs={point}:{options}" if options else f"--tmpfs={point}" for point, options in limits.tmpfs.items()
    ]
