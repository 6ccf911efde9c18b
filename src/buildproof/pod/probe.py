"""The probe's container: how it is made, and how its code gets into it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import buildproof.probe
from buildproof import labels
from buildproof.engine import ContainerSpec, Engine
from buildproof.limits import Limits

_CPU_SHARES = 8192  # a build that takes every CPU must not keep the probe from sampling


def probe_spec(image: str, *, deadline_s: float, marks: dict[str, str] | None = None) -> ContainerSpec:
    """The probe's container: a lease on its stdin, the host's cgroups read-only, and four capabilities."""
    return ContainerSpec(
        image=image,
        argv=("python3", "-B", "-s", "-m", "probe", str(deadline_s)),
        environment={"PYTHONPATH": "/buildproof"},
        labels=marks or labels.of("probe"),
        limits=Limits(memory=256 << 20, pids=16, tmpfs={"/buildproof/acct": "size=64m,mode=0700"}),
        host_cgroup_namespace=True,
        cpu_shares=_CPU_SHARES,
        cap_drop=("ALL",),
        cap_add=("SYS_PACCT", "SYS_PTRACE", "SETUID", "DAC_READ_SEARCH"),
        security=("no-new-privileges",),
        binds={"/sys/fs/cgroup": "/buildproof/cgroup"},
        stdin=True,
        lasts_s=deadline_s,
    )


def put_probe(engine: Engine, container: str, home: str = "/buildproof") -> None:
    """Copy the probe's code into a created container, below `home`."""
    buffer = io.BytesIO()
    folder = Path(buildproof.probe.__file__).parent
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for source in sorted(folder.glob("*.py")):
            tar.add(source, f"{home.lstrip('/')}/probe/{source.name}")
    engine.put(container, "/", buffer.getvalue())
