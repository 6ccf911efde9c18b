"""The command with which a person runs the same build by hand: same image, limits, environment and command. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from buildproof.box import Box, bounded
from buildproof.layout import CACHE, HOME, SOURCE, WORK
from buildproof.limits import Limits
from buildproof.plan import Build


def docker_run(build: Build, *, image: str, origin: Path, environment: Mapping[str, str]) -> str:
    """A `docker run` that can be pasted; `origin` is the folder or archive with the sources, on the engine's host."""
    box = Box.of(build.builder)
    unpack = "cp -a /mnt/source/. ." if origin.is_dir() else "tar -xf /mnt/source --strip-components=1"
    steps = [build.manifest.fetch.command if build.manifest.fetch else "", build.command]
    if build.builder.limits.address_space:
        steps.insert(1, f"ulimit -v {build.builder.limits.address_space // 1024}")
    script = " && ".join([unpack, *_as_user(box, " && ".join(step for step in steps if step))])
    words = ["docker", "run", "--rm", "-it", *_limit_flags(bounded(build.builder.limits))]
    # An engine takes a profile by its text, `docker` only as a file: by hand there is none at all.
    words += ["--security-opt", "seccomp=unconfined"] if box.user_namespaces else []
    words += ["--user", "0:0"]  # sources come with whatever owner they have on this machine
    for name, value in environment.items():
        words += ["-e", f"{name}={value}"]
    words += ["-v", f"{origin}:/mnt/source:ro", "-w", str(SOURCE), image]
    return shlex.join([*words, "/bin/sh", "-c", script])


def _as_user(box: Box, command: str) -> list[str]:
    """`command` as the user of a box and with as few rights: setpriv(1) is in util-linux."""
    user, group = box.owner
    if user == 0:
        return [command]
    rights = f"--reuid={user} --regid={group} --clear-groups --no-new-privs --bounding-set=-all"
    return [
        f"mkdir -p {HOME} {CACHE}",
        f"chown -R {user}:{group} {WORK}",
        f"exec setpriv {rights} /bin/sh -c {shlex.quote(command)}",
    ]


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
