"""Paths inside containers and on the client: one place, so that every room means the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

WORK = PurePosixPath("/buildproof")  # a volume of the container's own, with all that a build may write
SOURCE = WORK / "src"  # the build's working directory
HOME = WORK / "home"
CACHE_VOLUME = WORK / "cache"  # what the fetch step left, mounted read-only into the build
CACHE = CACHE_VOLUME / "files"  # the part of it that the fetch step may write
FETCHED = CACHE_VOLUME / ".buildproof-fetched"  # put there once the fetch step has succeeded
CA_BUNDLE = PurePosixPath("/buildproof/ca-bundle.crt")  # in the fetch container alone
STAGE = PurePosixPath("/buildproof/run")  # where an artifact is started

STATE_FOLDER = ".buildproof"
BASELINE_FILE = "buildproof-baseline.jsonl"  # in the root folder, beside it


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables of a build or a fetch step: where home and cache are, and what a builder and a build say."""
    return {"HOME": str(HOME), "CARGO_HOME": str(CACHE / "cargo"), "BUILDPROOF_CACHE": str(CACHE), **given}


def user_cache() -> Path:
    """Where downloads and locks are kept between runs: XDG_CACHE_HOME, see the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "buildproof"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def downloads() -> Path:
    """Where sources from elsewhere are kept, each named by its checksum."""
    folder = user_cache() / "sources"
    folder.mkdir(exist_ok=True)
    return folder


def fetch_lock(volume: str) -> Path:
    """The lock that is held on this host while a fetch volume is being filled."""
    lock = user_cache() / "locks" / volume
    lock.parent.mkdir(parents=True, exist_ok=True)
    return lock
