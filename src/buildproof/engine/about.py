"""What an engine says of itself, Docker or Podman, as facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildproof.facts import EngineFacts


def facts_of(info: Mapping[str, Any], version: Mapping[str, Any]) -> EngineFacts:
    """Read the answers to GET /info and GET /version of the Docker Engine API."""
    security = " ".join(info.get("SecurityOptions") or [])
    components = [str(component.get("Name", "")) for component in version.get("Components") or []]
    cgroup_version = info.get("CgroupVersion", "1")
    podman = "Podman Engine" in components
    silent = podman and str(cgroup_version) == "2"  # up to 5.4 it looks for v1's files alone, and says False
    return EngineFacts(
        product="Podman" if podman else "Docker",
        name=str(info.get("Name") or "unknown"),
        version=str(version.get("Version", "unknown")),
        api=str(version.get("ApiVersion", "unknown")),
        kernel=str(info.get("KernelVersion", "unknown")),
        operating_system=str(info.get("OperatingSystem", "unknown")),
        cgroup_version=int(cgroup_version) if str(cgroup_version).isdigit() else None,
        cgroup_driver=str(info.get("CgroupDriver", "unknown")),
        storage_driver=str(info.get("Driver", "unknown")),
        root=str(info.get("DockerRootDir", "unknown")),
        cores=int(info.get("NCPU") or 0),
        memory=int(info.get("MemTotal") or 0),
        memory_limit=bool(info.get("MemoryLimit")),
        swap_limit=None if silent else bool(info.get("SwapLimit")),
        pids_limit=bool(info.get("PidsLimit")),
        cpu_limit=None if silent else bool(info.get("CpuCfsQuota")),
        rootless="name=rootless" in security or bool(info.get("Rootless")),  # the latter is Podman's
        architecture=str(info.get("Architecture", "unknown")),
    )
