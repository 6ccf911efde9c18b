"""buildproof proves, with evidence from the kernel, that native projects cross-compile in limited builders."""

__version__ = "0.1.0"
