"""The exception table: how to get out of a function. A half-written one ends a program at its first exception."""

from __future__ import annotations

import operator
from array import array
from bisect import bisect_left
from collections.abc import Iterator

from buildproof.artifacts.pe.image import EXCEPTION, PeImage
from buildproof.artifacts.reader import U32, first_outside
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.targets import Machine

_WORDS = {Machine.X86_64: 3, Machine.AARCH64: 2}  # of 4 bytes in a RUNTIME_FUNCTION
_VERSIONS = frozenset({1, 2})
_MOST = 1 << 21  # the first functions of a table that are looked at: the largest browsers have a million
_INDIRECT = 1  # set in UnwindData where it is the address of another RUNTIME_FUNCTION


def _exceptions(image: PeImage) -> Iterator[Problem]:
    entry = image.directory(EXCEPTION)
    if entry is None:
        return
    size = 4 * _WORDS[image.target.machine]
    if entry.size % size:
        yield Problem(
            message=f"the exception table has {entry.size} bytes",
            offset=entry.offset + 4,
            expected=f"a multiple of {size}",
            actual=str(entry.size),
        )
        return
    start = image.backed(entry.rva, entry.size, "the exception table")
    words = image.reader.words(U32, start, min(entry.size, _MOST * size) // 4, "the exception table")
    begins = words[0 :: size // 4]
    if not all(map(operator.le, begins, begins[1:])):
        index = next(index for index in range(1, len(begins)) if begins[index - 1] > begins[index])
        yield Problem(
            message=f"the exception table is not sorted: the function at {begins[index]:#x} comes after the one at "
            f"{begins[index - 1]:#x}, so that Windows, which searches by halves, would not find it",
            offset=start + size * index,
            expected=f"an address from {begins[index - 1]:#x} on",
            actual=f"{begins[index]:#x}",
        )
        return
    outside = first_outside(begins, image.spans(executable=True))
    if outside is not None:
        yield Problem(
            message=f"the exception table knows a function at {outside:#x}, where no code is",
            offset=start + size * begins.index(outside),
            expected="an address in an executable section",
            actual=f"{outside:#x}",
        )
    if image.target.machine is Machine.X86_64:
        yield from _ends(image, start, words)
        yield from _unwind_information(image, start, words)


def _ends(image: PeImage, start: int, words: array[int]) -> Iterator[Problem]:
    begins, ends = words[0::3], words[1::3]  # an empty function ends where it begins: GNU ld leaves some
    for index in range(len(begins)) if not all(map(operator.le, begins, ends)) else ():
        if ends[index] < begins[index]:
            yield Problem(
                message=f"the exception table has a function that begins at {begins[index]:#x} and ends at "
                f"{ends[index]:#x}",
                offset=start + 12 * index + 4,
                expected=f"an end from {begins[index]:#x} on",
                actual=f"{ends[index]:#x}",
            )
            return
    outside = first_outside((end - 1 for end in ends), image.spans(executable=True))
    if outside is not None:
        yield Problem(
            message=f"the exception table has a function that ends at {outside + 1:#x}, where no code is",
            offset=start + 12 * ends.index(outside + 1) + 4,
            expected="an end in an executable section",
            actual=f"{outside + 1:#x}",
        )


def _unwind_information(image: PeImage, start: int, words: array[int]) -> Iterator[Problem]:
    unwinds = words[2::3]
    places = sorted({rva for rva in unwinds if not rva & _INDIRECT})
    spans = [
        (section.virtual_address, section.virtual_address + section.raw_size, section.pointer_to_raw_data)
        for section in image.sections
    ]
    outside = first_outside(places, [(begin, end - 3) for begin, end, _ in spans])
    if outside is not None:
        yield Problem(
            message=f"the exception table points to unwind information at {outside:#x}, which is not in the file",
            offset=start + 12 * unwinds.index(outside) + 8,
            expected="an address in a section, with bytes in the file",
            actual=f"{outside:#x}",
        )
        return
    for begin, end, pointer in spans:
        inside = places[bisect_left(places, begin) : bisect_left(places, end)]
        if not inside:
            continue
        raw = image.reader.read(pointer, end - begin, "unwind information")
        for rva in inside:
            if raw[rva - begin] & 7 not in _VERSIONS:
                yield Problem(
                    message=f"the unwind information at {rva:#x} has version {raw[rva - begin] & 7}",
                    offset=pointer + rva - begin,
                    expected="version 1 or 2",
                    actual=str(raw[rva - begin] & 7),
                )
                return


def _no_exceptions(image: PeImage) -> str | None:
    if image.target.machine not in _WORDS:
        return f"executables for {image.target.machine} keep no exception table"
    return None if image.directory(EXCEPTION) else "the image has no exception table"


RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-exceptions",
        title="the exception table is sorted, and leads to code and to unwind information",
        source='Microsoft PE format, "The .pdata Section"; x64 exception handling, "struct UNWIND_INFO"',
        mend=REBUILD,
        judge=_exceptions,
        applies=_no_exceptions,
        needs=("pe-directory-data", "pe-entry-point"),
    ),
)
