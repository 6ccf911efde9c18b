"""What runs left in the engine: found by its labels, judged by its owner, and removed. Never a prune."""

from buildproof.leftovers.clean import clean
from buildproof.leftovers.judgement import KEPT, Standing, is_kept
from buildproof.leftovers.sweep import sweep, sweep_run, sweep_scratch

__all__ = ["KEPT", "Standing", "clean", "is_kept", "sweep", "sweep_run", "sweep_scratch"]
