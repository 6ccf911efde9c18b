"""Packages to be judged in tests, put together here; `tests/unit/samples` has what the real tools make."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from backports import zstd
from tests.unit.binaries_elf import minimal_elf

Files = dict[str, bytes]
PROGRAM: Files = {"./app/bin/app": minimal_elf(), "./app/README": b"read me\n"}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "bzip2": bz2.compress,
    "zstd": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}
_ENDS = {".gz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd"}


def pack_zip(path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def pack_tar(path: Path, files: Files) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    compress = COMPRESS.get(_ENDS.get(path.suffix, ""), bytes)
    path.write_bytes(compress(plain.getvalue()))


def pack_deb(path: Path, files: Files, end: str = ".xz") -> None:
    inner = path.with_suffix(f".tar{end}")
    pack_tar(inner, files)
    parts = {"debian-binary": b"2.0\n", f"control.tar{end}": b"", f"data.tar{end}": inner.read_bytes()}
    path.write_bytes(ar(parts))


def ar(parts: Files) -> bytes:
    """An ar archive of members with short names."""
    out = b"!<arch>\n"
    for name, data in parts.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    return out


def newc(name: str, data: bytes, mode: int = stat.S_IFREG | 0o755, *, links: int = 1) -> bytes:
    """One entry of a cpio archive."""
    fields = (0, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def stripped(number: int, data: bytes) -> bytes:
    """One entry of a cpio archive as rpm makes it for large files and in format 6."""
    return b"07070X%08x\0\0" % number + data + bytes(-len(data) % 4)


def pack_rpm(path: Path, files: Files, compressor: str = "zstd", *, strip: bool = False) -> None:
    entries = [stripped(n, data) if strip else newc(name, data) for n, (name, data) in enumerate(files.items())]
    path.write_bytes(rpm(b"".join(entries) + newc("TRAILER!!!", b"", 0), compressor, files if strip else {}))


def rpm(archive: bytes, compressor: str = "zstd", files: Files | None = None) -> bytes:
    """A package with this payload: a lead, a header of signatures, a header, the payload."""
    payload = COMPRESS[compressor](archive)
    names = [name.removeprefix(".").rpartition("/") for name in files or {}]
    header = _header(
        {
            1028: (4, [len(data) for data in (files or {}).values()]),
            1030: (3, [stat.S_IFREG | 0o755 for _ in files or {}]),
            1116: (4, range(len(names))),
            1117: (8, [name for _, _, name in names]),
            1118: (8, [f"{folder}/" for folder, _, _ in names]),
            1124: (6, ["cpio"]),
            1125: (6, [compressor]),
            5092: (8, [hashlib.sha256(payload).hexdigest()]),
            5093: (4, [8]),
        }
    )
    signature = _header(
        {
            273: (6, [hashlib.sha256(header).hexdigest()]),
            1000: (4, [len(header) + len(payload)]),
            1004: (7, hashlib.md5(header + payload, usedforsecurity=False).digest()),
        }
    )
    lead = b"\xed\xab\xee\xdb\x03".ljust(96, b"\0") + signature
    return lead + bytes(-len(lead) % 8) + header + payload


def _header(entries: dict[int, tuple[int, object]]) -> bytes:
    index, store = b"", b""
    for tag, (kind, values) in entries.items():
        if kind == 7:
            assert isinstance(values, bytes)
            count, data = len(values), values
        else:
            listed = list(values)  # type: ignore[call-overload]
            width = {3: 2, 4: 4}.get(kind, 1)
            store += bytes(-len(store) % width)
            count = len(listed)
            parts = [value.encode() + b"\0" if kind in (6, 8) else value.to_bytes(width, "big") for value in listed]
            data = b"".join(parts)
        if count:
            index += struct.pack(">IIII", tag, kind, len(store), count)
            store += data
    return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", len(index) // 16, len(store)) + index + store


PACKERS: dict[str, Callable[[Path, Files], None]] = {
    "app.zip": pack_zip,
    "app.tar": pack_tar,
    "app.tar.gz": pack_tar,
    "app.tar.xz": pack_tar,
    "app.tar.bz2": pack_tar,
    "app.tar.zst": pack_tar,
    "app.deb": pack_deb,
    "zstd.deb": lambda path, files: pack_deb(path, files, ".zst"),
    "app.rpm": pack_rpm,
    "stripped.rpm": lambda path, files: pack_rpm(path, files, "gzip", strip=True),
}
