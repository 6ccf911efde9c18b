"""Find, make or pull the images that builds need."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from buildproof import labels
from buildproof.builder import BuildContext, Builder
from buildproof.engine import ContainerSpec, Engine
from buildproof.errors import EngineError, ImageError, Place, Trouble
from buildproof.hostile import plain
from buildproof.images.bootstrap import bootstrap, suite_of
from buildproof.images.context import Context
from buildproof.images.dockerfile import instructions, with_parents
from buildproof.images.journal import Journal, image_lock
from buildproof.layout import user_cache
from buildproof.lease import first_into, run_leased
from buildproof.log_patterns import matches_in
from buildproof.patience import patient
from buildproof.resources import dockerfiles

OURS = "buildproof/"
PROBE_IMAGE = f"{OURS}probe"
_STEP = re.compile(r"^(?:Step|STEP) (\d+)/\d+ ?: ")  # Docker: `Step 2/5 : RUN`, Podman: `STEP 2/5: RUN`
_LABEL = re.compile(r"^(?:Step|STEP) \d+/\d+ ?: LABEL ")  # takes no time; most are buildproof's marks
_KEEP_LAST = 25
_HASH_DIGITS = 16
_TOOLCHAIN_S = 120.0
_MOST_VERSIONS = 1 << 16  # bytes of what all tools print
_PROGRESS_WIDTH = 79  # a wrapped line would look like two
_SIGN_OF_LIFE_S = 10.0
_SURELY_MAKING_S = 1.0  # who only looks whether an image is there holds its lock for less


@dataclass(frozen=True)
class Image:
    """An image the engine has: `reference` as tagged, `id` as the engine knows it."""

    reference: str
    id: str


def shorten(line: str) -> str:
    """One line for a terminal: white space folded, the tail of a long instruction left out."""
    folded = " ".join(line.split())
    return folded if len(folded) <= _PROGRESS_WIDTH else folded[: _PROGRESS_WIDTH - 1] + "…"


class Images:
    """The images of one run. `progress` gets a line now and then while something takes long."""

    def __init__(self, engine: Engine, *, ca_bundle: Path | None, progress: Callable[[str], None]) -> None:
        self._engine, self._ca_bundle, self._progress = engine, ca_bundle, progress
        self._known: dict[str, Image] = {}
        self._used: set[str] = set()

    def for_builder(self, builder: Builder) -> Image:
        """The image of a builder: made when it has a build context, else found or pulled."""
        if builder.build is None:
            return self.named(builder.image or "", builder.place)
        repository = (builder.image or f"{OURS}{builder.name}").partition(":")[0]
        return self.made(repository, builder.build)

    def named(self, reference: str, where: Place | None = None) -> Image:
        """An image by name: `buildproof/NAME` is made from the shipped folder NAME, all others come from outside."""
        if reference in self._known:
            return self._known[reference]
        folder = dockerfiles() / reference.removeprefix(OURS)
        if reference.startswith(OURS) and (folder / "Dockerfile").is_file():
            build = BuildContext(context=folder, dockerfile=folder / "Dockerfile", args={}, target=None)
            image = self.made(reference, build)
        else:
            image = self._from_outside(reference, where)
        self._known[reference] = image
        return image

    def forget(self) -> None:
        """Ask the engine again for every image: somebody removed one."""
        self._known.clear()

    @property
    def used(self) -> list[str]:
        """References of all images asked for so far, and of those that they are made from."""
        return sorted(self._used)

    def toolchain(self, image: Image, commands: dict[str, str]) -> dict[str, str]:
        """Version of each tool in the image, asked once per image: the first line that its command prints."""
        kept = user_cache() / "toolchains" / f"{image.id.removeprefix('sha256:')}.json"
        try:
            known: dict[str, str] = json.loads(kept.read_text())
        except (OSError, ValueError):
            known = {}
        if missing := {name: command for name, command in commands.items() if name not in known}:
            known |= self._ask_versions(image, missing)
            with contextlib.suppress(OSError):  # a disk that is full: then they are asked again
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(known))
        return {name: known[name] for name in commands}

    def _ask_versions(self, image: Image, commands: dict[str, str]) -> dict[str, str]:
        mark = "--buildproof--"
        script = "\n".join(f"echo {mark}; ( {command} ) 2>&1 | head -n 1" for command in commands.values())
        spec = ContainerSpec(image=image.reference, argv=("/bin/sh", "-c", script), labels=labels.of("toolchain"))
        output = bytearray()
        run_leased(self._engine, spec, first_into(output, _MOST_VERSIONS), time_limit_s=patient(_TOOLCHAIN_S))
        answers = [part.strip() for part in output.decode("utf-8", "replace").split(mark)[1:]]
        return dict(zip(commands, answers, strict=False))

    # -- from outside -------------------------------------------------------------------------------

    def _from_outside(self, reference: str, where: Place | None) -> Image:
        if self._engine.image_id(reference):
            return self._present(reference)
        suite = suite_of(reference)
        ours = f"{OURS}bootstrap:{suite}" if suite else None
        if ours and self._engine.image_id(ours):
            return self._present(ours)
        with self._alone(reference):
            self._progress(f"pulling {reference}")
            if self._engine.pull(reference):
                return self._present(reference)
            if not (ours and suite):
                raise ImageError(
                    f"the engine has no image {reference}, and no registry gave it one",
                    where=where,
                    next_step=f"`docker pull {reference}` shows why; or give the builder a `build:` of its own",
                )
            if not self._engine.image_id(ours):
                self._progress(f"no registry answers: making {ours} from Debian packages")
                bootstrap(self._engine, suite, ours, self._progress)
            return self._present(ours)

    def _present(self, reference: str) -> Image:
        image_id = self._engine.image_id(reference)
        if not image_id:
            raise ImageError(f"the image {reference} was made, and is not there")
        self._used.add(reference)
        return Image(reference, image_id)

    # -- made here ----------------------------------------------------------------------------------

    def made(self, repository: str, build: BuildContext) -> Image:
        """The image of a build context, built now unless the engine has it."""
        try:
            text = build.dockerfile.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ImageError(f"cannot read the Dockerfile: {error}", where=Place(build.dockerfile)) from error
        resolved = with_parents(text, build.args, lambda ref: self.named(ref, Place(build.dockerfile)).reference)
        context = Context(build, resolved)
        tag = context.digest()[:_HASH_DIGITS]
        reference = f"{repository}:{tag}"
        with self._alone(reference):
            if not self._engine.image_id(reference):
                self._build(reference, build, context, resolved)
                self._engine.tag(reference, repository, "latest")  # for `docker compose run` by hand
            return self._present(reference)

    @contextlib.contextmanager
    def _alone(self, reference: str) -> Iterator[None]:
        """No two runs make the same image at once; who has to wait is told so: it may be for many minutes."""
        lock = image_lock(reference)
        try:
            lock.acquire(timeout=_SURELY_MAKING_S)
        except Timeout:
            self._progress(f"another run is making {reference}: waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _build(self, reference: str, build: BuildContext, context: Context, dockerfile: str) -> None:
        self._progress(f"building {reference}")
        steps = instructions(dockerfile)
        step, said, told_at = 0, list[str](), time.monotonic()
        try:
            with context.tar(self._ca_bundle) as tar, Journal(reference) as journal:
                lines = self._engine.build_image(
                    tar, reference, args=dict(build.args), labels=labels.of_image(reference), target=build.target
                )
                for line in lines:
                    journal.take(line)
                    if found := _STEP.match(line):
                        step, said = int(found[1]), []
                    if (found and not _LABEL.match(line)) or time.monotonic() - told_at > _SIGN_OF_LIFE_S:
                        self._progress(shorten(plain(line)))
                        told_at = time.monotonic()
                    said = [*said[1 - _KEEP_LAST :], line]
        except EngineError as error:
            place = Place(build.dockerfile, steps[step - 1].line if 0 < step <= len(steps) else None)
            output = "\n".join(f"    {line}" for line in said)
            raise ImageError(
                f"the image {reference} could not be built: {error.what}\n  the last output was:\n{output}",
                where=place,
                trouble=_trouble(error, said),
            ) from error


def _trouble(error: EngineError, said: list[str]) -> Trouble:
    if any(matches_in("\n".join(said), ("no-space",))):
        return Trouble.ENGINE_DISK
    return Trouble.IMAGE if error.trouble is Trouble.REFUSED else error.trouble
