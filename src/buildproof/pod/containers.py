"""The two containers of a pod: how they are made, started and removed. What they say is heard elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from buildproof import labels
from buildproof.box import folders
from buildproof.engine import Attachment, ContainerSpec, Engine, RlimitRefused
from buildproof.errors import EngineError, Trouble
from buildproof.layout import CACHE, CACHE_VOLUME, HOME, SOURCE, WORK
from buildproof.pod.probe import probe_spec, put_probe
from buildproof.pod.spec import PodSpec


class Containers:
    """The probe's container and the build's. Ids are empty before `create`, and the build's once it was given away.

    `argv` is what the build's container executes.
    """

    def __init__(self, engine: Engine, spec: PodSpec, argv: tuple[str, ...]) -> None:
        self._engine, self._spec, self._argv = engine, spec, argv
        self.refused = engine.refused_rlimits  # rlimits that the engine may not set, and why
        self.probe = self.build = ""

    def create(self, *, deadline_s: float) -> None:
        """Create both; a probe that nobody ends is over after `deadline_s`."""
        spec = self._spec
        marks = labels.of("probe", build=spec.build_id)
        self.probe = self._engine.create(probe_spec(spec.probe_image, deadline_s=deadline_s, marks=marks))
        put_probe(self._engine, self.probe)
        self._create_build()

    def _create_build(self) -> None:
        spec = self._spec
        granted = {name: pair for name, pair in spec.limits.rlimits.items() if name not in self.refused}
        container = ContainerSpec(
            image=spec.image,
            argv=self._argv,
            environment=spec.environment,
            labels=labels.of("build", build=spec.build_id),
            workdir=spec.workdir,
            limits=replace(spec.limits, rlimits=granted),
            pid_namespace_of=self.probe,
            volumes=spec.volumes,
            stdin=True,
        ).in_box(spec.box)
        if spec.heir_of:
            self.build = self._engine.create(replace(container, volumes={}, scratch=(), heir_of=spec.heir_of))
            return
        self.build = self._engine.create(container)
        names = [SOURCE.name, HOME.name]
        if str(CACHE_VOLUME) not in (point for point, _ in spec.volumes.values()):
            names += [CACHE_VOLUME.name, str(CACHE.relative_to(WORK))]
        self._engine.put(self.build, str(WORK), folders(spec.box.owner, *names))

    def start_build(self, listen: Callable[[Attachment], None]) -> Attachment:
        """Start the build's container, heard by `listen`; an rlimit that the engine may not set is left out."""
        while True:
            attachment: Attachment | None = None
            try:
                attachment = self._engine.attach(self.build)
                self._engine.start(self.build)
            except RlimitRefused as error:
                if attachment:
                    attachment.close()
                self._leave_out(error)
                self._engine.remove(self.build)
                self._create_build()
            else:
                listen(attachment)
                return attachment

    def _leave_out(self, error: RlimitRefused) -> None:
        asked = [name for name in self._spec.limits.rlimits if name not in self.refused]
        # Podman 4.3 adds rlimits of its own to those asked for: where it may not set its own, ask for none.
        left_out = [error.rlimit] if error.rlimit in asked else asked
        if not left_out:
            raise error
        self.refused |= dict.fromkeys(left_out, f"the engine may not set it here ({error.reason})")

    def give_away(self, name: str) -> None:
        """Leave the build's container and its volumes, ended, under this name; `remove` does not know it any more."""
        self._engine.kill(self.build)
        self._engine.rename(self.build, name)
        self.build = ""

    def remove(self) -> None:
        """End and remove both, as far as the engine answers: the sweep at the end of the run asks again."""
        for container in filter(None, (self.build, self.probe)):
            try:
                self._engine.remove(container)
            except EngineError as error:
                if error.trouble in {Trouble.UNREACHABLE, Trouble.HANGS}:
                    return
