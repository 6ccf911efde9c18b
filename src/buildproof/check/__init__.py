"""Judge files that came from anywhere: `buildproof check`."""

from buildproof.check.command import check_files

__all__ = ["check_files"]
