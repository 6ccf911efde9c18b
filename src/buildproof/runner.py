"""One build end to end: image, sources, fetch, pod, artifacts, verdict, record."""

from __future__ import annotations

import contextlib
import errno
import io
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from buildproof import layout
from buildproof.box import Box, bounded
from buildproof.budget.promises import Promises
from buildproof.capped import CappedFile
from buildproof.engine import Engine
from buildproof.errors import EngineError, SurroundingsError, Trouble
from buildproof.evidence import Evidence, Stop
from buildproof.facts import emulation
from buildproof.fetch import Fetcher
from buildproof.harvest import harvest
from buildproof.images import PROBE_IMAGE, Images
from buildproof.keptfile import KeptFile
from buildproof.layout import CACHE_VOLUME, SOURCE
from buildproof.leftovers import KEPT, sweep_run
from buildproof.live import LiveFile, LiveState, calm_line
from buildproof.logs import Log
from buildproof.observation import Observation
from buildproof.ownership import LONGEST_S
from buildproof.plan import Build
from buildproof.pod import Ending, Pod, PodSpec
from buildproof.record import Attempt, BuildRecord, ImageRecord, Phase
from buildproof.reproduce import docker_run
from buildproof.retries import after_loss
from buildproof.runfolder import RunFolder
from buildproof.sources import SourceTree, open_source
from buildproof.timeline import Timeline
from buildproof.units import duration
from buildproof.verdict import Outcome, Verdict, judge
from buildproof.verdict.culprit import work_of
from buildproof.verdict.rules_trust import limits_unmet

SIGN_OF_LIFE_S = 30.0
_LONG_PHASES = (Phase.FETCH, Phase.BUILD)
_FETCH_LOG, _BUILD_LOG = "fetch.log", "build.log"


@dataclass(frozen=True)
class Heir:
    """What goes on from a container that was kept: an image of it, and itself for its volumes."""

    image: str
    container: str


class Runner:
    """Runs builds of one run, one at a time. `say` gets a line when a build enters a phase, and now and then in it.

    `promises` asks the engine for its size: within a build's tries, so that an engine that is away is waited for.
    """

    def __init__(
        self,
        engine: Engine,
        images: Images,
        folder: RunFolder,
        *,
        promises: Callable[[], Promises],
        ca_bundle: Path | None,
        say: Callable[[str], None],
    ) -> None:
        self._engine, self._images, self._folder, self._promises = engine, images, folder, promises
        self._ca_bundle, self._say = ca_bundle, say
        self._fetcher = Fetcher(engine, ca_bundle=ca_bundle)

    def run(self, build: Build) -> BuildRecord:
        """Run one build and keep its record, whatever happens.

        A failed build is a verdict. Raises InputError for sources that cannot be used, and KeyboardInterrupt when
        the run is cancelled, after the record says so.
        """
        job = _Job(self._engine, self._images, self._folder, self._fetcher, self._promises, build)
        return job.run(self._ca_bundle, self._say)

    def enter(self, build: Build, use: Callable[[Pod], int], heir: Heir | None) -> int:
        """Prepare a build as far as to its command, and have its pod used in another way; what `use` returns."""
        job = _Job(self._engine, self._images, self._folder, self._fetcher, self._promises, build)
        return job.enter(self._ca_bundle, self._say, use, heir)


class _Job:
    """One build in the making."""

    def __init__(
        self,
        engine: Engine,
        images: Images,
        folder: RunFolder,
        fetcher: Fetcher,
        promises: Callable[[], Promises],
        build: Build,
    ) -> None:
        self._engine, self._images, self._folder, self._fetcher = engine, images, folder, fetcher
        self._promises, self._build = promises, build
        self._home = folder.build_folder(build.id)
        self._record = replace(BuildRecord.planned(build), began=datetime.now(UTC))
        self._live = LiveFile(folder.live, LiveState(id=build.id, phase=Phase.PLANNED))
        self._pod: Pod | None = None
        self._kept_files: tuple[KeptFile, ...] = ()
        self._best_try: tuple[Evidence, Attempt] | None = None
        self._emulated: str | None = None
        self._next_sign_of_life_s = SIGN_OF_LIFE_S

    def run(self, ca_bundle: Path | None, say: Callable[[str], None]) -> BuildRecord:
        self._say = say
        try:
            while not self._try(ca_bundle):
                self._prepare_next_try()
        except KeyboardInterrupt:
            evidence = replace(self._seen_so_far(), stopped=Stop.CANCELLED)
            self._finish(evidence, judge(evidence, self._record.budget))
            raise
        finally:
            self._live.close()
        return self._record

    def _try(self, ca_bundle: Path | None) -> bool:
        """Run the build once; False when its surroundings failed and it is to be tried again."""
        try:
            evidence = self._observe(ca_bundle)
        except SurroundingsError as error:
            return self._lost(error)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            what = f"{error.filename or 'a file of the run'} cannot be written: {error.strerror}"
            return self._lost(SurroundingsError(what, trouble=Trouble.OWN_DISK))
        self._finish(evidence, judge(evidence, self._record.budget))
        return True

    def _lost(self, error: SurroundingsError) -> bool:
        """Keep what is known when the surroundings failed: True with a verdict, False for another try."""
        evidence = self._seen_so_far()
        ran_s = self._pod.running_s if self._pod else None
        follows = after_loss(error, evidence, self._record, ran_s=ran_s, random=random.random)
        if isinstance(follows, Verdict):
            if ran_s is None and self._best_try:  # what an earlier one saw says more than this one, which never ran
                evidence, ran = self._best_try
                self._record = replace(self._record, log=ran.log, timeline=ran.timeline)
            elif self._record.phase is Phase.FETCH:
                self._record = replace(self._record, log=self._folder.relative(self._home / _FETCH_LOG))
            self._finish(evidence, follows)
            return True
        number = len(self._record.attempts) + 1
        kept = self._folder.set_aside(self._build.id, f"attempt-{number}")
        log, timeline = kept.get(_BUILD_LOG) or kept.get(_FETCH_LOG), kept.get("timeline.jsonl")
        attempt = replace(follows, log=log, timeline=timeline)
        if ran_s is not None:
            self._best_try = evidence, attempt
        self._record = replace(self._record, attempts=(*self._record.attempts, attempt), log=None, timeline=None)
        self._folder.put_build(self._record)
        what = error.what.splitlines()[0].rstrip(":")
        self._say(f"{self._build.id}: try {number} failed: {what}; the next one in {duration(follows.waited_s)}")
        time.sleep(follows.waited_s)
        return False

    def _prepare_next_try(self) -> None:
        """Forget the last try, but for what the record keeps of it, and remove what it left in the engine."""
        self._pod = None
        self._images.forget()
        with contextlib.suppress(EngineError):
            sweep_run(self._engine, self._folder.id, self._say, build=self._build.id)

    def enter(
        self, ca_bundle: Path | None, say: Callable[[str], None], use: Callable[[Pod], int], heir: Heir | None
    ) -> int:
        self._say = say
        spec, tree = self._pod_spec(ca_bundle)
        spec = replace(spec, time_limit_s=LONGEST_S)
        if heir:
            spec = replace(spec, image=heir.image, heir_of=heir.container)
        with (
            self._promised(),
            contextlib.closing(Log.create(self._home / _BUILD_LOG)) as log,
            Pod(self._engine, spec, log=log, timeline=Timeline(io.StringIO())) as pod,
        ):
            for name, state in pod.prepare().items():
                if not state.in_force:
                    self._say(f"the limit {name} is not in force: {state.why}")
            if not heir:
                with tree.tar(spec.box.owner) as tar:
                    pod.put(spec.workdir, tar)
            return use(pod)

    def _finish(self, evidence: Evidence, verdict: Verdict) -> None:
        self._record = replace(self._record.with_evidence(evidence), verdict=verdict, phase=Phase.DONE)
        self._folder.put_build(self._record)
        for file in self._kept_files:
            if file.lost:
                self._remark(f"{self._build.id}: {file.path.name} is cut, it cannot be written: {file.lost}")

    def _remark(self, text: str) -> None:
        self._say(text)
        self._folder.update(lambda run: replace(run, remarks=(*run.remarks, text)))

    def _seen_so_far(self) -> Evidence:
        if self._pod is None:
            return Evidence()
        wall_s = self._pod.running_s
        nothing = Ending(
            exit_code=self._pod.observation.own_exit_code,
            stopped=None,
            stopped_at_s=wall_s,
            wall_s=wall_s,
            oom_flag=None,
            probe_lost=None,
            paused_s=self._pod.paused_s,
        )
        return self._evidence(self._pod, nothing, self._log)

    @contextlib.contextmanager
    def _phase(self, phase: Phase) -> Iterator[None]:
        """Note in the record that a phase has begun, and how long it took."""
        self._record = replace(self._record, phase=phase)
        self._folder.put_build(self._record)
        self._live.tell(phase=phase, at_work=None)
        if phase in _LONG_PHASES:
            self._say(f"{self._build.id}: {phase}")
        began = time.monotonic()
        try:
            yield
        finally:
            took = {**self._record.phases_s, phase.value: round(time.monotonic() - began, 2)}
            self._record = replace(self._record, phases_s=took)

    def _observe(self, ca_bundle: Path | None) -> Evidence:
        spec, tree = self._pod_spec(ca_bundle)
        with self._promised():
            return self._in_pod(spec, tree)

    def _pod_spec(self, ca_bundle: Path | None) -> tuple[PodSpec, SourceTree]:
        build, manifest = self._build, self._build.manifest
        with self._phase(Phase.IMAGE):
            image = self._images.for_builder(build.builder)
            probe = self._images.named(PROBE_IMAGE)
            toolchain = self._images.toolchain(image, dict(build.builder.toolchain))
            self._emulated = emulation(self._engine.image_architecture(image.id), self._engine.facts().architecture)
        environment, box = layout.environment(build.environment), Box.of(build.builder)
        with self._phase(Phase.SOURCES):
            tree = open_source(manifest.project.source, ca_bundle=ca_bundle, where=manifest.project.source_place)
        self._record = replace(
            self._record,
            image=ImageRecord(reference=image.reference, id=image.id, toolchain=toolchain),
            source_sha256=tree.digest(),
            reproduce=docker_run(build, image=image.reference, origin=tree.origin, environment=environment),
        )
        volumes: dict[str, tuple[str, bool]] = {}
        if manifest.fetch:
            with self._phase(Phase.FETCH), contextlib.closing(Log.create(self._home / _FETCH_LOG)) as log:
                name = self._fetcher.volume(build, manifest.fetch, image=image, tree=tree, log=log)
            volumes[name] = (str(CACHE_VOLUME), False)
        spec = PodSpec(
            build_id=build.id,
            image=image.reference,
            probe_image=probe.reference,
            command=build.command,
            workdir=str(SOURCE),
            environment=environment,
            limits=bounded(build.builder.limits),
            time_limit_s=build.time_limit_s,
            silent_limit_s=build.silent_limit_s,
            volumes=volumes,
            box=box,
        )
        return spec, tree

    @contextlib.contextmanager
    def _promised(self) -> Iterator[None]:
        """Hold a promise of the machine's memory and CPUs, and keep in the record from when until when."""
        with contextlib.ExitStack() as stack:
            with self._phase(Phase.WAIT):
                self._live.tell(phase="waiting")
                promised = stack.enter_context(self._promises().to(self._build))
            earlier = self._record.promised
            self._record = replace(self._record, promised=(*earlier, promised))
            try:
                yield
            finally:
                over = replace(promised, until=datetime.now(UTC))
                self._record = replace(self._record, promised=(*earlier, over))

    def _in_pod(self, spec: PodSpec, tree: SourceTree) -> Evidence:
        log_path, timeline_path = self._home / _BUILD_LOG, self._home / "timeline.jsonl"
        self._record = replace(
            self._record, log=self._folder.relative(log_path), timeline=self._folder.relative(timeline_path)
        )
        with (
            CappedFile(log_path) as log_file,
            KeptFile(timeline_path, text=True) as timeline,
            contextlib.closing(Log(log_file)) as self._log,
            Pod(self._engine, spec, log=self._log, timeline=Timeline(timeline)) as pod,
        ):
            self._pod, self._kept_files = pod, (log_file, timeline)
            pod.on_progress = self._tell_progress
            evidence = self._build_in(pod, spec, tree)
            self._keep(pod, evidence)
            return evidence

    def _build_in(self, pod: Pod, spec: PodSpec, tree: SourceTree) -> Evidence:
        with self._phase(Phase.BUILD):
            pod.prepare()
            if limits_unmet(Evidence(limits=pod.limits)):
                return Evidence(limits=pod.limits)
            with tree.tar(spec.box.owner) as tar:
                pod.put(spec.workdir, tar)
            ending = pod.run()
        evidence = self._evidence(pod, ending, self._log)
        if ending.exit_code != 0:
            return evidence
        with self._phase(Phase.CHECK):
            artifacts = harvest(self._engine, self._images, pod, self._build, self._home / "artifacts")
            return replace(evidence, artifacts=artifacts)

    def _keep(self, pod: Pod, evidence: Evidence) -> None:
        """Leave the container when the run was asked to; whether that works is no matter of the build."""
        passed = judge(evidence, self._record.budget).outcome is Outcome.PASSED
        if not self._engine.owner.keep.keeps(passed=passed):
            return
        name = f"{KEPT}{self._folder.id}-{self._build.id}"
        try:
            pod.keep(name)
        except EngineError as error:
            self._say(f"{self._build.id}: its container could not be kept: {error.what}")
        else:
            self._record = replace(self._record, kept=name)

    def _tell_progress(self, seen: Observation, running_s: float) -> None:
        """How the build stands, for whoever looks; and a line now and then, for whoever waits."""
        if self._live.is_due:
            demand = seen.sample.get("demand")
            self._live.tell(
                running_s=running_s,
                time_limit_s=self._build.time_limit_s,
                demand=demand,
                high_water=max(demand or 0, seen.state.get("demand_peak") or 0),
                memory_limit=self._build.builder.limits.memory,
                at_work=work_of(*seen.at_work) if seen.at_work else None,
                tightest=seen.tightest,
            )
        if running_s >= self._next_sign_of_life_s:
            self._next_sign_of_life_s = running_s + SIGN_OF_LIFE_S
            self._say(calm_line(self._live.state))

    def _evidence(self, pod: Pod, ending: Ending, log: Log) -> Evidence:
        seen = pod.observation
        refused = seen.accounting_refused
        return Evidence(
            exit_code=ending.exit_code,
            stopped=ending.stopped,
            stopped_at_s=ending.stopped_at_s,
            engine_oom_flag=ending.oom_flag,
            accounting=seen.hello is not None and refused is None and seen.accounting_gap is None,
            accounting_refused=refused or seen.accounting_gap,
            probe_lost=ending.probe_lost,
            probe_cpu_s=seen.state.get("probe_cpu_s"),
            emulated=self._emulated,
            host_swapped=seen.state.get("host_swapped"),
            host_busy_s=seen.state.get("host_busy_s"),
            host_cpus=seen.state.get("host_cpus"),
            disk_used=seen.state.get("disk_used"),
            limits=pod.limits,
            memory=seen.memory(),
            time=seen.time(wall_s=ending.wall_s, limit_s=self._build.time_limit_s, paused_s=ending.paused_s),
            processes=seen.processes(),
            space=seen.space(),
            findings=log.findings(),
            last_lines=tuple(log.last_lines),
            log_dropped=log.dropped,
        )
