"""The ELF header: is this an executable for the target at all?"""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import CLASS_32, CLASS_64, ObjectType
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.targets import Format, Machine

_CLASSES = {CLASS_32: "ELFCLASS32", CLASS_64: "ELFCLASS64"}
_ENCODINGS = {1: "ELFDATA2LSB (little-endian)", 2: "ELFDATA2MSB (big-endian)"}
_TYPES = {ObjectType.REL: "a relocatable object file", ObjectType.CORE: "a core dump"}
_APPIMAGE = (b"AI\1", b"AI\2")  # AppImage specification, "Image format": put where nobody else looks
_ABIS = {0: "System V", 2: "NetBSD", 3: "GNU/Linux", 6: "Solaris", 9: "FreeBSD", 12: "OpenBSD"}


def _header(image: ElfImage) -> Iterator[Problem]:
    image.reader.require(0, image.header_size, "the ELF header")
    yield from ()


def _data(image: ElfImage) -> Iterator[Problem]:
    if image.ident[5] != 1:
        yield Problem(
            message=f"the byte order is {_ENCODINGS.get(image.ident[5], 'none that exists')}",
            offset=5,
            expected="1 (little-endian)",
            actual=str(image.ident[5]),
        )


def _machine(image: ElfImage) -> Iterator[Problem]:
    expected = image.target.machine
    if image.machine != expected.elf:
        actual = Machine.numbered(Format.ELF, image.machine) or "another machine"
        yield Problem(
            message=f"the file is for {actual}, not for {expected}",
            offset=18,
            expected=f"{expected.elf} ({expected})",
            actual=f"{image.machine} ({actual})",
        )


def _class(image: ElfImage) -> Iterator[Problem]:
    expected = CLASS_64 if image.target.machine.bits == 64 else CLASS_32
    if image.ident[4] != expected:
        yield Problem(
            message=f"the file's class is {_CLASSES.get(image.ident[4], 'none that exists')}, "
            f"but an executable for {image.target.machine} has {_CLASSES[expected]}",
            offset=4,
            expected=str(expected),
            actual=str(image.ident[4]),
        )


def _version(image: ElfImage) -> Iterator[Problem]:
    if image.ident[6] != 1 or image.header.version != 1:
        yield Problem(
            message="the ELF version is not 1",
            offset=6 if image.ident[6] != 1 else 20,
            expected="1 in e_ident and in e_version",
            actual=f"{image.ident[6]} and {image.header.version}",
        )
    if image.header.ehsize != image.header_size:
        yield Problem(
            message=f"the ELF header gives its own size as {image.header.ehsize}",
            offset=52 if image.ident[4] == CLASS_64 else 40,
            expected=str(image.header_size),
            actual=str(image.header.ehsize),
        )


def _os_abi(image: ElfImage) -> Iterator[Problem]:
    abi, version = image.ident[7], image.ident[8]
    if image.ident[8:11] in _APPIMAGE:
        version = 0
    if abi not in (0, 3) or version != 0:
        yield Problem(
            message=f"the file is for the ABI {_ABIS.get(abi, 'of an unknown system')}, version {version}",
            offset=7 if abi not in (0, 3) else 8,
            expected="0 (System V) or 3 (GNU/Linux), version 0",
            actual=f"{abi}, version {version}",
        )


def _type(image: ElfImage) -> Iterator[Problem]:
    kind = image.header.type
    if kind not in (ObjectType.EXEC, ObjectType.DYN):
        actual = next((name for number, name in _TYPES.items() if number == kind), "of an unknown type")
        yield Problem(
            message=f"the file is {actual}, not an executable",
            offset=16,
            expected="2 (ET_EXEC) or 3 (ET_DYN)",
            actual=str(kind),
        )


_SPEC = 'System V gABI, ch. 4 "ELF Header"'
_IDENT = 'System V gABI, ch. 4 "ELF Identification"'
RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-header",
        title="the ELF header lies in the file",
        source=_SPEC,
        mend=REBUILD,
        judge=_header,
    ),
    Rule(
        id="elf-data",
        title="the byte order is the target's",
        source=_IDENT,
        mend="Look at the target that the build was given.",
        judge=_data,
        needs=("elf-header",),
    ),
    Rule(
        id="elf-machine",
        title="the file is for the target's machine",
        source=_SPEC,
        mend="Look at the target triple that the build was given, and whether the artifact's path is that of "
        "another build, or of a tool that the build made for its own machine.",
        judge=_machine,
        needs=("elf-data",),
    ),
    Rule(
        id="elf-class",
        title="the file is ELF64 for a 64-bit machine and ELF32 for a 32-bit one",
        source=_IDENT,
        mend="A 32-bit ABI on a 64-bit machine (-mx32, ILP32) makes such files; otherwise the file was damaged.",
        judge=_class,
        needs=("elf-machine",),
    ),
    Rule(
        id="elf-version",
        title="the ELF header states version 1 and its own size",
        source=_SPEC,
        mend=REBUILD,
        judge=_version,
        needs=("elf-class",),
    ),
    Rule(
        id="elf-os-abi",
        title="the file is for Linux",
        source=_IDENT + "; glibc, elf/dl-load.c: VALID_ELF_OSABI, VALID_ELF_ABIVERSION",
        mend="Look at the target triple that the build was given.",
        judge=_os_abi,
        needs=("elf-class",),
    ),
    Rule(
        id="elf-type",
        title="the file is an executable, not an object file or a core dump",
        source=_SPEC,
        mend="Look at the artifact's path, and for -c or -r among the options of the last step.",
        judge=_type,
        needs=("elf-class",),
    ),
)
