"""The build context of an image as a tar, and the hash of all that goes into it."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from buildproof.builder import BuildContext
from buildproof.errors import Place
from buildproof.sources import IgnoreRules, SourceTree, walk_folder

CA_BUNDLE = "ca-bundle.crt"


class Context:
    """One image's inputs. `dockerfile` is its text with all parents resolved."""

    def __init__(self, build: BuildContext, dockerfile: str) -> None:
        self._build, self._dockerfile = build, dockerfile
        self._name = build.dockerfile.name
        rules = IgnoreRules.at_root(build.context, git=False)
        entries = walk_folder(build.context, rules, Place(build.context))
        self._tree = SourceTree(build.context, tuple(e for e in entries if e.name not in {self._name, CA_BUNDLE}))

    def digest(self) -> str:
        """SHA-256 over the Dockerfile, the files, the arguments and the stage.

        The CA bundle is left out: it decides whether a download works, not what is in it.
        """
        parts = [
            self._dockerfile,
            self._tree.digest(),
            self._build.target or "",
            repr(sorted(self._build.args.items())),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def tar(self, ca_bundle: Path | None) -> IO[bytes]:
        """The context for the engine: to be closed by the caller."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 (handed to the caller)
        with (
            self._tree.tar() as files,
            tarfile.open(fileobj=files) as tree,
            tarfile.open(fileobj=file, mode="w") as out,
        ):
            for member in tree:
                out.addfile(member, tree.extractfile(member) if member.isreg() else None)
            _add(out, "Dockerfile", self._dockerfile.encode())
            _add(out, CA_BUNDLE, ca_bundle.read_bytes() if ca_bundle else b"")
        file.seek(0)
        return file


def _add(out: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    out.addfile(info, io.BytesIO(content))
