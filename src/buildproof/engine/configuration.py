"""A container as an engine is asked for it: the body of the Docker Engine API's POST /containers/create. Pure."""

from __future__ import annotations

from typing import Any

from docker.types import HostConfig, LogConfig, Mount, Ulimit

from buildproof.engine.spec import ContainerSpec


def configuration(spec: ContainerSpec, *, api: str, on_cgroup_v1: bool) -> dict[str, Any]:
    """The body for `spec`, in the words of the API's version `api`."""
    return {
        "Image": spec.image,
        "Entrypoint": [],
        "Cmd": list(spec.argv),
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "Labels": spec.labels,
        "WorkingDir": spec.workdir or "",
        "User": spec.user or "",
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin,
        "AttachStdin": spec.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "ExposedPorts": {f"{port}/tcp": {} for port in spec.loopback_ports},
        "HostConfig": _host_config(spec, api, on_cgroup_v1=on_cgroup_v1),
    }


def _host_config(spec: ContainerSpec, api: str, *, on_cgroup_v1: bool) -> HostConfig:
    limits = spec.limits
    config = HostConfig(
        version=api,
        network_mode=spec.network,
        pid_mode=f"container:{spec.pid_namespace_of}" if spec.pid_namespace_of else None,
        cap_add=list(spec.cap_add) or None,
        cap_drop=list(spec.cap_drop) or None,
        security_opt=list(spec.security) or None,
        read_only=spec.read_only,
        mem_limit=limits.memory,
        memswap_limit=limits.memory_swap,
        # cgroup v2 has neither: Docker leaves them out by itself, crun refuses to start a container that asks.
        mem_swappiness=limits.swappiness if on_cgroup_v1 else None,
        oom_kill_disable=bool(limits.oom_kill_disable) and on_cgroup_v1,
        shm_size=limits.shm,
        nano_cpus=round(limits.cpus * 1e9) if limits.cpus else None,
        cpu_shares=spec.cpu_shares,
        pids_limit=limits.pids,
        ulimits=[Ulimit(name=name, soft=soft, hard=hard) for name, (soft, hard) in limits.rlimits.items()] or None,
        tmpfs=dict(limits.tmpfs) or None,
        mounts=_mounts(spec) or None,
        devices=[f"{device}:{device}:rwm" for device in spec.devices] or None,
        port_bindings=dict.fromkeys(spec.loopback_ports, ("127.0.0.1", None)) or None,
        volumes_from=[spec.heir_of] if spec.heir_of else [f"{spec.volumes_of}:ro"] if spec.volumes_of else None,
        log_config=None if spec.keep_log else LogConfig(type="none"),
    )
    if spec.host_cgroup_namespace:
        config["CgroupnsMode"] = "host"
    return config


def _mounts(spec: ContainerSpec) -> list[Mount]:
    named = [
        Mount(target=point, source=name, type="volume", read_only=not writable)
        for name, (point, writable) in spec.volumes.items()
    ]
    scratch = [Mount(target=point, source=None, type="volume", labels=spec.labels) for point in spec.scratch]
    binds = [Mount(target=point, source=source, type="bind", read_only=True) for source, point in spec.binds.items()]
    return [*named, *scratch, *binds]
