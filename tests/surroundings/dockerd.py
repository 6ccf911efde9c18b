"""A Docker engine of the test's own: it can be stopped, killed, hung and filled without harm to the machine's own.

It lives in namespaces of its own, held open by one process: mount (its data is on a tmpfs that nobody else sees),
network (its bridge leads nowhere) and PID. When that process ends, the kernel ends all that the engine ever started.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

STARTS_IN_S = 120.0
BRIDGE = "172.31.250.1"  # of the network that nobody else sees
# As PID 1 it inherits what the engine leaves behind; with SIGCHLD ignored the kernel reaps it, wait(2).
_HOLD = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); signal.pause()"
_PROGRAMS = ("dockerd", "containerd", "unshare", "nsenter")


class Dockerd:
    """The engine: started and ended as often as a test likes, with the same data. `size` is that of its disk."""

    def __init__(self, folder: Path, *, size: str) -> None:
        self.folder, self.socket = folder, folder / "docker.sock"
        self.data = folder / "data"
        self.data.mkdir()
        (folder / "daemon.json").write_text("{}")  # the machine's own engine has its own
        # setpriv: should the test be killed, the holder goes with it, and all the rest with the holder.
        holder = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--mount", "--net", "--fork", "--kill-child"]
        self._holder = subprocess.Popen([*holder, "--mount-proc", sys.executable, "-c", _HOLD])
        self._daemon: subprocess.Popen[bytes] | None = None
        self._init = self._child_of(self._holder.pid)
        self.run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.data))
        self.run("ip", "link", "set", "lo", "up")

    @property
    def host(self) -> str:
        """What DOCKER_HOST has to say."""
        return f"unix://{self.socket}"

    @staticmethod
    def _child_of(pid: int) -> int:
        deadline = time.monotonic() + STARTS_IN_S
        children = Path(f"/proc/{pid}/task/{pid}/children")
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if found := children.read_text().split():
                    return int(found[0])
            time.sleep(0.01)
        raise RuntimeError(f"process {pid} did not start its child")

    def _inside(self, *command: str) -> list[str]:
        return ["nsenter", f"--target={self._init}", "--pid", "--mount", "--net", "--", *command]

    def run(self, *command: str) -> str:
        """Run a command in the engine's namespaces; what it printed."""
        done = subprocess.run(self._inside(*command), check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    @contextlib.contextmanager
    def background(
        self, *command: str, stdout: IO[bytes] | None = None, environment: Mapping[str, str] = MappingProxyType({})
    ) -> Iterator[None]:
        """A command in the engine's namespaces while the context lasts."""
        env = {**os.environ, **environment}
        with subprocess.Popen(self._inside(*command), stdout=stdout, env=env) as process:
            try:
                yield
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._child_of(process.pid), signal.SIGKILL)

    def start(self) -> None:
        """Start the engine, and wait until it answers; RuntimeError with its last words when it does not."""
        log = self.folder / "dockerd.log"
        command = [
            "dockerd", f"--config-file={self.folder / 'daemon.json'}",
            f"--data-root={self.data}", f"--exec-root={self.folder / 'exec'}",
            f"--pidfile={self.folder / 'pid'}", f"--host={self.host}", f"--bip={BRIDGE}/24", "--iptables=false",
            "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false",
            "--exec-opt=native.cgroupdriver=cgroupfs",  # systemd would be told process ids of another namespace
        ]  # fmt: skip
        (self.folder / "pid").unlink(missing_ok=True)  # its own of the last time, should it have been killed
        with log.open("ab") as out:
            self._daemon = subprocess.Popen(self._inside(*command), stdout=out, stderr=out)
        deadline = time.monotonic() + STARTS_IN_S
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").splitlines()[-15:]
                raise RuntimeError("a dockerd of the test's own does not start here:\n  " + "\n  ".join(said))
            time.sleep(0.05)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.sock.connect(str(self.socket))
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
        return False

    def stop(self) -> None:
        """As an administrator stops it: it ends its containers with itself."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a crash: its containers live on, until its successor finds them."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._daemon:
            os.kill(self._child_of(self._daemon.pid), number)
            self._daemon.wait(STARTS_IN_S)
            self._daemon = None

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not ended."""
        return self._daemon is not None

    def fill(self) -> None:
        """Leave nothing free on its disk."""
        self.run("sh", "-c", f"dd if=/dev/zero of={self.data}/filler bs=64k 2>/dev/null || :")

    def make_room(self) -> None:
        """Take back what `fill` did."""
        self.run("rm", "-f", f"{self.data}/filler")

    def close(self) -> None:
        """End the engine, and everything that it started."""
        for process in filter(None, (self._daemon, self._holder)):
            process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init, signal.SIGKILL)
        for process in filter(None, (self._daemon, self._holder)):
            process.wait()


def missing() -> str | None:
    """Why no such engine can be started here; None when it can."""
    lacking = [program for program in (*_PROGRAMS, "setpriv", "ip", "openssl") if shutil.which(program) is None]
    if lacking:
        return f"{', '.join(lacking)} is not installed here"
    return None if os.geteuid() == 0 else "it takes root to start an engine"


@contextlib.contextmanager
def dockerd(*, size: str) -> Iterator[Dockerd]:
    """A running engine with a disk of that size."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="bp-") as folder:  # a socket's path has to be short, unix(7)
        engine = Dockerd(Path(folder), size=size)
        try:
            engine.start()
            yield engine
        finally:
            engine.close()
