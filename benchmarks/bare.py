"""A build in a bare container: the record's own `docker run` line, without gate, probe or namespace of a pod.

Limits, environment and image are the same, sources go in the same way, and nothing is logged by the engine in either
case. With the build's box the user, the rights and the volumes are the same too; without one it is root with the
engine's usual rights, and writes to the image's own file system.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from buildproof import labels
from buildproof.box import Box, folders
from buildproof.fetch import volume_name
from buildproof.images.store import Image
from buildproof.layout import CACHE_VOLUME, HOME, SOURCE, WORK
from buildproof.plan import Build
from buildproof.record import BuildRecord
from buildproof.sources import open_source

_MARK = "buildproof-bare"
# The command's wall time alone, by the container's own clock: two calls of date(1), some milliseconds, are in it. The
# CPU time, nanoseconds, is that of the whole container: cpuacct.usage of cgroup v1, usage_usec of v2's cpu.stat.
_TIMED = """\
cpu() {{
    cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null ||
        sed -n 's/^usage_usec \\(.*\\)/\\1000/p' /sys/fs/cgroup/cpu.stat
}}
{ulimit}
began=$(date +%s%N)
/bin/sh -c "$1" </dev/null
status=$?
printf '\\n{mark} %s %s %s\\n' "$began" "$(date +%s%N)" "$(cpu)"
exit $status
"""
_LONGEST_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Bare:
    """How a bare run ended. Times are None when its shell did not live to tell; `exit_code` when it was stopped."""

    exit_code: int | None
    oom_flag: bool
    output: str

    @property
    def wall_s(self) -> float | None:
        """Wall time of the command in seconds."""
        told = self._told
        return (int(told[1]) - int(told[0])) / 1e9 if told else None

    @property
    def cpu_s(self) -> float | None:
        """CPU time of the container in seconds; None too where no counter could be read in it."""
        told = self._told
        return int(told[2]) / 1e9 if len(told) > 2 else None

    @property
    def _told(self) -> list[str]:
        lines = (line.split() for line in self.output.splitlines())
        return next((words[1:] for words in lines if words[:1] == [_MARK]), [])


def docker(*words: str) -> str:
    """Run the docker client; its output. Raises CalledProcessError with what it said."""
    return subprocess.run(("docker", *words), check=True, capture_output=True, text=True).stdout.strip()


def timed_argv(build: Build) -> tuple[str, ...]:
    """The build's command in a shell that tells how long it took, under the address-space limit of its builder."""
    space = build.builder.limits.address_space
    script = _TIMED.format(ulimit=f"ulimit -v {space // 1024} || exit 125" if space else ":", mark=_MARK)
    return ("/bin/sh", "-c", script, "bare", build.command)


@contextlib.contextmanager
def bare_container(build: Build, record: BuildRecord, argv: Sequence[str], *, box: Box | None = None) -> Iterator[str]:
    """A created container for `build`, as `record` says that it was run, with its sources in it; removed at the end."""
    tree = open_source(build.manifest.project.source, ca_bundle=None, where=build.manifest.project.place)
    volumes = [str(SOURCE)] if box is None else box.scratch(build.builder.limits.tmpfs)
    if build.manifest.fetch and record.image:
        image = Image(record.image.reference, record.image.id)
        volumes = [*volumes, f"{volume_name(build, image, build.manifest.fetch, tree)}:{CACHE_VOLUME}:ro"]
    marks = [f"--label={key}={value}" for key, value in labels.of("benchmark").items()]
    *flags, reference = flags_of(record)
    words = [*marks, "--network=none", "--log-driver=none", *(f"--volume={volume}" for volume in volumes), *flags]
    container = docker("create", *words, *(rights_of(box) if box else ()), reference, *argv)
    try:
        if box:
            put(container, WORK, folders(box.owner, SOURCE.name, HOME.name))
        with tree.tar(box.owner if box else (0, 0)) as tar:
            put(container, SOURCE, tar.read())
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def put(container: str, folder: PurePosixPath, tar: bytes) -> None:
    """Unpack a tar into a folder of a created container. Raises CalledProcessError."""
    subprocess.run(("docker", "cp", "-", f"{container}:{folder}"), check=True, input=tar, capture_output=True)


def rights_of(box: Box) -> list[str]:
    """The flags of `docker run` for the user and the rights of a box. The last --user is the one that counts."""
    added = [f"--cap-add={name}" for name in box.cap_add]
    security = [f"--security-opt={option}" for option in box.security]
    return [f"--user={box.user}", "--cap-drop=ALL", *added, *security, *(["--read-only"] if box.read_only else [])]


def flags_of(record: BuildRecord) -> list[str]:
    """The flags and the image of the record's `docker run`, without what the engine refused to set here."""
    words = shlex.split(record.reproduce or "")
    end = len(words) - 3  # what is left out at the end: /bin/sh -c SCRIPT
    refused = {name.removeprefix("ulimit ") for name, state in record.limits.items() if not state.in_force}
    kept: list[str] = []
    skip = False
    for word in words[2:end]:
        if skip or word in {"--rm", "-it"}:
            skip = False
        elif word == "-v":  # the sources, which come in as a tar here
            skip = True
        elif not (word.startswith("--ulimit=") and word.removeprefix("--ulimit=").partition("=")[0] in refused):
            kept.append(word)
    return kept


def run(container: str, log: Path, *, timeout_s: float = _LONGEST_S) -> Bare:
    """Start a created container and follow it to its end, or for `timeout_s` seconds."""
    with log.open("wb") as file:
        process = subprocess.Popen(("docker", "start", "--attach", container), stdout=file, stderr=subprocess.STDOUT)
        try:
            process.wait(timeout_s)
            stopped = False
        except subprocess.TimeoutExpired:
            docker("kill", container)
            process.wait()
            stopped = True
    state = json.loads(docker("inspect", "--format", "{{json .State}}", container))
    return Bare(
        exit_code=None if stopped else state["ExitCode"],
        oom_flag=state["OOMKilled"],
        output=log.read_text("utf-8", "replace"),
    )
