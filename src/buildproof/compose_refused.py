"""Compose keys that people know and a builder refuses, each with the reason that follows "because"."""

from __future__ import annotations

_NO_NETWORK = "the measured build has no network"
_STREAMS = "nothing of the host is mounted, files go in and out as tar streams"
_POD = "the pod sets it, and a build gets no added rights"
_UNPROVED = "nothing proves that it is in force"
_MANIFEST = "what is run stands in buildproof.toml"
_NO_SERVICE = "a builder runs one build and ends"
_SAME_IMAGE = "an image is made the same way by every engine, from 20.10 on"
_CPUS = "one word for it is enough: use cpus"

SERVICE = {
    **dict.fromkeys(
        (
            "ports",
            "expose",
            "networks",
            "links",
            "external_links",
            "dns",
            "dns_search",
            "dns_opt",
            "extra_hosts",
        ),
        _NO_NETWORK,
    ),
    **dict.fromkeys(("hostname", "domainname", "mac_address"), _NO_NETWORK),
    **dict.fromkeys(("volumes", "volumes_from", "configs", "secrets", "devices", "gpus", "volume_driver"), _STREAMS),
    **dict.fromkeys(
        ("privileged", "cap_add", "cap_drop", "security_opt", "pid", "ipc", "uts", "userns_mode", "cgroup"),
        _POD,
    ),
    **dict.fromkeys(("cgroup_parent", "device_cgroup_rules", "group_add", "isolation", "credential_spec"), _POD),
    **dict.fromkeys(("init", "read_only", "runtime", "platform", "stop_signal", "stop_grace_period"), _POD),
    **dict.fromkeys(("sysctls", "storage_opt", "blkio_config", "oom_score_adj", "mem_reservation"), _UNPROVED),
    **dict.fromkeys(("cpuset", "cpu_shares", "cpu_rt_runtime", "cpu_rt_period", "cpu_percent"), _UNPROVED),
    **dict.fromkeys(("cpu_quota", "cpu_period", "cpu_count"), _CPUS),
    **dict.fromkeys(("command", "entrypoint"), _MANIFEST),
    **dict.fromkeys(("depends_on", "restart", "healthcheck", "scale", "container_name", "logging"), _NO_SERVICE),
    **dict.fromkeys(("stdin_open", "tty", "attach", "annotations", "labels", "label_file", "develop"), _NO_SERVICE),
    **dict.fromkeys(("pre_start", "post_start", "pre_stop", "provider", "models", "use_api_socket"), _NO_SERVICE),
    "deploy": (
        "it speaks to a swarm: write mem_limit for resources.limits.memory, cpus for resources.limits.cpus, "
        "and pids_limit for resources.limits.pids"
    ),
    "env_file": "everything that a build sees stands in this file: write it under environment",
    "extends": "everything about a builder stands in this file: use a YAML anchor and <<",
    "profiles": "profiles of a builder are sets of limits: write them under x-buildproof",
    "working_dir": "sources are put into a folder of their own, and the build runs there",
    "pull_policy": "images are pulled when they are missing, and never behind a measurement's back",
}

BUILD = {
    **dict.fromkeys(
        (
            "cache_from",
            "cache_to",
            "no_cache",
            "pull",
            "platforms",
            "isolation",
            "shm_size",
            "ulimits",
            "provenance",
        ),
        _SAME_IMAGE,
    ),
    **dict.fromkeys(("network", "extra_hosts", "ssh", "secrets", "privileged", "entitlements"), _SAME_IMAGE),
    **dict.fromkeys(("labels", "tags", "sbom"), "images carry the labels and names that buildproof gives them"),
    "additional_contexts": "the classic image builder of engine 20.10 has no such thing",
    "dockerfile_inline": "an error in an image must have a file and a line: write a Dockerfile",
}

FILE = {
    **dict.fromkeys(("volumes", "configs", "secrets"), _STREAMS),
    "networks": _NO_NETWORK,
    "models": _NO_SERVICE,
    "include": "everything about a builder stands in one file",
}
