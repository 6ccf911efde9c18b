"""What a pod is asked to run, and how that ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from buildproof.box import Box
from buildproof.evidence import Stop
from buildproof.limits import Limits


@dataclass(frozen=True, kw_only=True)
class PodSpec:
    """What to run, and in which box. `volumes` as in ContainerSpec; times are seconds.

    The heir of a container that was kept has its volumes instead, all that was written included.
    """

    build_id: str
    image: str
    probe_image: str
    command: str
    workdir: str
    environment: dict[str, str]
    limits: Limits
    time_limit_s: float
    silent_limit_s: float | None = None
    volumes: dict[str, tuple[str, bool]] = field(default_factory=dict)
    box: Box = field(default_factory=Box)
    heir_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the command ended, from the client's side."""

    exit_code: int | None
    stopped: Stop | None
    stopped_at_s: float | None
    wall_s: float | None
    oom_flag: bool | None
    probe_lost: str | None
    paused_s: float = 0.0
