"""The limits a build runs under: what was asked, and what the kernel says is in force."""

from __future__ import annotations

from dataclasses import dataclass, field

from buildproof.units import size

UNLIMITED = -1


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a builder asks of the engine and the kernel. None means: not asked. Sizes are bytes.

    Names follow the Compose specification's service attributes; `address_space` is RLIMIT_AS, see getrlimit(2),
    `rlimits` maps a name as in getrlimit(2) without `RLIMIT_`, in lower case, to (soft, hard); -1 is unlimited.
    """

    memory: int | None = None
    memory_swap: int | None = None  # memory plus swap, as memswap_limit means it
    shm: int | None = None
    cpus: float | None = None
    pids: int | None = None
    swappiness: int | None = None
    oom_kill_disable: bool | None = None
    address_space: int | None = None
    disk: int | None = None  # what its files may take together, watched by the probe
    rlimits: dict[str, tuple[int, int]] = field(default_factory=dict)
    tmpfs: dict[str, str] = field(default_factory=dict)  # mount point -> options, as `docker run --tmpfs`


LimitValue = bool | int | float | tuple[int, int]
_IN_BYTES = frozenset({"memory", "memory_swap", "shm", "address_space", "disk"}) | {
    f"ulimit {name}"
    for name in ("as", "core", "data", "fsize", "memlock", "msgqueue", "rss", "stack")  # getrlimit(2)
}


@dataclass(frozen=True, kw_only=True)
class LimitState:
    """One limit as asked and as read back from the kernel before the build ran.

    Sizes are bytes, cpus a number of cores, an rlimit its soft and hard value; -1 is unlimited. `in_force` is None
    when the kernel's side could not be read; `why` explains anything but a plain yes.
    """

    requested: LimitValue
    effective: LimitValue | None
    in_force: bool | None
    why: str | None = None


def show_limit(name: str, value: LimitValue | None) -> str:
    """A limit's value for people: `6 GiB`, `2.0`, `65536`, `unlimited`."""
    if value is None:
        return "unknown"
    if isinstance(value, tuple):
        soft, hard = (show_limit(name, part) for part in value)
        return soft if soft == hard else f"{soft} (hard {hard})"
    if value == UNLIMITED and not isinstance(value, bool):
        return "unlimited"
    return size(int(value)) if name in _IN_BYTES else str(value).lower()
