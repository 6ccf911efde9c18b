"""Packages that programs are shipped in: opened safely, and every executable inside judged like any other.

`is_bundle` says whether a file of this name is one, `examine_bundle` judges it: the package itself first, then each
executable in it as an artifact of its own, named `package.zip!bin/app.exe`.
"""

from buildproof.bundles.examination import RULES, examine_bundle, is_bundle

__all__ = ["RULES", "examine_bundle", "is_bundle"]
