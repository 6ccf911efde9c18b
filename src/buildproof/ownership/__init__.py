"""Who owns what buildproof makes, written onto it as labels, and whether that owner is still alive."""

from buildproof.ownership.judgement import Here, why_dead
from buildproof.ownership.mark import LONGEST_S, Keep, Mark, Owner, Process
from buildproof.ownership.process import here, this_process
from buildproof.ownership.scratch import abandoned, scratch_folder, scratch_prefix

__all__ = [
    "LONGEST_S",
    "Here",
    "Keep",
    "Mark",
    "Owner",
    "Process",
    "abandoned",
    "here",
    "scratch_folder",
    "scratch_prefix",
    "this_process",
    "why_dead",
]
