"""Resources and debug data: icons, manifests, version information, and where debug information stands."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from buildproof.artifacts.pe.image import DEBUG, RESOURCE, PeImage
from buildproof.artifacts.reader import span
from buildproof.artifacts.rule import CUT, REBUILD, Problem, Rule

_DIRECTORY = struct.Struct("<IIHHHH")
_ENTRY = struct.Struct("<II")
_DATA = struct.Struct("<IIII")
_DEBUG = struct.Struct("<IIHHIIII")
_SUBDIRECTORY = 0x80000000
_DEEPEST = 3  # type, name, language: Windows looks no deeper
# Large applications have a few thousand. The limit keeps the time short that a tree in a circle can cost.
_MOST_ENTRIES = 100_000


def _resources(image: PeImage) -> Iterator[Problem]:
    entry = image.directory(RESOURCE)
    if entry is None:
        return
    waiting = [(entry.rva, 1)]
    left = _MOST_ENTRIES
    while waiting:
        rva, depth = waiting.pop()
        at = image.backed(rva, _DIRECTORY.size, "a resource directory")
        named, numbered = _DIRECTORY.unpack(image.reader.read(at, _DIRECTORY.size, "a resource directory"))[4:]
        count = named + numbered
        left -= count
        if depth > _DEEPEST or left < 0:
            yield Problem(
                message="the resource directories are nested deeper than type, name and language"
                if depth > _DEEPEST
                else f"there are more than {_MOST_ENTRIES} resources",
                offset=at,
                expected=f"{_DEEPEST} levels, up to {_MOST_ENTRIES} entries",
                actual=f"level {depth}",
            )
            return
        start = image.backed(rva + _DIRECTORY.size, count * _ENTRY.size, "the entries of a resource directory")
        for name, target in image.reader.table(_ENTRY, start, count, "the entries of a resource directory"):
            if name & _SUBDIRECTORY:
                _name(image, entry.rva + (name & ~_SUBDIRECTORY))
            if target & _SUBDIRECTORY:
                waiting.append((entry.rva + (target & ~_SUBDIRECTORY), depth + 1))
            else:
                yield from _data(image, entry.rva + target)


def _name(image: PeImage, rva: int) -> None:
    at = image.backed(rva, 2, "the name of a resource")
    length = int.from_bytes(image.reader.read(at, 2, "the name of a resource"), "little")
    image.backed(rva, 2 + 2 * length, "the name of a resource")


def _data(image: PeImage, rva: int) -> Iterator[Problem]:
    at = image.backed(rva, _DATA.size, "the description of a resource")
    place, size = _DATA.unpack(image.reader.read(at, _DATA.size, "the description of a resource"))[:2]
    start = image.backed(place, size, f"a resource of {size} bytes")
    if (
        size
        and image.content.zero_pages(start, start + size)
        and image.content.blank(image.reader, start, start + size)
    ):
        yield Problem(
            message=f"a resource of {size} bytes at {start:#x} is all zeros",
            offset=start,
            expected="an icon, a manifest, version information or the like",
            actual=f"{size} zeros",
        )


def _no_resources(image: PeImage) -> str | None:
    return None if image.directory(RESOURCE) else "the image has no resources"


def debug_end(image: PeImage) -> int:
    """File offset behind the last debug data; 0 where there is none."""
    return max((pointer + size for _, pointer, size in _debug_entries(image)), default=0)


def _debug_entries(image: PeImage) -> list[tuple[int, int, int]]:
    """Offset of the entry, PointerToRawData and SizeOfData of each debug directory entry with data in the file."""
    entry = image.directory(DEBUG)
    if entry is None:
        return []
    count = entry.size // _DEBUG.size
    start = image.backed(entry.rva, count * _DEBUG.size, "the debug directory")
    fields = image.reader.table(_DEBUG, start, count, "the debug directory")
    return [(start + index * _DEBUG.size, item[7], item[5]) for index, item in enumerate(fields) if item[7] and item[5]]


def _debug(image: PeImage) -> Iterator[Problem]:
    for at, pointer, size in _debug_entries(image):
        if pointer + size > image.reader.size:
            yield Problem(
                message=f"debug data ends at {pointer + size:#x}, but the file has only {image.reader.size} bytes "
                f"({image.reader.size:#x})",
                offset=at + 24,
                expected=f"{span(pointer, pointer + size)} inside the file",
                actual=f"{image.reader.size} bytes",
            )


def _no_debug(image: PeImage) -> str | None:
    return None if image.directory(DEBUG) else "the image has no debug directory"


RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-resources",
        title="the resources can be walked, and their data is in the file",
        source='Microsoft PE format, "The .rsrc Section"',
        mend=REBUILD,
        judge=_resources,
        applies=_no_resources,
        needs=("pe-directory-data",),
    ),
    Rule(
        id="pe-debug",
        title="the debug data lies inside the file",
        source='Microsoft PE format, "The .debug Section"',
        mend=CUT,
        judge=_debug,
        applies=_no_debug,
        needs=("pe-directory-data",),
    ),
)
