"""`buildproof shell`: a build's own box, entered by a person."""

from buildproof.shell.enter import enter

__all__ = ["enter"]
