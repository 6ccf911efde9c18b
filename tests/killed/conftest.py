"""A harness that is killed: a small project with every phase in it, run as a person runs it, and what is left then."""

from __future__ import annotations

import os
import random
import secrets
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.on_request import OnRequest

from buildproof import labels
from buildproof.ca import ca_bundle
from buildproof.discovery import load
from buildproof.engine import Engine, Kind, Thing
from buildproof.leftovers.judgement import of_run
from buildproof.patience import patient
from buildproof.record import RunRecord
from buildproof.record import load as load_record
from buildproof.runfolder import RunFolder
from buildproof.session import Session

HERE = Path(__file__).parent
COMPOSE = HERE.parents[1] / "fixtures" / "faults" / "compose.yml"
MARKER = "killed"
GONE_WITHIN_S = 15.0
_KILLS, _THOROUGH_KILLS = 5, 50
_RUN_S = 300.0
_SEED = 20

# Every phase takes a second or so: image check, fetch, build, start check.
_MANIFEST = """\
[project]
name = "killed"
compose = "{compose}"

[fetch]
command = "echo {nonce}; sleep 1; echo 1 > $BUILDPROOF_CACHE/one; sleep 1; echo 2 > $BUILDPROOF_CACHE/two"
time-limit = "1m"

[[build]]
builder = "linux"
command = "cat $BUILDPROOF_CACHE/two && sleep 2 && cc -o app app.c{then}"
artifacts = ["app"]
time-limit = "2m"
starts = {{ stdout = "started" }}

[[build]]
builder = "linux-150m"
command = "cat $BUILDPROOF_CACHE/two && sleep 2 && cc -o app app.c"
artifacts = ["app"]
time-limit = "2m"
starts = {{ stdout = "started" }}
"""
_SOURCE = """\
#include <stdio.h>
#include <unistd.h>
int main(void) { sleep(1); puts("started"); return 0; }
"""


def pytest_configure(config: pytest.Config) -> None:
    """It runs on request."""
    OnRequest.register(config, HERE, marker=MARKER, what="a harness that is killed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Moments spread over a whole run, one at random in each of as many equal parts of it: 5, or 50 with --thorough."""
    if "moment" in metafunc.fixturenames:
        count = _THOROUGH_KILLS if metafunc.config.getoption("thorough") else _KILLS
        chance = random.Random(_SEED)  # noqa: S311 (moments, not secrets)
        moments = [(number + chance.random()) / count for number in range(count)]
        metafunc.parametrize("moment", moments, ids=[f"{moment:.3f}" for moment in moments])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The counts, as the tests told them; also those of xdist's workers."""
    told = [dict(report.user_properties) for reports in terminalreporter.stats.values() for report in reports
            if getattr(report, "when", None) == "call"]  # fmt: skip
    kills = [figures for figures in told if "last" in figures]
    if kills:
        where = Counter(str(figures["killed_in"]) for figures in kills).most_common()
        phases = ", ".join(f"{count} in {phase}" for phase, count in where)
        over = [float(str(figures["over_after_s"])) for figures in kills]
        last = max(kills, key=lambda figures: float(str(figures["over_after_s"])))
        terminalreporter.write_line(
            f"killed {len(kills)} times: {phases}. The last worker and container were over after "
            f"{statistics.median(over):.1f} s (median), {max(over):.1f} s (longest: {last['last']}). Left after "
            f"the next start: {sum(int(str(figures.get('left', 0))) for figures in kills)} things in the engine"
        )


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine.connect() as engine:
        yield engine


# Whoever runs these tests may ignore a signal, as nohup(1) does SIGHUP, and a child would ignore it with them.
_AT_DEFAULT = ("env", "--default-signal=HUP,TERM,INT")


class Harness:
    """A harness in a process of its own, over one project, and what can be seen of its run from outside."""

    def __init__(self, engine: Engine, folder: Path, *, then: str = "") -> None:
        self.engine, self.folder = engine, folder
        folder.mkdir()
        (folder / "app.c").write_text(_SOURCE)
        (folder / "pytest.ini").write_text("[pytest]\n")
        text = _MANIFEST.format(compose=os.path.relpath(COMPOSE, folder), nonce=secrets.token_hex(8), then=then)
        (folder / "buildproof.toml").write_text(text)
        self.said = folder / "said"
        self.process: subprocess.Popen[bytes] | None = None
        self._runs: set[str] = set()
        self.last = "nothing"

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start it, in a process group of its own."""
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", str(self.folder / "pytest.ini")]
        words += ["--rootdir", str(self.folder), *options, str(self.folder / "buildproof.toml")]
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [*_AT_DEFAULT, *words],
                cwd=self.folder,
                stdout=said,
                stderr=said,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return self.process

    def output(self) -> str:
        return self.said.read_text("utf-8", "replace")

    @property
    def run(self) -> str | None:
        """The newest run's id."""
        ids = [path.name for path in self.folder.glob(".buildproof/*") if path.is_dir() and not path.is_symlink()]
        self._runs |= set(ids)
        return max(ids, default=None)

    def record(self) -> RunRecord | None:
        """The newest run's record."""
        path = self.folder / ".buildproof" / (self.run or "") / "record.json"
        return load_record(path) if path.is_file() else None

    def record_of(self, run: str) -> RunRecord:
        """A run's record, which has to be there."""
        return load_record(self.folder / ".buildproof" / run / "record.json")

    def phase(self) -> str:
        """Where the run is, as its record tells."""
        record = self.record()
        if record is None:
            return "start-up"
        under_way = [build.phase.value for build in record.builds if build.began and not build.verdict]
        return min(under_way, default="between" if any(build.verdict for build in record.builds) else "preparation")

    def await_phase(self, *phases: str) -> None:
        """Wait until the run is in one of these."""
        self.until(lambda: self.phase() in phases, f"the phase {' or '.join(phases)}")

    def until(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + patient(_RUN_S)
        while not reached():
            assert time.monotonic() < deadline, f"waited in vain for {what}:\n{self.output()}"
            assert self.process is None or self.process.poll() is None, f"it ended before {what}:\n{self.output()}"
            time.sleep(0.05)

    def things(self, run: str) -> list[Thing]:
        """What one run has in the engine for itself alone."""
        return list(of_run(self.engine.things(labels.OURS), run))

    def kill(self) -> None:
        """SIGKILL to the process that a person started, and to no other."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def over_after_s(self, run: str | None) -> float:
        """How long from now until no worker of the harness is at work, and nothing of a run runs in the engine."""
        began = time.monotonic()
        while at_work := self.at_work(run):
            self.last = at_work[0]
            assert time.monotonic() - began < patient(GONE_WITHIN_S), f"still at work: {', '.join(at_work)}"
            time.sleep(0.1)
        return time.monotonic() - began

    def at_work(self, run: str | None) -> list[str]:
        """What of a run is at work, in words."""
        containers = [thing for thing in self.things(run) if thing.running] if run else []
        words = [f"the {thing.labels[labels.OURS]} container {thing.id[:12]}" for thing in containers]
        return words + [f"worker {pid}" for pid in self.workers()]

    def workers(self) -> list[int]:
        """The processes of the harness's own group that have not ended: when it was killed, the workers that it had."""
        assert self.process
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, _parent, group = path.read_text().rpartition(")")[2].split()[:3]  # proc(5)
                if int(group) == self.process.pid and state not in {"Z", "X"}:
                    found.append(int(path.parent.name))
        return found

    def next_start(self) -> list[str]:
        """The next run as far as to its first build; what it said."""
        said: list[str] = []
        session = Session(RunFolder.reserve(self.folder), ca_bundle=ca_bundle(None), say=said.append)
        try:
            session.prepare(load([self.folder / "buildproof.toml"]))
        finally:
            session.close()
        return said

    def _volumes(self, run: str) -> list[str]:
        found = self.engine.things(f"{labels.RUN}={run}", f"{labels.OURS}=fetch")
        return [thing.id for thing in found if thing.kind is Kind.VOLUME]

    def away(self) -> None:
        """Take down what is left of it, volumes that are shared included."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        _ = self.run
        for run in self._runs:
            for thing in self.engine.things(f"{labels.RUN}={run}"):
                if thing.kind is Kind.CONTAINER:
                    self.engine.remove(thing.id)
            for volume in self._volumes(run):
                self.engine.remove_volume(volume)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that knows of no tool's version yet, so that images are looked into."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def harness(engine: Engine, tmp_path: Path, own_cache: Path) -> Iterator[Harness]:
    """One, taken down at the end."""
    made = Harness(engine, tmp_path / "project")
    yield made
    made.away()


@pytest.fixture
def failing(engine: Engine, tmp_path: Path, own_cache: Path) -> Iterator[Harness]:
    """One whose first build fails after it has written something."""
    made = Harness(engine, tmp_path / "project", then=" && echo almost > result && false")
    yield made
    made.away()


@pytest.fixture(scope="session")
def whole_run_s(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long one run takes that nobody kills; it has to be green, and to leave nothing."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        made = Harness(engine, folder / "project")
        try:
            began = time.monotonic()
            assert made.start().wait(patient(_RUN_S)) == 0, made.output()
            took_s = time.monotonic() - began
            run = made.run
            assert run
            assert made.things(run) == []
            return took_s
        finally:
            made.away()
