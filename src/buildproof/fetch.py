"""The fetch step: with network, unmeasured, into a volume filled once for the same image, command and inputs."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from filelock import FileLock

from buildproof import labels
from buildproof.engine import ContainerSpec, Engine
from buildproof.errors import FetchError, Trouble
from buildproof.images.store import Image
from buildproof.layout import CA_BUNDLE, CACHE, FETCHED, SOURCE, fetch_lock
from buildproof.lease import leased
from buildproof.log_patterns import network_failure
from buildproof.logs import Log
from buildproof.manifest import Fetch
from buildproof.sources import SourceTree
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


def volume_name(project: str, image: Image, fetch: Fetch, tree: SourceTree) -> str:
    """The name of the volume: other inputs, another name."""
    key = hashlib.sha256("\0".join((image.id, fetch.command, tree.digest(fetch.inputs))).encode()).hexdigest()
    return f"buildproof-fetch-{project}-{key[:_KEY_DIGITS]}"


class Fetcher:
    """Fills fetch volumes on one engine."""

    def __init__(self, engine: Engine, *, ca_bundle: Path | None) -> None:
        self._engine, self._ca_bundle = engine, ca_bundle

    def volume(
        self, project: str, fetch: Fetch, *, image: Image, tree: SourceTree, environment: Mapping[str, str], log: Log
    ) -> str:
        """The volume with what the project needs, filled now unless it was before; FetchError with the last output."""
        name = volume_name(project, image, fetch, tree)
        with FileLock(fetch_lock(name)):
            self._engine.create_volume(name, labels.of("fetch"))
            container = self._engine.create(self._spec(name, fetch, image, environment))
            try:
                if not self._engine.exists(container, str(FETCHED)):
                    self._fill(container, fetch, tree, log)
            finally:
                self._engine.remove(container)
        return name

    def _spec(self, volume: str, fetch: Fetch, image: Image, environment: Mapping[str, str]) -> ContainerSpec:
        trust = dict.fromkeys(_CA_VARIABLES, str(CA_BUNDLE)) if self._ca_bundle else {}
        spec = ContainerSpec(
            image=image.reference,
            argv=("/bin/sh", "-c", f'/bin/sh -c "$1" </dev/null && : > {FETCHED}', "fetch", fetch.command),
            environment={**environment, **trust},
            labels={**labels.of("fetch"), labels.FILLS: volume},
            workdir=str(SOURCE),
            network="bridge",
            volumes={volume: (str(CACHE), True)},
            scratch=(str(SOURCE),),
        )
        return leased(spec, time_limit_s=fetch.time_limit_s)

    def _fill(self, container: str, fetch: Fetch, tree: SourceTree, log: Log) -> None:
        with tree.tar() as tar:
            self._engine.put(container, str(SOURCE), tar)
        if self._ca_bundle:
            self._engine.put(container, str(CA_BUNDLE.parent), _single(CA_BUNDLE.name, self._ca_bundle))
        code = self._engine.run_to_end(container, log.write, timeout_s=fetch.time_limit_s)
        if code == 0:
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
        tar.add(path.resolve(), name)
    buffer.seek(0)
    return buffer
