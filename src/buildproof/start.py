"""Start an artifact in a clean container: no network or display, limited, an ordinary user, never through a shell."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import IO

from buildproof import labels
from buildproof.collect import Collected
from buildproof.engine import ContainerSpec, Engine
from buildproof.evidence import Started
from buildproof.hostile import plain
from buildproof.images.store import Image
from buildproof.layout import STAGE
from buildproof.lease import first_into, run_leased
from buildproof.limits import Limits
from buildproof.manifest import Starts
from buildproof.patience import patient
from buildproof.targets import Target
from buildproof.units import duration

TIME_LIMIT_S = 120.0
_USER = "1000:1000"
_LIMITS = Limits(memory=1 << 30, pids=256, cpus=2.0, rlimits={"fsize": (1 << 30, 1 << 30)})
_MOST_OUTPUT = 1 << 16
_SEARCH_S = 10.0
_NOT_FOUND = 3


def argv_for(target: Target, path: PurePosixPath, args: Sequence[str]) -> tuple[str, ...]:
    """The words to execute: PE files through Wine, ELF files as they are."""
    program = (str(path), *args)
    return ("wine", *program) if target.platform == "windows" else program


def start(
    engine: Engine, *, image: Image, target: Target, outputs: Sequence[Collected], name: str, expected: Starts
) -> Started:
    """Execute the output `name`, all outputs lying beside it, and compare with what is expected.

    Raises EngineError.
    """
    argv = argv_for(target, STAGE / name, expected.args)
    spec = ContainerSpec(
        image=image.reference,
        argv=argv,
        labels=labels.of("start"),
        workdir=str((STAGE / name).parent),
        user=_USER,
        limits=_LIMITS,
        cap_drop=("ALL",),
        security=("no-new-privileges",),
    )
    output = bytearray()
    began = 0.0

    def stage(container: str) -> None:
        nonlocal began
        with _staged(outputs) as tar:
            engine.put(container, "/", tar)
        began = time.monotonic()

    exit_code = run_leased(
        engine, spec, first_into(output, _MOST_OUTPUT), time_limit_s=patient(TIME_LIMIT_S), prepare=stage
    )
    took = time.monotonic() - began
    text = plain(bytes(output).decode("utf-8", "replace"))
    return Started(
        image=image.reference,
        argv=argv,
        exit_code=exit_code,
        stdout=text,
        duration_s=round(took, 2),
        complaint=_complaint(exit_code, text, expected),
    )


def _complaint(exit_code: int | None, stdout: str, expected: Starts) -> str | None:
    shown = " / ".join(stdout.strip().splitlines()[-5:])[:400] or "nothing"
    if exit_code is None:
        return f"it still ran after {duration(patient(TIME_LIMIT_S))}; it had printed: {shown}"
    if exit_code != expected.exit_code:
        return f"exit code {exit_code}, expected {expected.exit_code}; it printed: {shown}"
    found = expected.stdout is None or _is_found(expected.stdout, stdout)
    if found is None:
        return f"comparing its output with {expected.stdout!r} took more than {duration(patient(_SEARCH_S))}"
    return None if found else f"its output does not match {expected.stdout!r}; it printed: {shown}"


def _is_found(pattern: str, text: str) -> bool | None:
    """Whether a regular expression matches; None when that took too long, as `(a+)+$` does: it is a stranger's.

    In a process of its own, for nothing else can stop `re`.
    """
    script = f"import re, sys; sys.exit(0 if re.search(sys.argv[1], sys.stdin.read(), re.MULTILINE) else {_NOT_FOUND})"
    try:
        tried = subprocess.run(
            (sys.executable, "-I", "-c", script, pattern),
            input=text.encode("utf-8", "replace"),
            env={"PYTHONUTF8": "1"},
            timeout=patient(_SEARCH_S),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return tried.returncode == 0


def _staged(outputs: Sequence[Collected]) -> IO[bytes]:
    """The outputs as a tar in an unnamed temporary file: they may be larger than memory."""
    staged = tempfile.TemporaryFile()  # noqa: SIM115 (handed to the caller)
    with tarfile.open(fileobj=staged, mode="w") as tar:
        for output in outputs:
            if output.path:
                info = tar.gettarinfo(output.path, str(STAGE / output.name).lstrip("/"))
                info.mode, info.uid, info.gid, info.uname, info.gname = 0o755, 0, 0, "", ""
                with output.path.open("rb") as file:
                    tar.addfile(info, file)
    staged.seek(0)
    return staged
