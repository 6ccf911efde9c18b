"""A container that ends by itself when the harness is gone: its stdin is a lease, and it has a deadline.

The build has its probe for that, see docs/design.md, "The pod". All other containers run what this wraps.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from buildproof.engine import ContainerSpec, Engine
from buildproof.errors import EngineError

_GRACE_S = 60.0  # beyond the time limit that the harness itself holds the container to
_NOT_FOUND = 127

# The shell is process 1 of the container: the kernel kills all others when it exits, pid_namespaces(7). The words to
# execute are its arguments, and no shell reads them. The trap is needed: process 1 has no default actions, signal(7).
# What dash itself says of a job that died of a signal is no output of the program's.
_LEASE = """\
command -v "$1" >/dev/null || {{ echo '{missing}' >&2; exit 127; }}
trap 'exit 137' TERM
exec 3<&0
"$@" </dev/null 3<&- &
job=$!
exec 2>/dev/null
{{ while IFS= read -r _; do :; done <&3; kill -s TERM $$; }} >/dev/null &
{{ exec 3<&-; sleep {deadline}; kill -s TERM $$; }} >/dev/null &
wait $job
"""


class NoProgram(EngineError):
    """The image lacks the program that was to run in it."""


def leased(spec: ContainerSpec, *, time_limit_s: float, missing: str = "no such program") -> ContainerSpec:
    """The same container, which ends when its stdin closes, or some time after `time_limit_s` seconds.

    It says `missing` and nothing else when the image has no such program.
    """
    script = _LEASE.format(missing=missing, deadline=round(time_limit_s + _GRACE_S))
    argv = ("/bin/sh", "-c", script, "buildproof-lease", *spec.argv)
    return replace(spec, argv=argv, stdin=True, lasts_s=time_limit_s + _GRACE_S)


def first_into(kept: bytearray, most: int) -> Callable[[bytes], None]:
    """What takes a container's output, and keeps the first `most` bytes of it in `kept`."""

    def take(data: bytes) -> None:
        kept.extend(data[: most - len(kept)])

    return take


def run_leased(
    engine: Engine,
    spec: ContainerSpec,
    output: Callable[[bytes], object],
    *,
    time_limit_s: float,
    prepare: Callable[[str], None] | None = None,
) -> int | None:
    """Run a container to its end under a lease, and remove it; its exit code, or None when it was killed at the limit.

    `prepare` gets the id of the created container before it starts. Raises EngineError, and NoProgram as one.
    """
    missing = f"buildproof-lease-{secrets.token_hex(8)}"
    first = bytearray()

    def take(data: bytes) -> None:
        if len(first) < len(missing):
            first.extend(data)
        output(data)

    container = engine.create(leased(spec, time_limit_s=time_limit_s, missing=missing))
    try:
        if prepare:
            prepare(container)
        code = engine.run_to_end(container, take, timeout_s=time_limit_s)
    finally:
        engine.remove(container)
    if code == _NOT_FOUND and first.startswith(missing.encode()):
        raise NoProgram(f"the image {spec.image} has no program {spec.argv[0]}")
    return code
