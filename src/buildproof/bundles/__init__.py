"""Packages that programs are shipped in: opened safely, and every executable inside judged like any other.

`examine_output` judges any output of a build: an executable, or a package and each executable in it as an artifact of
its own, named `package.zip!bin/app.exe`.
"""

from buildproof.bundles.examination import examine_output
from buildproof.bundles.rules import RULES

__all__ = ["RULES", "examine_output"]
