"""The box: what a container that runs a project's own code may do, and whose it is."""

from buildproof.box.box import Box, bounded
from buildproof.box.folders import folders
from buildproof.box.rights import RIGHTS, rights_in_force

__all__ = ["RIGHTS", "Box", "bounded", "folders", "rights_in_force"]
