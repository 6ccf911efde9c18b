"""This repository's tests use the plugin as it stands in `src`."""

pytest_plugins = ["buildproof.plugin"]
