"""A build in a bare container: the record's own `docker run` line, without gate, probe or namespace of a pod.

Limits, environment and image are the same, sources go in the same way, and nothing is logged by the engine in either
case. The bare one is root, with the engine's usual rights.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildproof import labels
from buildproof.fetch import volume_name
from buildproof.images.store import Image
from buildproof.layout import CACHE_VOLUME, SOURCE
from buildproof.plan import Build
from buildproof.record import BuildRecord
from buildproof.sources import open_source

_MARK = "buildproof-bare"
# The command's wall time alone, by the container's own clock: two calls of date(1), some milliseconds, are in it.
_TIMED = """\
{ulimit}
began=$(date +%s%N)
/bin/sh -c "$1" </dev/null
status=$?
printf '\\n{mark} %s %s\\n' "$began" "$(date +%s%N)"
exit $status
"""
_LONGEST_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Bare:
    """How a bare run ended. `wall_s` is None when its shell did not live to tell; `exit_code` when it was stopped."""

    exit_code: int | None
    oom_flag: bool
    output: str

    @property
    def wall_s(self) -> float | None:
        """Wall time of the command in seconds."""
        for line in self.output.splitlines():
            if line.startswith(f"{_MARK} "):
                began, ended = map(int, line.split()[1:])
                return (ended - began) / 1e9
        return None


def docker(*words: str) -> str:
    """Run the docker client; its output. Raises CalledProcessError with what it said."""
    return subprocess.run(("docker", *words), check=True, capture_output=True, text=True).stdout.strip()


def timed_argv(build: Build) -> tuple[str, ...]:
    """The build's command in a shell that tells how long it took, under the address-space limit of its builder."""
    space = build.builder.limits.address_space
    script = _TIMED.format(ulimit=f"ulimit -v {space // 1024} || exit 125" if space else ":", mark=_MARK)
    return ("/bin/sh", "-c", script, "bare", build.command)


@contextlib.contextmanager
def bare_container(build: Build, record: BuildRecord, argv: Sequence[str]) -> Iterator[str]:
    """A created container for `build`, as `record` says that it was run, with its sources in it; removed at the end."""
    volumes = ["-v", str(SOURCE)]
    tree = open_source(build.manifest.project.source, ca_bundle=None, where=build.manifest.project.place)
    if build.manifest.fetch and record.image:
        image = Image(record.image.reference, record.image.id)
        volumes += ["-v", f"{volume_name(build, image, build.manifest.fetch, tree)}:{CACHE_VOLUME}:ro"]
    marks = [f"--label={key}={value}" for key, value in labels.of("benchmark").items()]
    words = [*marks, "--network=none", "--log-driver=none", *volumes, *flags_of(record), *argv]
    container = docker("create", *words)
    try:
        with tree.tar() as tar:
            subprocess.run(("docker", "cp", "-", f"{container}:{SOURCE}"), check=True, stdin=tar, capture_output=True)
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


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
