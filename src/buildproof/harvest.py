"""The outputs of a build that exited with 0: found where it wrote them, brought out, examined, one of them started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from buildproof.artifacts.neighbours import Neighbours, expectation, neighbours
from buildproof.bundles import examine_output
from buildproof.collect import Collected, collect, matches
from buildproof.engine import Engine
from buildproof.evidence import Artifact, Check, CheckStatus, Started
from buildproof.images import PROBE_IMAGE, Images
from buildproof.inside import compared, hashes_inside, listed_inside
from buildproof.layout import SOURCE
from buildproof.manifest import Starts
from buildproof.plan import Build
from buildproof.pod import Pod
from buildproof.start import start


def harvest(engine: Engine, images: Images, pod: Pod, build: Build, folder: Path) -> tuple[Artifact, ...]:
    """Every output that was asked for, judged, a missing one too; then what is in packages. `folder` gets the files.

    Raises EngineError.
    """
    listings = listed_inside(
        engine,
        image=images.named(PROBE_IMAGE).reference,
        container=pod.container,
        folder=SOURCE,
        patterns=build.artifacts,
    )
    outputs = collect(pod, listings, folder)
    beside = neighbours([(output.name, output.path) for output in outputs if output.path])
    judged = [_examine(build, output, beside) for output in outputs]
    hashes = hashes_inside(
        engine,
        image=pod.image,
        container=pod.container,
        folder=SOURCE,
        names=[output.name for output in outputs if output.path],
    )
    # A package brings what is in it along; the first is always the output itself.
    examined = [replace(first, checks=(*first.checks, compared(first, hashes))) for first, *_ in judged]
    inside = [artifact for _, *rest in judged for artifact in rest]
    if starts := build.starts:
        chosen = next((n for n, output in enumerate(outputs) if _is_chosen(output, starts.artifact)), None)
        if chosen is not None:
            started = _start(engine, images, build, starts, outputs, outputs[chosen])
            examined[chosen] = replace(examined[chosen], started=started)
    return (*examined, *inside)


def _examine(build: Build, output: Collected, beside: Neighbours) -> tuple[Artifact, ...]:
    if output.path:
        return examine_output(output.path, expectation(build, output.name, beside), output.name)
    missing = Check(id="artifact-present", status=CheckStatus.FAIL, message=output.complaint or "it is missing")
    nothing = Artifact(
        path=output.name,
        size=None,
        sha256=None,
        format=build.target.binary_format,
        machine=build.target.machine,
        checks=(missing,),
    )
    return (nothing,)


def _is_chosen(output: Collected, pattern: str) -> bool:
    return output.path is not None and matches(output.name, pattern)


def _start(
    engine: Engine, images: Images, build: Build, starts: Starts, outputs: Sequence[Collected], output: Collected
) -> Started:
    builder = build.builder
    image = images.named(builder.starts_in) if builder.starts_in else images.for_builder(builder)
    return start(engine, image=image, target=builder.target, outputs=outputs, name=output.name, expected=starts)
