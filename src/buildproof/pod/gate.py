"""The gate: what runs in a build container around the user's command. Pure but for a random mark."""

from __future__ import annotations

import secrets

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


class GateMark:
    """The mark by which a gate says that it was reached, and its place in the build's output."""

    def __init__(self) -> None:
        self.token = f"buildproof-gate-{secrets.token_hex(8)}"
        self.is_reached = False
        self._held_back = b""

    def without(self, chunk: bytes) -> bytes:
        """The part of the output that can be told now: all but the mark, which may come in two chunks."""
        if self.is_reached:
            return chunk
        mark = self.token.encode() + b"\n"
        before, found, after = (self._held_back + chunk).partition(mark)
        self.is_reached = bool(found)
        told = len(before) if found else max(0, len(before) - len(mark) + 1)
        self._held_back = before[told:]
        return before[:told] + after

    def rest(self) -> bytes:
        """What was held back at the end of the output."""
        rest, self._held_back = self._held_back, b""
        return rest
