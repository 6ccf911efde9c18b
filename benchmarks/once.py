"""One build under buildproof, in a run of its own."""

from __future__ import annotations

import secrets

from buildproof.ca import ca_bundle
from buildproof.layout import user_cache
from buildproof.plan import Build
from buildproof.record import BuildRecord
from buildproof.runfolder import RunFolder
from buildproof.session import Session


def once(build: Build) -> tuple[BuildRecord, RunFolder]:
    """The record of one run of `build`, whatever its verdict, and the run's folder."""
    folder = RunFolder(user_cache() / "benchmarks" / f"{build.id}-{secrets.token_hex(4)}")
    session = Session(folder, ca_bundle=ca_bundle(None), say=lambda _line: None)
    try:
        session.prepare([build])
        record = session.outcome(build)
    finally:
        session.close()
    return record, folder
