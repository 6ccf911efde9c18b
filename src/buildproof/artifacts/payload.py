"""Payloads that are appended to executables on purpose, by how they begin or end."""

from __future__ import annotations

from buildproof.artifacts.reader import Reader

_STARTS = (
    (0, b"hsqs", "a squashfs file system (AppImage)"),
    (0, b"DWARFS", "a DwarFS file system (AppImage)"),
    (4, b"\xef\xbe\xad\xdeNullsoftInst", "the payload of an NSIS installer"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b";!@Install@!UTF-8!", "the configuration of a 7-Zip installer"),
    (0, b"MSCF", "a cabinet file"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"\x1f\x8b\x08", "gzip-compressed data"),
    (0, b"\xfd7zXZ\0", "xz-compressed data"),
    (0, b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (0, b"idska32\x1a", "the payload of an Inno Setup installer"),
    (0, b"zlb\x1a", "the payload of an Inno Setup installer"),
)
_ENDS = (
    (b"PK\x05\x06", 22 + 65535, "a ZIP archive"),
    (b"MEI\x0c\x0b\x0a\x0b\x0e", 4096, "the payload of PyInstaller"),
)


def payload_of(reader: Reader, rest: range) -> str | None:
    """What the bytes of `rest`, which run up to the end of a file, are for; None where nobody knows."""
    head = reader.read(rest.start, min(len(rest), 64), "the appended data")
    for at, magic, kind in _STARTS:
        if head[at:].startswith(magic):
            return kind
    for magic, most, kind in _ENDS:
        if reader.data.rfind(magic, max(rest.start, rest.stop - most), rest.stop) >= 0:
            return kind
    return None
