"""From a path to a document: the file's kind is its suffix."""

from __future__ import annotations

from pathlib import Path

from buildproof.document.document import Document
from buildproof.document.toml import read_toml
from buildproof.document.yaml import read_yaml
from buildproof.errors import InputError, Place

_LARGEST = 1 << 20


def read(path: Path) -> Document:
    """Data and positions of the TOML (`.toml`) or YAML (any other suffix) file at `path`.

    Raises InputError when there is no such file, or it is no text, empty or malformed.
    """
    text = _text(path)
    return read_toml(path, text) if path.suffix == ".toml" else read_yaml(path, text)


def _text(path: Path) -> str:
    where = Place(path)
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise InputError("no such file", where=where) from None
    except IsADirectoryError:
        raise InputError("is a directory, not a file", where=where) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=where) from None
    except ValueError:
        raise InputError(
            "is no path: it contains a NUL character", where=Place(Path(str(path).replace("\0", "?")))
        ) from None
    if len(raw) > _LARGEST:
        raise InputError("is larger than 1 MiB: this cannot be the file that was meant", where=where)
    try:
        text = raw.decode("utf-8-sig")  # editors on Windows put a byte order mark in front
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"is not UTF-8 text: byte 0x{raw[error.start]:02x} in this line", where=Place(path, line)
        ) from None
    if not text.strip():
        raise InputError("is empty", where=where)
    return text
