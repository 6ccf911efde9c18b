"""The limits of a builder, or of a profile laid over it, in Compose's own keys.

Source of the names and their meaning: the Compose specification, "Services top-level element".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from buildproof.document import ComplaintError, Table, did_you_mean
from buildproof.document.fields import Number, Size
from buildproof.document.sentences import describe
from buildproof.limits import UNLIMITED, Limits
from buildproof.units import parse_size, show, size

# The names of `docker run --ulimit` (docker/go-units, ulimit.go).
RLIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"),
    *("rtprio", "rttime", "sigpending", "stack"),
)
_SMALLEST_MEMORY = 6 << 20  # linuxMinMemory of moby's daemon_unix.go
_PID_MAX_LIMIT = 1 << 22  # proc_sys_kernel(5), pid_max
_RLIM_MAX = (1 << 63) - 1


def _memory_swap(value: object) -> int:
    if value == UNLIMITED or value == str(UNLIMITED):
        return UNLIMITED
    if isinstance(value, str | int):
        return parse_size(value)
    raise ValueError(f"must be a size such as 8g, or -1 for unlimited, not {describe(value)}")


class UlimitTable(Table):
    """One process limit; -1 is unlimited."""

    soft: Annotated[int, Field(ge=-1, le=_RLIM_MAX)]
    hard: Annotated[int, Field(ge=-1, le=_RLIM_MAX)]

    @model_validator(mode="before")
    @classmethod
    def _one_number(cls, value: object) -> object:
        return {"soft": value, "hard": value} if isinstance(value, int) else value

    @model_validator(mode="after")
    def _ordered(self) -> UlimitTable:
        if self.hard != UNLIMITED and not UNLIMITED < self.soft <= self.hard:
            raise ValueError("the soft limit is above the hard one")
        return self


def _rlimit(name: str) -> str:
    if name in ("as", "address-space", "address_space"):
        raise ValueError("the engine has no limit of address space: write address-space under x-buildproof")
    if name not in RLIMITS:
        raise ValueError(f"{show(name)} is no process limit{did_you_mean(name, RLIMITS)}")
    return name


def _tmpfs(value: object) -> dict[str, str]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list):
        raise ValueError(f"must be a path such as /tmp:size=64m, or a list of them, not {describe(value)}")  # noqa: TRY004
    mounts: dict[str, str] = {}
    for index, item in enumerate(items):
        at = () if isinstance(value, str) else (index,)
        mount, _, options = item.partition(":") if isinstance(item, str) else ("", "", "")
        if not mount.startswith("/") or "\0" in item:
            raise ComplaintError(f"must be an absolute path such as /tmp:size=64m, not {describe(item)}", *at)
        if mount in mounts:
            raise ComplaintError(f"{show(mount)} is mounted twice", *at)
        mounts[mount] = options
    return mounts


class LimitsTable(Table):
    """What a builder and a profile have in common."""

    mem_limit: Size | None = None
    memswap_limit: Annotated[int, BeforeValidator(_memory_swap)] | None = None
    mem_swappiness: Annotated[int, Field(ge=0, le=100)] | None = None
    oom_kill_disable: bool | None = None
    shm_size: Size | None = None
    cpus: Annotated[Number, Field(gt=0)] | None = None
    pids_limit: Annotated[int, Field(ge=-1, le=_PID_MAX_LIMIT)] | None = None
    ulimits: dict[Annotated[str, AfterValidator(_rlimit)], UlimitTable] | None = None
    tmpfs: Annotated[dict[str, str], BeforeValidator(_tmpfs)] | None = None

    def as_limits(self, address_space: int | None, disk: int | None) -> Limits:
        """The same in the words of the harness, with what Compose has no word for."""
        return Limits(
            memory=self.mem_limit,
            memory_swap=self.memswap_limit,
            swappiness=self.mem_swappiness,
            oom_kill_disable=self.oom_kill_disable,
            shm=self.shm_size,
            cpus=self.cpus,
            pids=self.pids_limit or (None if self.pids_limit is None else UNLIMITED),  # 0 is unlimited, too
            rlimits={name: (limit.soft, limit.hard) for name, limit in (self.ulimits or {}).items()},
            tmpfs=self.tmpfs or {},
            address_space=address_space,
            disk=disk,
        )


KEY_OF = {
    "memory": "mem_limit",
    "memory_swap": "memswap_limit",
    "swappiness": "mem_swappiness",
    "oom_kill_disable": "oom_kill_disable",
    "shm": "shm_size",
    "cpus": "cpus",
    "pids": "pids_limit",
    "rlimits": "ulimits",
    "tmpfs": "tmpfs",
    "address_space": "address-space",
    "disk": "disk-limit",
}
"""The Compose key for each field of Limits."""


def impossible(limits: Limits) -> Iterator[tuple[str, str]]:
    """What no engine can put in force: pairs of the Compose key and a sentence."""
    if limits.memory is not None and limits.memory < _SMALLEST_MEMORY:
        yield "mem_limit", f"{size(limits.memory)} is below the 6 MiB that the engine needs at least"
    if limits.memory_swap is not None and limits.memory is None:
        yield "memswap_limit", "is memory and swap together, and needs a mem_limit beside it"
    elif limits.memory and limits.memory_swap not in (None, UNLIMITED) and limits.memory_swap < limits.memory:
        both, memory = size(limits.memory_swap), size(limits.memory)
        yield (
            "memswap_limit",
            f"{both} is memory and swap together, and cannot be less than mem_limit, {memory}",
        )
    if limits.oom_kill_disable and limits.memory is None:
        yield "oom_kill_disable", "without a mem_limit beside it the build can stop the whole machine"
