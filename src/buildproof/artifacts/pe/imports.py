"""What a PE file takes from DLLs: the import and the delay import tables, walked to their last name."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from buildproof.artifacts.pe.image import DELAY_IMPORT, IMPORT, PeImage
from buildproof.artifacts.reader import U32, U64, MisplacedError
from buildproof.artifacts.rule import REBUILD, Problem, Rule

_DESCRIPTOR = struct.Struct("<IIIII")
_DELAY_DESCRIPTOR = struct.Struct("<IIIIIIII")
_RVA_BASED = (
    1  # Attributes of a delay import descriptor; without it the fields are addresses, as Visual C++ 6 made them
)
# A large program imports some 2,000 names from 60 DLLs. The limits keep the time short that nonsense can cost.
_MOST_DLLS = 4096
_MOST_NAMES = 100_000
_MOST_BYTES = 16 << 20  # of all names together


@dataclass(frozen=True, kw_only=True)
class Imported:
    """One DLL that the image needs: its name as it stands there, and what is taken by name or by ordinal."""

    dll: str
    offset: int  # of the descriptor in the file
    names: tuple[str, ...]
    ordinals: tuple[int, ...]
    delayed: bool


def imports(image: PeImage) -> list[Imported]:
    """The import table; empty where there is none. Raises OutOfFileError and MisplacedError where it is damaged."""
    return _walk(image, IMPORT)


def delay_imports(image: PeImage) -> list[Imported]:
    """The delay import table, likewise: loaded when the first of their functions is called."""
    return _walk(image, DELAY_IMPORT)


def _walk(image: PeImage, number: int) -> list[Imported]:
    directory = image.directory(number)
    if directory is None:
        return []
    delayed = number == DELAY_IMPORT
    layout = _DELAY_DESCRIPTOR if delayed else _DESCRIPTOR
    found: list[Imported] = []
    left, room = _MOST_NAMES, _MOST_BYTES
    for index in range(_MOST_DLLS):
        rva = directory.rva + index * layout.size
        what = f"descriptor {index} of the {directory.name}"
        at = image.backed(rva, layout.size, what)
        fields = layout.unpack(image.reader.read(at, layout.size, what))
        name, lookup, address = (fields[1], fields[4], fields[3]) if delayed else (fields[3], fields[0], fields[4])
        if not name:
            return found
        if delayed and not fields[0] & _RVA_BASED:
            name, lookup, address = (field and field - image.optional.image_base for field in (name, lookup, address))
        dll = image.name_at(name, f"the name of DLL {index} in the {directory.name}")
        thunks = _thunks(image, lookup or address, f"the list of names that are imported from {dll}", left)
        left -= len(thunks)
        _writable_from(image, address, len(thunks), f"the import address table of {dll}")
        top = 1 << (image.target.machine.bits - 1)
        names: list[str] = []
        for thunk in thunks:
            if thunk < top:
                names.append(image.name_at(thunk + 2, f"a name that is imported from {dll}"))
                room -= len(names[-1])
                if room < 0:
                    raise MisplacedError(f"the {directory.name}", directory.rva, directory.size, "with endless names")
        found.append(
            Imported(
                dll=dll,
                offset=at,
                names=tuple(names),
                ordinals=tuple(thunk & 0xFFFF for thunk in thunks if thunk >= top),
                delayed=delayed,
            )
        )
    raise MisplacedError(f"the {directory.name}", directory.rva, directory.size, f"with over {_MOST_DLLS} DLLs")


def _thunks(image: PeImage, rva: int, what: str, most: int) -> list[int]:
    """The entries of an import lookup table up to its null entry; at most `most` of them."""
    code, size = (U64, 8) if image.target.machine.bits == 64 else (U32, 4)
    start = image.backed(rva, size, what)
    count = min((image.backed_end(rva) - start) // size, most + 1)
    words = image.reader.words(code, start, count, what)
    try:
        return words[: words.index(0)].tolist()
    except ValueError:
        raise MisplacedError(what, rva, count * size, "and has no end") from None


def _writable_from(image: PeImage, rva: int, count: int, what: str) -> None:
    """Windows writes addresses there; it makes the pages writable for the time of it."""
    length = (count + 1) * image.target.machine.bits // 8
    section = image.section_at(rva)
    if section is None or rva + length > section.virtual_address + max(section.memory_size, section.raw_size):
        raise MisplacedError(what, rva, length, "where no section has room for it")


def _judge(number: int, image: PeImage) -> Iterator[Problem]:
    for imported in _walk(image, number):
        if not imported.names and not imported.ordinals:
            yield Problem(
                message=f"nothing is imported from {imported.dll}: its list of names begins with the end",
                offset=imported.offset,
                expected="a name or an ordinal",
                actual="none",
            )


def _none(number: int, image: PeImage) -> str | None:
    kind = "delay import" if number == DELAY_IMPORT else "import"
    return None if image.directory(number) else f"the image has no {kind} table"


RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-imports",
        title="the import table can be walked: every DLL and every imported name is there",
        source='Microsoft PE format, "The .idata Section"',
        mend=REBUILD,
        judge=lambda image: _judge(IMPORT, image),
        applies=lambda image: _none(IMPORT, image),
        needs=("pe-directory-data",),
    ),
    Rule(
        id="pe-delay-imports",
        title="the delay import table can be walked: every DLL and every imported name is there",
        source='Microsoft PE format, "Delay-Load Import Tables (Image Only)"',
        mend=REBUILD,
        judge=lambda image: _judge(DELAY_IMPORT, image),
        applies=lambda image: _none(DELAY_IMPORT, image),
        needs=("pe-directory-data",),
    ),
)
