"""What every reader of packages hands out: members, and the two reasons for which there are none."""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from backports.zstd import ZstdError

Stream = IO[bytes] | io.RawIOBase
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, ZstdError, EOFError, OSError, ValueError,
    RuntimeError, NotImplementedError, LookupError, OverflowError, struct.error,
)  # fmt: skip


class BrokenError(Exception):
    """The package cannot be read to its end."""


class NotOpenedError(Exception):
    """The package may be sound, but is of a kind that is not read here: the text says which."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One entry. `size` is what the package says; `link` is where a link points, None for what is none.

    `open` gives the content of a regular file, once, and before the next member is asked for.
    """

    name: str
    size: int
    regular: bool
    link: str | None
    special: bool
    open: Callable[[], Stream]


@contextmanager
def told() -> Iterator[None]:
    """Turn what libraries raise for damaged packages into BrokenError."""
    try:
        yield
    except _DAMAGE as error:
        raise BrokenError(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error
