"""A host of packages behind the engine's own: reached from its containers over a link that a test can take down.

It is a network namespace of its own, with a pair of virtual Ethernet devices between it and the engine's, veth(4). The
engine's host forwards, as one does that has an uplink. Nothing of it leads anywhere else.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.surroundings.dockerd import Dockerd

_SERVER = Path(__file__).with_name("packages.py")
_PORT = "8322"
_NEAR, _FAR = "172.31.251.1", "172.31.251.2"
_STARTS_IN_S = 60.0
BRIDGE, UPLINK = "docker0", "uplink"  # the links that can be taken down


class Uplink:
    """The way to the host, and what it was asked for. `folder` is for its two files."""

    url = f"http://{_FAR}:{_PORT}"

    def __init__(self, own: Dockerd, folder: Path) -> None:
        self._own = own
        self.said, self._gate = folder / "packages.log", folder / "go-on"

    @contextlib.contextmanager
    def is_there(self) -> Iterator[Uplink]:
        """The host and the link while the context lasts."""
        command = ("unshare", "--net", sys.executable, str(_SERVER), _PORT, str(self._gate))
        with self.said.open("wb") as said, self._own.background(*command, stdout=said):
            self._connect(self._pid())
            try:
                yield self
            finally:
                self.up(BRIDGE)
                self._own.run("ip", "link", "delete", UPLINK)

    def _pid(self) -> str:
        deadline = time.monotonic() + _STARTS_IN_S
        while "\n" not in (said := self.said.read_text()):
            assert time.monotonic() < deadline, "the server of packages does not start"
            time.sleep(0.02)
        return said.splitlines()[0]

    def _connect(self, pid: str) -> None:
        run, there = self._own.run, ("nsenter", f"--target={pid}", "--net", "--")
        run("ip", "link", "add", UPLINK, "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "address", "add", f"{_NEAR}/30", "dev", UPLINK)
        run(*there, "ip", "address", "add", f"{_FAR}/30", "dev", "eth0")
        run(*there, "ip", "link", "set", "eth0", "up")
        self.up(UPLINK)
        run(*there, "ip", "route", "add", "default", "via", _NEAR)
        run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def down(self, link: str) -> None:
        """Take a link down, as a cable that is pulled; what is under way from there is told to go on into nothing."""
        self._own.run("ip", "link", "set", link, "down")
        self._gate.touch()

    def up(self, link: str) -> None:
        """Have it back."""
        self._own.run("ip", "link", "set", link, "up")

    @property
    def asked_for(self) -> list[str]:
        """The packages that the host was asked for, in that order."""
        return self.said.read_text().splitlines()[1:]
