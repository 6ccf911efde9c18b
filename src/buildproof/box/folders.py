"""Folders for the user of a box: an engine makes its volumes for root, and takes owners from a tar."""

from __future__ import annotations

import io
import tarfile


def folders(owner: tuple[int, int], *names: str) -> bytes:
    """A tar with these folders, each after the one that it is in, for the user and group `owner` alone to write."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.mode, (info.uid, info.gid) = tarfile.DIRTYPE, 0o755, owner
            tar.addfile(info)
    return buffer.getvalue()
