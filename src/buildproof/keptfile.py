"""A file that a build leaves behind: written as long as its disk takes it, for a build is not lost with its log."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self


class KeptFile:
    """Takes what is written down to the disk at once. When that fails, nothing more is written, and `lost` says why."""

    def __init__(self, path: Path, *, text: bool = False) -> None:
        self.path = path
        self.lost: str | None = None
        self._file: IO[Any] = path.open("w", encoding="utf-8", buffering=1) if text else path.open("wb", buffering=0)

    def write(self, data: Any) -> None:
        """Write all of it, or give the file up."""
        if self.lost is not None:
            return
        rest = data
        try:
            while rest:
                rest = rest[self._file.write(rest) :]  # a raw file may take less than it was given: a disk nearly full
        except OSError as error:
            self.lost = error.strerror or str(error)

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.lost = self.lost or error.strerror or str(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
