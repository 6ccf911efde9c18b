"""Judges what a build put out: is this file really a program for that target?

`examine` is the door. `RULES` holds every rule of every format, in the order in which they are asked; the scheme of
their ids is told in `rule`. What a rule needs to know of a file is read by `pe.image` and `elf.image`, so that a rule
is one small function over facts.
"""

from buildproof.artifacts.examination import OBJECT_RULES, RULES, examine
from buildproof.artifacts.expectation import Expectation
from buildproof.targets import Kind

__all__ = ["OBJECT_RULES", "RULES", "Expectation", "Kind", "examine"]
