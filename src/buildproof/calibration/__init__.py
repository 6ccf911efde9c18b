"""The calibration: known loads through the very same path as a build, expected against observed."""

from buildproof.calibration.loads import LOADS
from buildproof.calibration.run import MANIFEST, calibrate

__all__ = ["LOADS", "MANIFEST", "calibrate"]
