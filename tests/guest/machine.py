"""The guest's life: its image, its disk of builder images, its container. One guest per engine.

All of it is one container of the host's engine, found again by its label: ending that container ends the guest.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.guest.overlay2 import DataFolder, write_data_folder

from buildproof import labels
from buildproof.builder import BuildContext
from buildproof.compose import read_compose
from buildproof.engine import ContainerSpec, Engine, Kind
from buildproof.errors import EngineError
from buildproof.images import PROBE_IMAGE, Images

FAULTS = Path(__file__).parents[2] / "fixtures" / "faults"
API_PORT = 2375
CORES, MEMORY_MIB = 2, 3072
LIFE_S = 4 * 3600  # a guest that everybody forgot ends by itself
BOOT_S = 900.0  # about a minute of an idle machine's time where it is emulated
PACK_S = 1800.0
_IMAGE = "buildproof/guest"
_PURPOSE = "guest"
_KVM = "/dev/kvm"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Guest:
    """A guest's container, and where its engine answers."""

    container: str
    docker_host: str


def find(engine: Engine) -> Guest | None:
    """The running guest of this engine."""
    for container in engine.labelled(f"{labels.OURS}={_PURPOSE}"):
        if engine.state(container).running:
            return Guest(container, f"tcp://127.0.0.1:{engine.loopback_port(container, API_PORT)}")
    return None


def up(engine: Engine, *, ca_bundle: Path | None, say: Say) -> Guest:
    """Start the guest, unless it runs, and wait until its engine answers. Ctrl-C on the way leaves nothing behind."""
    if guest := find(engine):
        await_engine(engine, guest)
        return guest
    image, disk = _prepare(engine, ca_bundle, say)
    down(engine)
    container = engine.create(
        ContainerSpec(
            image=image,
            argv=("start",),
            labels=labels.of(_PURPOSE),
            environment={"GUEST_CORES": str(CORES), "GUEST_MEMORY": str(MEMORY_MIB), "GUEST_LIFE_S": str(LIFE_S)},
            network="bridge",
            volumes={disk: ("/disks", False)},
            scratch=("/scratch",),
            devices=(_KVM,) if os.access(_KVM, os.W_OK) else (),
            loopback_ports=(API_PORT,),
            keep_log=True,
            shared=True,
        )
    )
    try:
        engine.start(container)
        guest = Guest(container, f"tcp://127.0.0.1:{engine.loopback_port(container, API_PORT)}")
        say(f"booting: about two minutes where it is emulated ({guest.docker_host})")
        await_engine(engine, guest)
    except BaseException:
        engine.remove(container)
        raise
    return guest


def down(engine: Engine) -> int:
    """End every guest of this engine; how many there were, running or not."""
    found = engine.labelled(f"{labels.OURS}={_PURPOSE}")
    for container in found:
        engine.remove(container)
    return len(found)


def await_engine(engine: Engine, guest: Guest) -> None:
    """Wait until the guest's engine answers; EngineError with the last lines of its console when it does not."""
    address = guest.docker_host.removeprefix("tcp://")
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline and engine.state(guest.container).running:
        connection = http.client.HTTPConnection(address, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/_ping")
            if connection.getresponse().status == 200:
                return
        time.sleep(1)
    console = engine.logs(guest.container).decode("utf-8", "replace").splitlines()
    raise EngineError("the guest's engine does not answer; its console said last:\n  " + "\n  ".join(console[-15:]))


# -- what it is made of ---------------------------------------------------------------------------------


def _prepare(engine: Engine, ca_bundle: Path | None, say: Say) -> tuple[str, str]:
    """The guest's image, and the volume with the disk that holds the images of the faults."""
    needed = Images(engine, ca_bundle=ca_bundle, progress=say)
    needed.named(PROBE_IMAGE)
    for builder in read_compose(FAULTS / "compose.yml").values():
        needed.for_builder(builder)
    own = Images(engine, ca_bundle=ca_bundle, progress=say)
    folder = Path(__file__).parent / "image"
    image = own.made(_IMAGE, BuildContext(context=folder, dockerfile=folder / "Dockerfile", args={}, target=None))
    ids = [f"{reference} {engine.image_id(reference)}" for reference in needed.used]
    disk = "buildproof-guest-" + hashlib.sha256("\n".join([image.id, *ids]).encode()).hexdigest()[:16]
    if disk not in {thing.id for thing in engine.things(labels.OURS) if thing.kind is Kind.VOLUME}:
        say(f"packing the images of the faults into the guest's disk: {', '.join(needed.used)}")
        engine.create_volume(disk, labels.of("guest-disk"), shared=True)
        try:
            _pack(engine, image.reference, disk, needed.used)
        except BaseException:
            engine.remove_volume(disk)
            raise
    return image.reference, disk


def _pack(engine: Engine, image: str, disk: str, references: list[str]) -> None:
    spec = ContainerSpec(
        image=image, argv=("pack",), labels=labels.of("guest-pack"), volumes={disk: ("/disks", True)}, stdin=True
    )
    container = engine.create(spec)
    try:
        with tempfile.TemporaryFile() as saved, contextlib.closing(engine.attach(container)) as line:
            for chunk in engine.save(references):
                saved.write(chunk)
            saved.seek(0)
            engine.start(container)
            with tarfile.open(fileobj=saved) as archive, DataFolder(line.send) as out:
                write_data_folder(archive, out)
            line.end_of_input()
            said = b"".join(line.chunks()).decode("utf-8", "replace").strip()
            if engine.wait(container, PACK_S) != 0:
                raise EngineError(f"the guest's disk could not be made: {said}")
    finally:
        engine.remove(container)
