"""What a build promises of an artifact: expected, never sniffed out of the file that is to be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from buildproof.hardening import Hardening, Symbols
from buildproof.targets import Kind, Target


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The platform, the kind, and what the project chose.

    `windows` is the oldest Windows to start on, `glibc` the newest glibc that may be needed; None is the policy's
    default, and no limit. `libraries` are globs of what may be needed beside the system. `beside` has, for each file
    that is shipped in the same folder, what it exports, or None where that is not known; DLLs in lower case.
    `size` is the most bytes that the file may have. `contains` are globs of what has to be in a package.
    """

    target: Target
    kind: Kind = Kind.PROGRAM
    windows: str | None = None
    glibc: str | None = None
    libraries: tuple[str, ...] = ()
    beside: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    hardening: Hardening = Hardening.NONE
    symbols: Symbols = Symbols.ANY
    size: int | None = None
    contains: tuple[str, ...] = ()

    def asks_for(self, level: Hardening) -> str | None:
        """None where the project's hardening has `level` in it, or why its rules do not apply."""
        return None if self.hardening.includes(level) else f"the project's hardening is {self.hardening}, not {level}"

    def allows(self, library: str) -> bool:
        """Whether the project says itself that this library is there."""
        return any(fnmatchcase(library.lower(), glob.lower()) for glob in self.libraries)
