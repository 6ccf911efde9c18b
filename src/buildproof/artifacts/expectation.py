"""What a build promises of an artifact: expected, never sniffed out of the file that is to be judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from buildproof.targets import Target


class Kind(StrEnum):
    """What an executable file is for."""

    PROGRAM = "program"  # a user starts it
    LIBRARY = "library"  # a DLL or shared object, loaded into a program


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The platform, the kind, and what the project chose."""

    target: Target
    kind: Kind = Kind.PROGRAM
