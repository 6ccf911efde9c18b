"""Random damage of packages, put where it gets past compressors and checksums: they are made after the damage."""

from __future__ import annotations

import struct
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

from tests.unit.binaries_damage import Seed
from tests.unit.binaries_elf import minimal_elf
from tests.unit.binaries_fuzz import Fuzzer
from tests.unit.bundles_made import COMPRESS, PROGRAM, ar, newc, pack_tar, pack_zip, rpm, stripped
from tests.unit.objects_made import coff_object, elf_object

from buildproof.artifacts.neighbours import kind_of
from buildproof.bundles import examine_output
from buildproof.evidence import Artifact
from buildproof.targets import Kind, Target

SAMPLES = Path(__file__).parent / "samples"
APPIMAGES = ("plain.AppImage", "gzip.AppImage", "xz.AppImage", "zstd.AppImage")
_SIGNATURE = b"\xef\xbe\xad\xdeNullsoftInst"


def package_seeds(folder: Path) -> list[Seed]:
    """What is damaged: a tar in front of its compressor, a file system or an installer's data without its program."""
    seeds = []
    for pack, name in ((pack_zip, "app.zip"), (pack_tar, "app.tar")):
        pack(folder / name, PROGRAM)
        seeds.append(Seed(name, (folder / name).read_bytes(), Target.LINUX_X86_64))
    plain = seeds[-1].data
    for name, data, target in (
        ("app.o", elf_object(), Target.LINUX_X86_64),
        ("app.obj", coff_object(), Target.WINDOWS_X86_64),
        ("big.obj", coff_object(big=True), Target.WINDOWS_X86_64),
    ):
        seeds += [Seed(name, data, target), Seed(f"{name}.a", ar({f"{name}/": data, "/1": data}), target)]
    seeds.append(Seed("app.tar.zst", plain, Target.LINUX_X86_64))
    end = newc("TRAILER!!!", b"", 0)
    seeds.append(Seed("newc.rpm", b"".join(newc(*item) for item in PROGRAM.items()) + end, Target.LINUX_X86_64))
    entries = b"".join(stripped(number, data) for number, data in enumerate(PROGRAM.values()))
    seeds.append(Seed("stripped.rpm", entries + end, Target.LINUX_X86_64))
    samples = [(name, (SAMPLES / name).read_bytes()) for name in ("gz.rpm", "app.deb")]
    samples += [(name, (SAMPLES / name).read_bytes()[len(minimal_elf()) :]) for name in APPIMAGES]
    seeds += [Seed(name, data, Target.LINUX_X86_64) for name, data in samples]
    carried = {name: _without_crc(data[data.index(_SIGNATURE) - 4 :]) for name, data in installers().items()}
    return seeds + [Seed(name, data, Target.WINDOWS_X86_64) for name, data in carried.items()]


def installers() -> dict[str, bytes]:
    """The sample installers, by name."""
    with tarfile.open(SAMPLES / "installers.tar.xz") as archive:
        members = [(member.name.removeprefix("./"), archive.extractfile(member)) for member in archive]
        return {name: file.read() for name, file in members if file}


def _without_crc(payload: bytes) -> bytes:
    flags, length = struct.unpack_from("<I20xI", payload)
    return struct.pack("<I", flags | 4) + payload[4:24] + struct.pack("<I", length - 4) + payload[28:-4]


@dataclass
class PackageFuzzer(Fuzzer):
    """Judges what a damaged seed is packed into."""

    def __post_init__(self) -> None:
        runtime = bytearray(minimal_elf())
        runtime[8:11] = b"AI\2"
        self._heads = {name: data[: data.index(_SIGNATURE) - 4] for name, data in installers().items()}
        self._heads |= dict.fromkeys(APPIMAGES, bytes(runtime))
        names = [name.removeprefix(".") for name in PROGRAM]
        self._files = dict(zip(names, PROGRAM.values(), strict=True))

    def _judge(self, seed: Seed, data: bytes) -> tuple[Artifact, ...]:
        path = self.path.with_name(seed.name)
        path.write_bytes(self._finished(seed.name, data))
        kind = Kind.INSTALLER if seed.name in self._heads else kind_of(seed.name)
        return examine_output(path, replace(self._expectation(seed), kind=kind, contains=("*app*",)), seed.name)

    def _finished(self, name: str, data: bytes) -> bytes:
        if name == "app.tar.zst":
            return COMPRESS["zstd"](data)
        if name in ("newc.rpm", "stripped.rpm"):
            return rpm(data, "gzip", self._files)
        return self._heads.get(name, b"") + data
