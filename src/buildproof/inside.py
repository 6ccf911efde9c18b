"""Hashes of a build's outputs taken where the build wrote them, before anything carries them out.

A copy can go wrong on its way: a full disk on this side, a network, an engine's archive. The same hash on both sides
says that it did not. They are taken in a container of their own, beside the ended build: nothing of it is charged to
the build, and nothing has to run in it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from buildproof import labels
from buildproof.engine import ContainerSpec, Engine
from buildproof.evidence import Artifact, Check, CheckStatus
from buildproof.lease import NoProgram, run_leased

_TIME_LIMIT_S = 120.0
_MOST_OUTPUT = 1 << 20
_LINE = re.compile(rb"^\\?([0-9a-f]{64})  (.+)$", re.MULTILINE)
_ID = "artifact-hash"
_MEND = "Copy it again: see that there is space on this side, and look at the engine's own log."


def hashes_inside(
    engine: Engine, *, image: str, container: str, folder: PurePosixPath, names: Sequence[str]
) -> dict[str, str] | None:
    """SHA-256 of the files `names` below `folder` in the volumes of `container`; None where the image cannot tell.

    Raises EngineError.
    """
    paths = {str(folder / name): name for name in names}
    if not paths:
        return {}
    spec = ContainerSpec(
        image=image,
        argv=("sha256sum", "--", *paths),
        labels=labels.of("hash"),
        volumes_of=container,
        user="0",  # a build may leave files that nobody else may read
        cap_drop=("ALL",),
        cap_add=("DAC_OVERRIDE",),
        security=("no-new-privileges",),
    )
    output = bytearray()
    with contextlib.suppress(NoProgram):
        run_leased(
            engine, spec, lambda data: output.extend(data[: _MOST_OUTPUT - len(output)]), time_limit_s=_TIME_LIMIT_S
        )
    found = {paths.get(path.decode("utf-8", "replace")): digest.decode() for digest, path in _LINE.findall(output)}
    return {name: digest for name, digest in found.items() if name} or None


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
