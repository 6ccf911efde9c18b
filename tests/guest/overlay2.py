"""Images as they lie in a Docker engine's data folder, made of a `docker save` archive without an engine.

Loading a gigabyte through an emulated engine takes most of an hour; written as a disk it takes a minute. The layout is
that of the overlay2 driver since Docker 1.10: daemon/graphdriver/overlay2/overlay.go for the layers' files,
layer/filestore.go and image/fs.go for what is known of them, pkg/archive/archive_linux.go for whiteouts.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, Self

_IMAGES = "image/overlay2"
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_OPAQUE_ATTRIBUTE = "SCHILY.xattr.trusted.overlay.opaque"


@dataclass(frozen=True)
class Layer:
    """One layer upon its parents. `chain` and `diff`: see "Layer ChainID" of the OCI image specification."""

    chain: str
    diff: str
    parents: tuple[Layer, ...]  # nearest first

    @property
    def folder(self) -> str:
        """Name of its folder: any name that no other layer has will do."""
        return self.chain.removeprefix("sha256:")

    @property
    def link(self) -> str:
        """Its short name of 26 letters, for the mount options are one page long."""
        return base64.b32encode(hashlib.sha256(self.chain.encode()).digest())[:26].decode()


def chain_of(diffs: Iterable[str]) -> list[Layer]:
    """An image's layers, lowest first."""
    layers: list[Layer] = []
    for diff in diffs:
        chain = diff
        if layers:
            chain = "sha256:" + hashlib.sha256(f"{layers[-1].chain} {diff}".encode()).hexdigest()
        layers.append(Layer(chain, diff, tuple(reversed(layers))))
    return layers


class _Pipe(io.RawIOBase):
    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def write(self, data: Any) -> int:
        self._write(bytes(data))
        return len(data)


class DataFolder:
    """A tar in the making: whatever is added comes after its parents' folders, for mke2fs(8) makes none by itself."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._tar = tarfile.open(fileobj=_Pipe(write), mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._folders = {PurePosixPath()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def add(self, info: tarfile.TarInfo, data: IO[bytes] | None = None) -> None:
        """Add one member."""
        path = PurePosixPath(info.name)
        for folder in reversed(path.parents):
            self.folder(folder)
        if info.isdir():
            self._folders.add(path)
        self._tar.addfile(info, data)

    def folder(self, path: PurePosixPath) -> None:
        """Add a folder, unless it is there."""
        if path not in self._folders:
            info = tarfile.TarInfo(str(path))
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            self.add(info)

    def file(self, name: str, content: str | bytes) -> None:
        """Add a small file."""
        raw = content.encode() if isinstance(content, str) else content
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(raw), 0o600
        self.add(info, io.BytesIO(raw))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, target
        self.add(info)


def write_data_folder(saved: tarfile.TarFile, out: DataFolder) -> list[str]:
    """Write the data folder that holds every image of a `docker save` archive; the images' names."""
    named: dict[str, dict[str, str]] = {}
    written: set[str] = set()
    for image in json.loads(_content(saved, "manifest.json")):
        config = _content(saved, image["Config"])
        digest = hashlib.sha256(config).hexdigest()
        out.file(f"{_IMAGES}/imagedb/content/sha256/{digest}", config)
        for name in image["RepoTags"] or ():
            named.setdefault(name.rpartition(":")[0], {})[name] = f"sha256:{digest}"
        layers = chain_of(json.loads(config)["rootfs"]["diff_ids"])
        for layer, path in zip(layers, image["Layers"], strict=True):
            if layer.chain not in written:
                written.add(layer.chain)
                _write_layer(saved, path, layer, out)
    out.file(f"{_IMAGES}/repositories.json", json.dumps({"Repositories": named}))
    return sorted(name for names in named.values() for name in names)


def _write_layer(saved: tarfile.TarFile, path: str, layer: Layer, out: DataFolder) -> None:
    home, size = f"overlay2/{layer.folder}", 0
    out.folder(PurePosixPath(home, "diff"))
    content = saved.extractfile(path)
    assert content is not None
    with tarfile.open(fileobj=content) as files:
        for member, data in overlay_members(files):
            size += member.size if member.isreg() else 0
            out.add(_below(f"{home}/diff", member), data)
    out.file(f"{home}/committed", "")
    out.file(f"{home}/link", layer.link)
    out.link(f"overlay2/l/{layer.link}", f"../{layer.folder}/diff")
    if layer.parents:
        out.file(f"{home}/lower", ":".join(f"l/{parent.link}" for parent in layer.parents))
        out.folder(PurePosixPath(home, "work"))
    facts = {"cache-id": layer.folder, "diff": layer.diff, "size": str(size)}
    if layer.parents:
        facts["parent"] = layer.parents[0].chain
    for name, value in facts.items():
        out.file(f"{_IMAGES}/layerdb/sha256/{layer.folder}/{name}", value)


def overlay_members(files: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """A layer's members with AUFS whiteouts turned into what overlayfs knows: a 0/0 device, an opaque folder.

    See Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
    """
    members = files.getmembers()
    opaque = {str(PurePosixPath(member.name).parent) for member in members if _name(member) == _OPAQUE}
    for member in members:
        name = _name(member)
        if name == _OPAQUE:
            continue
        if name.startswith(_WHITEOUT):
            gone = copy.copy(member)
            gone.name = str(PurePosixPath(member.name).with_name(name.removeprefix(_WHITEOUT)))
            gone.type, gone.devmajor, gone.devminor, gone.size = tarfile.CHRTYPE, 0, 0, 0
            yield gone, None
            continue
        if str(PurePosixPath(member.name)) in opaque:
            member.pax_headers = {**member.pax_headers, _OPAQUE_ATTRIBUTE: "y"}
        yield member, files.extractfile(member) if member.isreg() else None


def _name(member: tarfile.TarInfo) -> str:
    return PurePosixPath(member.name).name


def _below(folder: str, member: tarfile.TarInfo) -> tarfile.TarInfo:
    moved = copy.copy(member)
    moved.name = str(PurePosixPath(folder) / member.name)
    moved.pax_headers = {key: value for key, value in member.pax_headers.items() if key not in {"path", "linkpath"}}
    if member.islnk():
        moved.linkname = str(PurePosixPath(folder) / member.linkname)
    return moved


def _content(saved: tarfile.TarFile, name: str) -> bytes:
    file = saved.extractfile(name)
    assert file is not None
    return file.read()
