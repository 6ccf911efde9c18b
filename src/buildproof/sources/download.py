"""Crates and archives by address and checksum, kept in the user's cache under their checksum."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import requests

from buildproof.errors import FetchError, InputError, Place, Trouble
from buildproof.layout import downloads
from buildproof.manifest import Archive, Crate
from buildproof.ownership import scratch_prefix

_CRATES = "https://static.crates.io/crates/{name}/{version}/download"
_TIMEOUT_S = (20, 60)  # to connect, and between two packets
_LATER = frozenset({429, 500, 502, 503, 504})  # as for fetch commands, log_patterns.py: RFC 9110 15.6, RFC 6585 4
_NO_ANSWER = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,  # also of a body that is shorter than it said
)


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def archive_of(source: Crate | Archive, *, ca_bundle: Path | None, where: Place) -> Path:
    """The archive on this machine, its checksum verified.

    Raises FetchError when it cannot be downloaded, InputError when the checksum is another one.
    """
    if isinstance(source, Archive) and isinstance(source.location, Path):
        return _verified(source.location, source.sha256, where, str(source.location))
    kept = downloads() / source.sha256.lower()
    if kept.is_file() and sha256_of(kept) == source.sha256.lower():
        return kept
    address = _CRATES.format(name=source.name, version=source.version) if isinstance(source, Crate) else source.location
    handle, name = tempfile.mkstemp(dir=kept.parent, prefix=scratch_prefix())
    os.close(handle)
    partial = Path(name)
    try:
        _download(str(address), partial, ca_bundle, where)
        _verified(partial, source.sha256, where, str(address))
        partial.replace(kept)
    finally:
        partial.unlink(missing_ok=True)
    return kept


def _download(address: str, to: Path, ca_bundle: Path | None, where: Place) -> None:
    verify = str(ca_bundle) if ca_bundle else True
    try:
        with requests.get(address, stream=True, timeout=_TIMEOUT_S, verify=verify) as answer, to.open("wb") as file:
            answer.raise_for_status()
            for chunk in answer.iter_content(1 << 20):
                file.write(chunk)
    except requests.exceptions.SSLError as error:
        if "certificate" not in str(error).lower():  # the connection broke under its handshake
            raise FetchError(f"cannot download {address}: {error}", where=where, trouble=Trouble.NETWORK) from error
        raise FetchError(
            f"{address} answers with a certificate that is not trusted: {error}",
            where=where,
            next_step="name your network's CA bundle: --ca-bundle PATH or BUILDPROOF_CA_BUNDLE",
        ) from error
    except requests.exceptions.RequestException as error:
        trouble = Trouble.NETWORK if _may_pass(error) else None
        raise FetchError(f"cannot download {address}: {error}", where=where, trouble=trouble) from error


def _may_pass(error: requests.exceptions.RequestException) -> bool:
    """Whether the next try may have another answer: none came, it broke off, or it was "later"."""
    if isinstance(error, requests.exceptions.HTTPError):
        return error.response is not None and error.response.status_code in _LATER
    return isinstance(error, _NO_ANSWER)


def _verified(path: Path, sha256: str, where: Place, name: str) -> Path:
    try:
        found = sha256_of(path)
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}", where=where) from error
    if found != sha256.lower():
        raise InputError(
            f"{name} has another checksum than the manifest says\n  expected sha256 {sha256}\n  found    sha256 "
            f"{found}",
            where=where,
            next_step="do not trust the file before you know why; then put the right checksum into the manifest",
        )
    return path
