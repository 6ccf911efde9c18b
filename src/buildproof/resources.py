"""Where the shipped builders are: in a checkout and in an installed copy."""

from __future__ import annotations

from pathlib import Path

from buildproof.errors import InputError

_PACKAGE = Path(__file__).resolve().parent


def dockerfiles() -> Path:
    """The folder with the shipped Compose file and one folder per image.

    In a wheel it is inside of the package (`force-include` in pyproject.toml), in a checkout beside `src`.
    """
    for folder in (_PACKAGE / "dockerfiles", _PACKAGE.parent.parent / "dockerfiles"):
        if folder.is_dir():
            return folder
    raise InputError(
        f"this copy of buildproof has no builders: neither {_PACKAGE / 'dockerfiles'} "
        f"nor {_PACKAGE.parent.parent / 'dockerfiles'} exists",
        next_step="pip install --force-reinstall buildproof",
    )


def shipped_compose() -> Path:
    """The Compose file with the shipped builders, for manifests that name none."""
    return dockerfiles() / "compose.yml"
