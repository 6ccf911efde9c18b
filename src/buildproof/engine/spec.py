"""A container as it is asked for, and as the engine tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from buildproof.box import Box
from buildproof.limits import Limits
from buildproof.ownership import LONGEST_S


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """A container to create.

    `labels` say what it is for; the client adds whose it is. `lasts_s` seconds after its creation nobody needs it; a
    `shared` one belongs to no run. `volumes` maps a volume's name to (mount point, writable), `binds` a path of the
    host to a read-only mount point.
    """

    image: str
    argv: tuple[str, ...]
    labels: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    name: str | None = None
    network: str = "none"
    limits: Limits = field(default_factory=Limits)
    pid_namespace_of: str | None = None
    host_cgroup_namespace: bool = False
    cpu_shares: int | None = None  # weight against other containers when CPUs are short; the engine's default is 1024
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    volumes: dict[str, tuple[str, bool]] = field(default_factory=dict)
    scratch: tuple[str, ...] = ()  # mount points of anonymous volumes, which go with the container
    volumes_of: str | None = None  # another container, whose volumes this one may read
    heir_of: str | None = None  # another container, whose volumes this one has as that had them
    binds: dict[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    loopback_ports: tuple[int, ...] = ()  # published at a free port of the engine's loopback address; needs a network
    stdin: bool = False
    lasts_s: float = LONGEST_S
    shared: bool = False
    keep_log: bool = False
    read_only: bool = False  # the image's own files; volumes and tmpfs are what they are

    def in_box(self, box: Box) -> ContainerSpec:
        """This container with the rights of a box and no others."""
        return replace(
            self,
            user=box.user,
            cap_drop=("ALL",),
            cap_add=box.cap_add,
            security=box.security,
            read_only=box.read_only,
            scratch=(*self.scratch, *box.scratch(self.limits.tmpfs)),
        )


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """What `inspect` says when a container has ended."""

    running: bool
    exit_code: int
    oom_flag: bool
    error: str
