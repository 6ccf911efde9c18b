"""One run: the builds that were chosen, everything they share, and the record that they leave."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

import buildproof
from buildproof.budget.allowance import Asked
from buildproof.budget.promises import Promises
from buildproof.doctor import diagnose, memory_available
from buildproof.engine import Engine
from buildproof.errors import EngineError, FetchError, Trouble
from buildproof.evidence import Grade
from buildproof.images import PROBE_IMAGE, Images, sweep_layers
from buildproof.killed import close_killed
from buildproof.leftovers import sweep, sweep_run, sweep_scratch
from buildproof.manifest import Manifest, Project
from buildproof.ownership import Keep, this_process
from buildproof.plan import Build
from buildproof.preflight import Finding, stop_if_untrustworthy
from buildproof.record import BuildRecord, EngineRecord, Phase, RunRecord
from buildproof.runfolder import RunFolder
from buildproof.runner import Runner
from buildproof.sources import open_source
from buildproof.verdict import Outcome, Verdict


class Session:
    """Everything that the builds of one run share. Made twice under xdist: to prepare, and in each worker to run.

    `progress` gets what is said of builds under way, where that is not for `say`. Without an `engine` it is the one
    that the environment names; without a `budget` the environment's, else the machine's.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        ca_bundle: Path | None,
        say: Callable[[str], None],
        progress: Callable[[str], None] | None = None,
        engine: Engine | None = None,
        budget: Asked | None = None,
        keep: Keep = Keep.NONE,
    ) -> None:
        self.folder, self._ca_bundle, self._say = folder, ca_bundle, say
        self._progress = progress or say
        self._engine, self._budget, self._keep = engine, budget or Asked.read(None, None), keep
        self._images: Images | None = None
        self.findings: list[Finding] = []
        self.prepared = False

    @property
    def engine(self) -> Engine:
        """The engine, connected at first use."""
        if self._engine is None:
            self._engine = Engine.connect()
        self._engine.owner = replace(self._engine.owner, run=self.folder.id, keep=self._keep)
        return self._engine

    @property
    def images(self) -> Images:
        """The images of this run."""
        if self._images is None:
            self._images = Images(self.engine, ca_bundle=self._ca_bundle, progress=self._say)
        return self._images

    def prepare(self, builds: Sequence[Build]) -> None:
        """Check the engine, open every source and have every image, before anything is built.

        Raises the error that would make the run pointless: EngineError, Untrustworthy, ImageError, InputError.
        """
        self.prepared = True
        facts = self.engine.facts()
        self.folder.open()
        close_killed(self.folder.path.parent, self._say)
        sweep_scratch()
        with self._told_alone():
            sweep(self.engine, self._say)
        record = RunRecord(
            buildproof=buildproof.__version__,
            id=self.folder.id,
            command=tuple(sys.argv),
            began=datetime.now(UTC),
            engine=EngineRecord(**{name: getattr(facts, name) for name in EngineRecord.__dataclass_fields__}),
            builds=tuple(BuildRecord.planned(build) for build in builds),
        )
        self.folder.write(record)
        builders = {(build.builder.name, build.builder.limits.memory): build.builder for build in builds}
        limits = [(builder.name, builder.limits) for builder in builders.values()]
        stop_if_untrustworthy(diagnose(self.engine, None, limits))
        manifests: dict[Path, Manifest] = {build.manifest.path: build.manifest for build in builds}
        for manifest in manifests.values():
            self._try_source(manifest.project)
        probe = self.images.named(PROBE_IMAGE)
        self.findings = diagnose(self.engine, probe.reference, limits)
        stop_if_untrustworthy(self.findings)
        remarks = tuple(f"{finding.what}: {finding.found}" for finding in self.findings)
        self.folder.update(lambda known: replace(known, remarks=remarks))
        for build in builds:
            self.images.for_builder(build.builder)
            if build.starts and build.builder.starts_in:
                self.images.named(build.builder.starts_in)
        sweep_layers(self.engine)

    def _try_source(self, project: Project) -> None:
        """Whether a source can be had is found out now; where only the network failed, its builds try again."""
        try:
            open_source(project.source, ca_bundle=self._ca_bundle, where=project.source_place)
        except FetchError as error:
            if error.trouble is not Trouble.NETWORK:
                raise
            self._say(f"{error.what}; the builds of {project.name} will try again")

    def outcome(self, build: Build) -> BuildRecord:
        """The record of a build, which is run now unless it was before: in this process or in another worker."""
        if not self.folder.begun:
            with FileLock(self.folder.path.with_suffix(".lock")):  # a worker that the controller prepared nothing for
                if not self.folder.begun:
                    self.prepare((build,))
        with self.folder.lock(build.id):
            known = self.folder.read().build(build.id)
            if known and known.verdict:
                return known
            return self.runner().run(build)

    def runner(self) -> Runner:
        """What runs this run's builds."""
        return Runner(
            self.engine,
            self.images,
            self.folder,
            promises=lambda: self._promises,
            ca_bundle=self._ca_bundle,
            say=self._progress,
        )

    @functools.cached_property
    def _promises(self) -> Promises:
        """What is promised to the builds of this run, beside those of all other runs on the machine."""
        return Promises(
            self.engine.facts(),
            self._budget,
            run=self.folder.id,
            say=self._say,
            available=lambda: memory_available(self.engine, self.images.named(PROBE_IMAGE).reference),
        )

    def sweep_own(self) -> None:
        """Sweep what this process itself left in the engine: for a worker whose controller will not do it any more."""
        with self._told_alone():
            sweep_run(self.engine, self.folder.id, self._say, owner=this_process())

    def close(self) -> RunRecord | None:
        """End the run: sweep what its builds left in the engine, and close the record; None when none was begun."""
        self.folder.path.with_suffix(".lock").unlink(missing_ok=True)
        if not self.folder.begun:
            return None
        with self._told_alone():
            sweep_run(self.engine, self.folder.id, self._say)
        return self.folder.close(_closed)

    @contextlib.contextmanager
    def _told_alone(self) -> Iterator[None]:
        """Leftovers that cannot be looked for stop no run."""
        try:
            yield
        except EngineError as error:
            self._say(f"could not look for leftovers in the engine: {error}")


def _closed(record: RunRecord) -> RunRecord:
    """A build that began and has no verdict was cancelled with its worker."""
    cancelled = Verdict(
        outcome=Outcome.CANCELLED,
        cause="cancelled",
        grade=Grade.HARNESS,
        summary="The run ended while it was under way.",
    )
    builds = tuple(
        replace(build, verdict=cancelled, phase=Phase.DONE)
        if build.verdict is None and build.phase is not Phase.PLANNED
        else build
        for build in record.builds
    )
    return replace(record, builds=builds, ended=datetime.now(UTC))
