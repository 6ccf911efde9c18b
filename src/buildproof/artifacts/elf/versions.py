"""Symbol versions: which GLIBC_2.34 and the like a file asks of which library, and for which symbol."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from buildproof.artifacts.elf.dynamic import no_dynamic
from buildproof.artifacts.elf.image import LONGEST_SYMBOL, ElfImage
from buildproof.artifacts.elf.structures import DynamicTag
from buildproof.artifacts.elf.symbols import symbol_count, symbol_size
from buildproof.artifacts.reader import U16, U32, MisplacedError
from buildproof.artifacts.rule import REBUILD, Problem, Rule

_NEED, _NEED_AUX = struct.Struct("<HHIII"), struct.Struct("<IHHII")
_DEF, _DEF_AUX = struct.Struct("<HHHHIII"), struct.Struct("<II")
_HIDDEN = 0x8000
_GLOBAL = 1  # VER_NDX_LOCAL and VER_NDX_GLOBAL need no definition
_MOST = 5_000  # versions: libstdc++ defines some 50, glibc some 40


@dataclass(frozen=True, kw_only=True)
class Needed:
    """One version that a library has to define: `libc.so.6` has to define `GLIBC_2.34`."""

    library: str
    version: str
    index: int  # the number that stands for it in DT_VERSYM
    hash: int
    offset: int


def sysv_hash(name: bytes) -> int:
    """The hash of a version's name: System V gABI, ch. 5, "Hash Table"."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value & 0xFFFFFFFF


def versions_needed(image: ElfImage) -> list[Needed]:
    """All versions that the file needs; MisplacedError where the list is damaged."""
    what, found = "the list of needed versions (DT_VERNEED)", list[Needed]()
    at = image.tags.get(DynamicTag.VERNEED, 0)
    for _ in range(min(image.tags.get(DynamicTag.VERNEEDNUM, 0), _MOST)):
        revision, count, file, first, following = _NEED.unpack(_read(image, at, _NEED.size, what))
        if revision != 1:
            raise MisplacedError(what, at, _NEED.size, f"but its revision is {revision}, not 1")
        library, place = image.string(file, "the name of a library with versions"), at + first
        for number in range(count):
            if len(found) >= _MOST:
                raise MisplacedError(what, at, 0, f"with over {_MOST} entries")
            offset = image.backed(place, _NEED_AUX.size, what)
            value, _flags, index, name, step = _NEED_AUX.unpack(_read(image, place, _NEED_AUX.size, what))
            version = image.string(name, f"the name of a version of {library}")
            found.append(Needed(library=library, version=version, index=index, hash=value, offset=offset))
            if not step and number + 1 < count:
                raise MisplacedError(what, place, _NEED_AUX.size, f"but ends after {number + 1} of {count} versions")
            place += step
        if not following:
            break
        at += following
    return found


def versions_defined(image: ElfImage) -> dict[int, str]:
    """The versions that the file itself defines, by number; MisplacedError where the list is damaged."""
    what, found = "the list of defined versions (DT_VERDEF)", dict[int, str]()
    at = image.tags.get(DynamicTag.VERDEF, 0)
    for _ in range(min(image.tags.get(DynamicTag.VERDEFNUM, 0), _MOST)):
        revision, _flags, index, count, value, first, following = _DEF.unpack(_read(image, at, _DEF.size, what))
        if revision != 1 or not count:
            raise MisplacedError(what, at, _DEF.size, f"but its revision is {revision}, with {count} names")
        name = _DEF_AUX.unpack(_read(image, at + first, _DEF_AUX.size, what))[0]
        version = image.string(name, "the name of a defined version")
        if value != sysv_hash(version.encode()):
            raise MisplacedError(what, at, _DEF.size, f"but the hash {value:#x} is not that of {version!r}")
        found[index] = version
        if not following:
            break
        at += following
    return found


def symbols_of(image: ElfImage, index: int, most: int) -> tuple[list[str], int]:
    """The first names of the dynamic symbols to which DT_VERSYM gives this number, and how many there are."""
    count, size = symbol_count(image), symbol_size(image)
    if not count or DynamicTag.VERSYM not in image.tags:
        return [], 0
    versions = image.reader.words(U16, image.backed(image.tags[DynamicTag.VERSYM], 2 * count, "DT_VERSYM"), count, "")
    at = image.backed(image.tags[DynamicTag.SYMTAB], count * size, "the dynamic symbol table")
    names = image.reader.words(U32, at, count * size // 4, "the dynamic symbol table")[0 :: size // 4]
    chosen = [number for number, version in enumerate(versions) if version & ~_HIDDEN == index]
    what = "the name of a dynamic symbol"
    return [image.string(names[number], what, most=LONGEST_SYMBOL) for number in chosen[:most]], len(chosen)


def _read(image: ElfImage, address: int, length: int, what: str) -> bytes:
    return image.reader.read(image.backed(address, length, what), length, what)


def _versions(image: ElfImage) -> Iterator[Problem]:
    libraries = {image.string(index, "the name of a needed library") for index in image.values(DynamicTag.NEEDED)}
    for needed in versions_needed(image):
        right = sysv_hash(needed.version.encode("utf-8", "backslashreplace"))
        if needed.hash != right:
            yield Problem(
                message=f"the needed version {needed.version!r} of {needed.library} has the hash {needed.hash:#x}, by "
                "which ld.so would not find it",
                offset=needed.offset,
                expected=f"{right:#x}",
                actual=f"{needed.hash:#x}",
            )
        if needed.library not in libraries:
            yield Problem(
                message=f"version {needed.version!r} is needed of {needed.library!r}, which is no needed library",
                offset=needed.offset,
                expected=", ".join(sorted(libraries)) or "no needed version",
                actual=needed.library,
            )
    versions_defined(image)


def _no_versions(image: ElfImage) -> str | None:
    if no_dynamic(image):
        return no_dynamic(image)
    known = image.tags.get(DynamicTag.VERNEED) or image.tags.get(DynamicTag.VERDEF)
    return None if known else "the file neither needs nor defines versions"


def _symbol_versions(image: ElfImage) -> Iterator[Problem]:
    count, what = symbol_count(image), "the symbols' versions (DT_VERSYM)"
    if not count:
        return
    at = image.backed(image.tags[DynamicTag.VERSYM], 2 * count, what)
    used = image.reader.words(U16, at, count, what)
    known = {needed.index & ~_HIDDEN for needed in versions_needed(image)} | set(versions_defined(image))
    for number in sorted({version & ~_HIDDEN for version in set(used)} - known):
        if number > _GLOBAL:
            index = next(index for index, version in enumerate(used) if version & ~_HIDDEN == number)
            yield Problem(
                message=f"dynamic symbol {index} has version number {number}, which nothing defines",
                offset=at + 2 * index,
                expected=f"0, 1, or one of {', '.join(map(str, sorted(known)))}" if known else "0 or 1",
                actual=str(number),
            )


def _no_symbol_versions(image: ElfImage) -> str | None:
    return no_dynamic(image) or (None if DynamicTag.VERSYM in image.tags else "the file's symbols have no versions")


_SPEC = 'Linux Standard Base, Core, ch. 10 "Symbol Versioning"'
RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-versions",
        title="the lists of needed and of defined versions can be walked, with the right hashes",
        source=_SPEC + "; glibc, elf/dl-version.c",
        mend=REBUILD,
        judge=_versions,
        applies=_no_versions,
        needs=("elf-dynamic-strings",),
    ),
    Rule(
        id="elf-symbol-versions",
        title="every dynamic symbol's version is one that is needed or defined",
        source=_SPEC,
        mend=REBUILD,
        judge=_symbol_versions,
        applies=_no_symbol_versions,
        needs=("elf-versions", "elf-symbols"),
    ),
)
