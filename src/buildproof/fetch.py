"""The fetch step: with network, unmeasured, into a volume filled once for the same image, command and inputs."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import IO

from filelock import FileLock

from buildproof import labels, layout
from buildproof.box import Box, bounded, folders
from buildproof.engine import ContainerSpec, Engine
from buildproof.errors import FetchError, Trouble
from buildproof.images.store import Image
from buildproof.layout import CA_BUNDLE, CACHE, CACHE_VOLUME, FETCHED, HOME, SOURCE, WORK, fetch_lock
from buildproof.lease import leased
from buildproof.limits import Limits
from buildproof.log_patterns import network_failure
from buildproof.logs import Log
from buildproof.manifest import Fetch
from buildproof.plan import Build
from buildproof.sources import SourceTree, open_source
from buildproof.trust import Trust
from buildproof.units import duration

_CA_VARIABLES = (
    "SSL_CERT_FILE",
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
)
_KEY_DIGITS = 16
_LIMITS = bounded(Limits(memory=4 << 30))  # unmeasured, and not without bounds


def volume_name(build: Build, image: Image, fetch: Fetch, tree: SourceTree) -> str:
    """The name of the volume: other inputs, another name.

    A command may read files that are not among its inputs. Where a stranger wrote them every file counts as one, so
    that what they fetch is no other build's; the environment, which tells tools where to load from, always counts.
    """
    inputs = () if build.trust is Trust.LIMITS else fetch.inputs
    environment = json.dumps([Box.of(build.builder).user, dict(build.environment)], sort_keys=True)
    parts = (image.id, fetch.command, environment, tree.digest(inputs))
    key = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
    return f"buildproof-fetch-{build.project}-{key[:_KEY_DIGITS]}"


class Fetcher:
    """Fills fetch volumes on one engine."""

    def __init__(self, engine: Engine, *, ca_bundle: Path | None) -> None:
        self._engine, self._ca_bundle = engine, ca_bundle

    def volume(self, build: Build, fetch: Fetch, *, image: Image, tree: SourceTree, log: Log) -> str:
        """The volume with what a build needs, filled now unless it was before; FetchError with the last output.

        `tree` are the build's sources. Where nothing of a pull request is trusted with the network, the base's own
        sources are fetched for, in the base's own environment.
        """
        if build.base:
            build = build.base
            project = build.manifest.project
            tree = open_source(project.source, ca_bundle=self._ca_bundle, where=project.source_place)
        name = volume_name(build, image, fetch, tree)
        box = Box.of(build.builder)
        with FileLock(fetch_lock(name)):
            self._engine.create_volume(name, labels.of("fetch"), shared=False)
            container = self._engine.create(self._spec(name, fetch, image, build).in_box(box))
            try:
                if not self._engine.exists(container, str(FETCHED)):
                    self._fill(container, fetch, tree, box.owner, log)
            finally:
                self._engine.remove(container)
            # From here on it is no run's own.
            self._engine.create_volume(f"{name}-full", {**labels.of("fetch"), labels.FULL: name}, shared=True)
        return name

    def _spec(self, volume: str, fetch: Fetch, image: Image, build: Build) -> ContainerSpec:
        trust = dict.fromkeys(_CA_VARIABLES, str(CA_BUNDLE)) if self._ca_bundle else {}
        spec = ContainerSpec(
            image=image.reference,
            argv=("/bin/sh", "-c", '/bin/sh -c "$1" </dev/null', "fetch", fetch.command),
            environment={**layout.environment(build.environment), **trust},
            labels=labels.of("fetch"),
            workdir=str(SOURCE),
            network="bridge",
            limits=_LIMITS,
            volumes={volume: (str(CACHE_VOLUME), True)},
        )
        return leased(spec, time_limit_s=fetch.time_limit_s)

    def _fill(self, container: str, fetch: Fetch, tree: SourceTree, owner: tuple[int, int], log: Log) -> None:
        self._engine.put(container, str(WORK), folders(owner, SOURCE.name, HOME.name))
        self._engine.put(container, str(CACHE_VOLUME), folders(owner, CACHE.name))
        with tree.tar(owner) as tar:
            self._engine.put(container, str(SOURCE), tar)
        if self._ca_bundle:
            self._engine.put(container, str(WORK), _single(CA_BUNDLE.name, self._ca_bundle))
        code = self._engine.run_to_end(container, log.write, timeout_s=fetch.time_limit_s)
        log.end()
        if code == 0:
            self._engine.put(container, str(CACHE_VOLUME), folders((0, 0), FETCHED.name))
            return
        how = f"exited with status {code}" if code is not None else f"still ran after {duration(fetch.time_limit_s)}"
        said = "\n".join(f"    {line}" for line in list(log.last_lines)[-12:])
        raise FetchError(
            f"the fetch command {fetch.command!r} {how}; its last output was:\n{said}",
            where=fetch.place,
            next_step="where the network inspects TLS, name its CA bundle: --ca-bundle PATH or BUILDPROOF_CA_BUNDLE",
            trouble=Trouble.NETWORK if code is not None and network_failure(log.last_lines) else None,
        )


def _single(name: str, path: Path) -> IO[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tar.gettarinfo(path.resolve(), name)
        info.mode = 0o644
        with path.open("rb") as file:
            tar.addfile(info, file)
    buffer.seek(0)
    return buffer
