"""How long to wait for an engine: an emulated or far-away one needs more time for the same answer."""

from __future__ import annotations

import os

from buildproof.errors import InputError

VARIABLE = "BUILDPROOF_PATIENCE"


def patience() -> float:
    """The factor that BUILDPROOF_PATIENCE names, 1 or more; 1 by default. Raises InputError for anything else."""
    text = os.environ.get(VARIABLE) or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= 1000:
        raise InputError(f"{VARIABLE} is {text!r}", next_step="give it a factor from 1 to 1000, such as 10")
    return factor


def patient(seconds: float) -> float:
    """A wait of ours for the engine, lengthened. What limits a build is never lengthened by this."""
    return seconds * patience()
