"""Gather what preflight judges: the engine's word, and what can be seen of its host from here."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from buildproof.engine import Engine
from buildproof.errors import EngineError
from buildproof.facts import HostFacts
from buildproof.limits import Limits
from buildproof.patience import patient
from buildproof.pod import probe_spec, put_probe
from buildproof.preflight import Finding, examine_engine

_HELLO_S = 20.0


def engine_is_local() -> bool:
    """Whether the engine's host is this machine: it is reached over a Unix socket, and it is no virtual machine's."""
    host = os.environ.get("DOCKER_HOST", "unix://")
    return host.startswith("unix://")


def host_facts(engine: Engine, probe_image: str | None) -> HostFacts:
    """Free disk where the engine keeps its data, swap, and whether acct(2) works; `probe_image` must be present."""
    root = Path(engine.facts().root)
    local = engine_is_local() and root.is_dir()
    disk_free = shutil.disk_usage(root).free if local else None
    hello = _hello(engine, probe_image) if probe_image else None
    return HostFacts(
        disk_free=disk_free,
        swap=None if hello is None else hello.get("host_swap"),
        accounting_tried=hello is not None,
        accounting_refused=None if hello is None else hello.get("accounting_refused"),
    )


def memory_available(engine: Engine, probe_image: str) -> int | None:
    """Bytes that the engine's host could give to new programs now, as a probe reads it; None: unknown."""
    available = _hello(engine, probe_image).get("host_available")
    return available if isinstance(available, int) else None


def _hello(engine: Engine, image: str) -> dict[str, Any]:
    """The probe's first event, from a probe with nothing to watch."""
    container = engine.create(probe_spec(image, deadline_s=patient(_HELLO_S)))
    attachment = None
    with contextlib.ExitStack() as stack:
        stack.callback(engine.remove, container)
        put_probe(engine, container)
        attachment = stack.enter_context(contextlib.closing(engine.attach(container)))
        engine.start(container)
        said = b""
        for chunk in attachment.chunks():
            said += chunk
            if b"\n" in said:
                break
        with contextlib.suppress(ValueError):
            return dict(json.loads(said.partition(b"\n")[0]))
    raise EngineError(
        f"the probe does not run on this engine: {said.decode('utf-8', 'replace').strip() or 'it is silent'}"
    )


def diagnose(engine: Engine, probe_image: str | None, builders: Sequence[tuple[str, Limits]] = ()) -> list[Finding]:
    """All findings about an engine."""
    return examine_engine(engine.facts(), host_facts(engine, probe_image), builders)
