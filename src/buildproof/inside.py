"""What is asked of a build's outputs where the build wrote them, before anything carries them out.

Which files there are: a folder of a million files is walked there, and not carried here to be looked through. And their
hashes: a copy can go wrong on its way, by a full disk on this side, a network, an engine's archive; the same hash on
both sides says that it did not. Both are asked in a container of their own, beside the ended build: nothing of it is
charged to the build, and nothing has to run in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from buildproof import labels
from buildproof.collect import MOST_FILES, Found, Listing
from buildproof.engine import ContainerSpec, Engine
from buildproof.errors import EngineError
from buildproof.evidence import Artifact, Check, CheckStatus
from buildproof.lease import NoProgram, first_into, run_leased
from buildproof.limits import Limits
from buildproof.patience import patient
from buildproof.pod import put_probe
from buildproof.units import duration

_TIME_LIMIT_S = 120.0
_MOST_OUTPUT = 32 << 20  # a path has up to 4 KiB, and six bytes of JSON for each
_MOST_TOLD = 1000
_CODE = "/look"  # outside of everything that is a volume of the build's
_LIMITS = Limits(memory=256 << 20, pids=16)
_LINE = re.compile(rb"^\\?([0-9a-f]{64})  (.+)$", re.MULTILINE)
_ID = "artifact-hash"
_MEND = "Copy it again: see that there is space on this side, and look at the engine's own log."


def listed_inside(
    engine: Engine, *, image: str, container: str, folder: PurePosixPath, patterns: Sequence[str]
) -> dict[str, Listing]:
    """What each of the artifact `patterns` matches below `folder` in the volumes of `container`.

    `image` is the probe's: the walk is Python of ours. Raises EngineError.
    """
    argv = ("python3", "-B", "-s", "-m", "probe.outputs", str(folder), str(MOST_FILES), *patterns)
    code, output = _ask(engine, image, argv, container=container, with_probe=True)
    if code is None:
        late = f"the files that may match were not looked through in {duration(patient(_TIME_LIMIT_S))}"
        return dict.fromkeys(patterns, Listing(complaint=late))
    try:
        lines = [json.loads(line) for line in output.splitlines()]
        told = {line["pattern"]: line["too_many"] for line in lines if "too_many" in line}
        listings = {pattern: _listing(pattern, lines, index, told[index]) for index, pattern in enumerate(patterns)}
    except (ValueError, KeyError, TypeError) as error:
        said = output[-_MOST_TOLD:].decode("utf-8", "replace")
        raise EngineError(f"the list of the build's outputs broke off with exit code {code}: {said}") from error
    return listings


def _listing(pattern: str, lines: Sequence[dict[str, Any]], index: int, too_many: bool) -> Listing:
    if too_many:
        return Listing(complaint=f"up to the pattern {pattern!r} the artifact patterns match over {MOST_FILES} files")
    found = [
        Found(line["name"], line["kind"], line["size"]) for line in lines if line["pattern"] == index and "name" in line
    ]
    return Listing(found=tuple(sorted(found, key=lambda one: one.name)))


def hashes_inside(
    engine: Engine, *, image: str, container: str, folder: PurePosixPath, names: Sequence[str]
) -> dict[str, str] | None:
    """SHA-256 of the files `names` below `folder` in the volumes of `container`; None where the image cannot tell.

    Raises EngineError.
    """
    paths = {str(folder / name): name for name in names}
    if not paths:
        return {}
    try:
        _, output = _ask(engine, image, ("sha256sum", "--", *paths), container=container)
    except NoProgram:
        return None
    found = {paths.get(path.decode("utf-8", "replace")): digest.decode() for digest, path in _LINE.findall(output)}
    return {name: digest for name, digest in found.items() if name} or None


def _ask(
    engine: Engine, image: str, argv: tuple[str, ...], *, container: str, with_probe: bool = False
) -> tuple[int | None, bytes]:
    """Run a command beside the ended build, with its volumes; its exit code, or None when it took too long."""
    spec = ContainerSpec(
        image=image,
        argv=argv,
        environment={"PYTHONPATH": _CODE} if with_probe else {},
        labels=labels.of("look"),
        volumes_of=container,
        user="0",  # a build may leave files that nobody else may read
        limits=_LIMITS,
        cap_drop=("ALL",),
        cap_add=("DAC_OVERRIDE",),
        security=("no-new-privileges",),
    )
    output = bytearray()
    code = run_leased(
        engine,
        spec,
        first_into(output, _MOST_OUTPUT),
        time_limit_s=patient(_TIME_LIMIT_S),
        prepare=(lambda created: put_probe(engine, created, _CODE)) if with_probe else None,
    )
    return code, bytes(output)


def compared(artifact: Artifact, hashes: dict[str, str] | None) -> Check:
    """What the hash inside says of an artifact that came out."""
    inside = (hashes or {}).get(artifact.path)
    if artifact.sha256 is None or inside is None:
        why = "it could not be read here" if artifact.sha256 is None else "no sha256sum in the builder's image read it"
        return Check(id=_ID, status=CheckStatus.NOT_APPLICABLE, message=f"no two hashes to compare: {why}")
    if inside != artifact.sha256:
        return Check(
            id=_ID,
            status=CheckStatus.FAIL,
            message=f"the file that came out of the builder is not the one that is in it. {_MEND}",
            expected=inside,
            actual=artifact.sha256,
        )
    return Check(id=_ID, status=CheckStatus.PASS, message="the file came out of the builder as it was in it")
