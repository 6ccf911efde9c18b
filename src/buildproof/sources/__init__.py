"""Source trees on their way into a container: from a folder, a crate or an archive, as one deterministic tar."""

from buildproof.sources.ignore import IgnoreRules
from buildproof.sources.tree import SourceTree, open_source, walk_folder

__all__ = ["IgnoreRules", "SourceTree", "open_source", "walk_folder"]
