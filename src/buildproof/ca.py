"""Which CA bundle downloads trust: behind a network that inspects TLS a fresh container does not know the CA."""

from __future__ import annotations

import os
from pathlib import Path

from buildproof.errors import InputError

VARIABLE = "BUILDPROOF_CA_BUNDLE"
_OFF = {"", "none", "off"}
_SYSTEM = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu, Arch, Alpine
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora, RHEL
    Path("/etc/ssl/cert.pem"),  # macOS, BSD
)


def ca_bundle(chosen: str | None) -> Path | None:
    """The bundle named by the option, BUILDPROOF_CA_BUNDLE or SSL_CERT_FILE, else the host's own; None for `off`.

    Raises InputError when the one that was named is not there.
    """
    for source, value in (("--ca-bundle", chosen), (VARIABLE, os.environ.get(VARIABLE))):
        if value is not None:
            if value.lower() in _OFF:
                return None
            if not Path(value).is_file():
                raise InputError(f"{source} names {value}, which is no file", next_step="name a PEM file, or `off`")
            return Path(value).resolve()
    named = os.environ.get("SSL_CERT_FILE")
    candidates = [Path(named)] if named else []
    return next((path for path in (*candidates, *_SYSTEM) if path.is_file()), None)
