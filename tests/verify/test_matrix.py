"""The matrix: one build, then one test per claim; the claims are those of the installed suite."""

from buildproof.suite import *  # noqa: F403
