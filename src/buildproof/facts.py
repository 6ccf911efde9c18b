"""What is known of an engine and of the host it runs on: plain facts for preflight and for the record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """What the engine says of itself. Sizes are bytes; None: it does not say. `product` is Docker or Podman.

    `name` is its host's name.
    """

    product: str
    name: str
    version: str
    api: str
    kernel: str
    operating_system: str
    cgroup_version: int | None
    cgroup_driver: str
    storage_driver: str
    root: str
    cores: int
    memory: int
    memory_limit: bool
    swap_limit: bool | None
    pids_limit: bool
    cpu_limit: bool | None
    rootless: bool
    architecture: str


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What lies outside the engine's own word. Bytes; None: could not be found out from here."""

    disk_free: int | None = None
    swap: int | None = None
    accounting_refused: str | None = None
    accounting_tried: bool = False


_GOARCH = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}  # uname -m: the image's word for it


def emulation(image: str, machine: str) -> str | None:
    """What is emulated when an image for one CPU runs on another, in words; None where nothing is, or nobody can tell.

    `image` is an architecture of the OCI image specification, `machine` the kernel's own word, as in uname(2).
    """
    own = _GOARCH.get(machine)
    if own is None or image in {own, "unknown"} or (own, image) in {("amd64", "386"), ("arm64", "arm")}:
        return None
    return f"the image is for {image}, the engine's CPU is {own}"
