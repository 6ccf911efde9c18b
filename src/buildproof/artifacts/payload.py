"""Payloads that are appended to executables on purpose, by how they begin or end."""

from __future__ import annotations

from enum import StrEnum

from buildproof.artifacts.reader import Reader


class Payload(StrEnum):
    """What is known to be appended, in words."""

    SQUASHFS = "a squashfs file system (AppImage)"
    DWARFS = "a DwarFS file system (AppImage)"
    NSIS = "the payload of an NSIS installer"
    ZIP = "a ZIP archive"
    SEVEN_ZIP = "a 7-Zip archive"
    SEVEN_ZIP_INSTALLER = "the configuration of a 7-Zip installer"
    CABINET = "a cabinet file"
    RAR = "a RAR archive"
    GZIP = "gzip-compressed data"
    XZ = "xz-compressed data"
    ZSTD = "zstd-compressed data"
    INNO_SETUP = "the payload of an Inno Setup installer"
    PYINSTALLER = "the payload of PyInstaller"


_STARTS = (
    (0, b"hsqs", Payload.SQUASHFS),
    (0, b"DWARFS", Payload.DWARFS),
    (4, b"\xef\xbe\xad\xdeNullsoftInst", Payload.NSIS),
    (0, b"PK\x03\x04", Payload.ZIP),
    (0, b"7z\xbc\xaf\x27\x1c", Payload.SEVEN_ZIP),
    (0, b";!@Install@!UTF-8!", Payload.SEVEN_ZIP_INSTALLER),
    (0, b"MSCF", Payload.CABINET),
    (0, b"Rar!\x1a\x07", Payload.RAR),
    (0, b"\x1f\x8b\x08", Payload.GZIP),
    (0, b"\xfd7zXZ\0", Payload.XZ),
    (0, b"\x28\xb5\x2f\xfd", Payload.ZSTD),
    (0, b"idska32\x1a", Payload.INNO_SETUP),
    (0, b"zlb\x1a", Payload.INNO_SETUP),
)
_ENDS = (
    (b"PK\x05\x06", 22 + 65535, Payload.ZIP),
    (b"MEI\x0c\x0b\x0a\x0b\x0e", 4096, Payload.PYINSTALLER),
)


def payload_of(reader: Reader, rest: range) -> Payload | None:
    """What the bytes of `rest`, which run up to the end of a file, are for; None where nobody knows."""
    head = reader.read(rest.start, min(len(rest), 64), "the appended data")
    for at, magic, kind in _STARTS:
        if head[at:].startswith(magic):
            return kind
    for magic, most, kind in _ENDS:
        if reader.data.rfind(magic, max(rest.start, rest.stop - most), rest.stop) >= 0:
            return kind
    return None
