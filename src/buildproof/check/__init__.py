"""Judge files that came from anywhere: `buildproof check`."""

from buildproof.check.command import check_files
from buildproof.check.rulebook import rulebook

__all__ = ["check_files", "rulebook"]
