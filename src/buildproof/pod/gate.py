"""The gate: what runs in a build container around the user's command. Pure."""

from __future__ import annotations

# Runs in the builder's own /bin/sh: the address-space limit that Docker has no word for, then wait for the word to go,
# run the command with an empty stdin, and hold the container open until its last counters were read.
_GATE = """\
{ulimit}
printf '%s\\n' {token} >&2
IFS= read -r _ || exit 125
/bin/sh -c "$1" </dev/null
status=$?
IFS= read -r _
exit $status
"""


def gate_argv(command: str, *, token: str, address_space: int | None) -> tuple[str, ...]:
    """The words to execute: `token` is printed when the gate is reached, `address_space` is RLIMIT_AS in bytes."""
    return ("/bin/sh", "-c", _GATE.format(ulimit=_ulimit(address_space), token=token), "buildproof", command)


def shell_argv(*, address_space: int | None) -> tuple[str, ...]:
    """The words of a shell for a person, with the limit that only a gate sets: bash where the image has it."""
    return ("/bin/sh", "-c", f'{_ulimit(address_space)}; exec "$(command -v bash || command -v sh)"')


def _ulimit(address_space: int | None) -> str:
    return f"ulimit -v {address_space // 1024} || exit 125" if address_space else ":"
