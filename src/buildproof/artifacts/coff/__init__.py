"""COFF: the objects that linkers for Windows read, `.obj` and `.o`."""

from buildproof.artifacts.coff.image import CoffObject
from buildproof.artifacts.coff.rules import RULES

__all__ = ["RULES", "CoffObject"]
