"""A small project and a run of it in a thread, so that a test can do something to its surroundings meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from buildproof.discovery import load
from buildproof.engine import Engine
from buildproof.plan import Build
from buildproof.record import BuildRecord
from buildproof.record import load as load_record
from buildproof.runfolder import RunFolder
from buildproof.session import Session

SOON_S = 150.0  # generous: a slow machine is no failure
_COMPOSE = """\
services:
  box:
    image: {image}
    mem_limit: 256m
    memswap_limit: 256m
    pids_limit: 64
    {build}
    x-buildproof:
      target: linux-x86_64
"""
_MANIFEST = """\
[project]
name = "app"
compose = "compose.yml"
{source}
{fetch}
[[build]]
builder = "box"
command = '''{command}'''
artifacts = ["app"]
time-limit = "{time_limit}"
"""
OUTPUT = "cp /bin/true app"


def project(
    folder: Path,
    command: str,
    *,
    fetch: str | None = None,
    time_limit: str = "2m",
    image: str = "buildproof/probe",
    build: str = "",
    source: str = "",
    fetch_limit: str = "2m",
) -> Path:
    """Write the project; where its manifest is."""
    folder.mkdir(parents=True, exist_ok=True)
    fetching = f"\n[fetch]\ncommand = '''{fetch}'''\ntime-limit = \"{fetch_limit}\"\n" if fetch else ""
    (folder / "compose.yml").write_text(_COMPOSE.format(image=image, build=build))
    manifest = folder / "buildproof.toml"
    manifest.write_text(_MANIFEST.format(source=source, fetch=fetching, command=command, time_limit=time_limit))
    return manifest


class Run:
    """One build on one engine, under way in a thread of its own."""

    def __init__(self, engine: Engine, manifest: Path, root: Path, *, ca_bundle: Path | None = None) -> None:
        self.build: Build
        (self.build,) = load((manifest,))
        self.engine, self.folder = engine, RunFolder.reserve(root)
        self.said: list[str] = []
        self._session = Session(self.folder, ca_bundle=ca_bundle, say=self.said.append, engine=engine)
        self._session.prepare((self.build,))
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._session.outcome(self.build)
        except BaseException as error:  # noqa: BLE001 (the test raises it again)
            self._failed = error

    def begin(self) -> None:
        """Start the build."""
        self._thread.start()

    @property
    def home(self) -> Path:
        """The build's folder."""
        return self.folder.path / self.build.id

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until something is so; AssertionError when the build ended before, or it takes too long."""
        deadline = time.monotonic() + SOON_S
        while not reached():
            alive = self._thread.is_alive()
            assert alive or reached(), f"the build ended before {what}: {self.folder.read().build(self.build.id)}"
            assert time.monotonic() < deadline, f"not within {SOON_S} s: {what}"
            time.sleep(0.02)

    def until_log(self, text: str, *, file: str = "build.log") -> None:
        """Wait until the build has printed a line."""
        log = self.home / file
        self.until(
            lambda: log.is_file() and text in log.read_text(errors="replace").splitlines(), f"its log says {text}"
        )

    def until_said(self, text: str) -> None:
        """Wait until the terminal was told."""
        self.until(lambda: any(text in line for line in self.said), f"the terminal was told {text}")

    def end(self) -> BuildRecord:
        """Wait for the build's end and close the run; its record, from the disk where it could be written."""
        self._thread.join(SOON_S)
        assert not self._thread.is_alive(), f"the build goes on; it was told: {self.said}"
        self._session.close()
        if self._failed:
            raise self._failed
        unwritten = self.folder.unwritten
        run = self.folder.read() if unwritten else load_record(self.folder.path / "record.json")
        record = run.build(self.build.id)
        assert record is not None
        assert record.verdict is not None
        return record
