"""One build in a thread, and something done to it in its midst: for tests of what may happen while a build runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from buildproof.discovery import load
from buildproof.patience import patient
from buildproof.record import BuildRecord
from buildproof.runfolder import RunFolder
from buildproof.session import Session

COMPOSE = Path(__file__).parents[1] / "fixtures" / "faults" / "compose.yml"
MANIFEST = """
[project]
name = "{name}"
compose = "{compose}"

[[build]]
builder = "linux"
command = '''{command}'''
artifacts = ["app"]
time-limit = "{time_limit}"
"""
BEGUN_S = 90.0  # until the build prints: image, sources and both containers come before
ENDED_S = 150.0
COMPILE = "echo 'int main(void) { return 0; }' | cc -xc -o app -"


class Midway:
    """A project with one build of its own, and the session that runs it on the engine that DOCKER_HOST names."""

    def __init__(self, folder: Path, command: str, *, bundle: Path | None, time_limit: str = "2m") -> None:
        project = folder / "project"
        project.mkdir()
        text = MANIFEST.format(
            name=f"midway-{os.getpid()}",
            compose=os.path.relpath(COMPOSE, project),
            command=command,
            time_limit=time_limit,
        )
        (project / "buildproof.toml").write_text(text, encoding="utf-8")
        (self.build,) = load((project,))
        self.session = Session(RunFolder.reserve(folder), ca_bundle=bundle, say=print)
        self.engine = self.session.engine
        self.log = self.session.folder.path / self.build.id / "build.log"
        self._records: list[BuildRecord] = []

    def run(self, act: Callable[[], object], *, once_it_says: str) -> BuildRecord:
        """The record of the build, in whose midst `act` was done."""
        self.session.prepare((self.build,))
        thread = threading.Thread(target=lambda: self._records.append(self.session.outcome(self.build)))
        thread.start()
        try:
            self._await(once_it_says)
            act()
        finally:
            thread.join(patient(ENDED_S))
            self.session.close()
        assert not thread.is_alive(), "the build went on"
        (record,) = self._records
        return record

    def _await(self, text: str) -> None:
        deadline = time.monotonic() + patient(BEGUN_S)
        while not (self.log.is_file() and text in self.log.read_text("utf-8", "replace")):
            assert time.monotonic() < deadline, "the build did not begin"
            time.sleep(0.1)
