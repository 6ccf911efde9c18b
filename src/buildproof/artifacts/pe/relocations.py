"""Base relocations: what Windows patches when it does not load the image at its preferred address, which ASLR is."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from buildproof.artifacts.pe.image import RELOCATION, PeImage
from buildproof.artifacts.reader import U16, U32, first_outside
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.targets import Machine

_PADDING = 0  # IMAGE_REL_BASED_ABSOLUTE
_TYPES = {Machine.X86_64: (10, 8), Machine.AARCH64: (10, 8), Machine.I686: (3, 4)}  # the one type in use, its width
_U32_MAX = 0xFFFFFFFF
_NAMES = {3: "IMAGE_REL_BASED_HIGHLOW", 10: "IMAGE_REL_BASED_DIR64"}
# A block covers a page, and an image has at most 2 GiB. The limit keeps the time short that nonsense can cost.
_MOST_BLOCKS = 1 << 19


class _Block(NamedTuple):
    """One base relocation block: offsets are from the start of the table."""

    offset: int
    page: int
    size: int


def _blocks(words: array[int], size: int) -> Iterator[_Block]:
    """The blocks up to the end of the table, or up to one whose size cannot be, which comes last."""
    at = 0
    for _ in range(_MOST_BLOCKS):
        if at + 8 > size:
            return
        block = _Block(at, words[at // 4], words[at // 4 + 1])
        if block.size == 0 and not any(words[at // 4 :]):
            return  # padding that the directory's size covers
        yield block
        if block.size < 8 or block.size % 4 or at + block.size > size:
            return
        at += block.size


def _relocations(image: PeImage) -> Iterator[Problem]:
    entry = image.directory(RELOCATION)
    if entry is None:
        return
    kind, width = _TYPES[image.target.machine]
    start = image.backed(entry.rva, entry.size, "the base relocation table")
    table = image.reader.read(start, entry.size & ~3, "the base relocation table")
    words, halves = array(U32, table), array(U16, table)
    patched = array(U32)
    kinds: set[int] = set()
    for block in _blocks(words, len(table)):
        end = block.offset + block.size
        if block.size < 8 or block.size % 4 or end > len(table):
            yield Problem(
                message=f"the base relocation block at {start + block.offset:#x} gives its size as {block.size}",
                offset=start + block.offset + 4,
                expected=f"a multiple of 4 from 8 to {len(table) - block.offset}",
                actual=str(block.size),
            )
            return
        entries = halves[block.offset // 2 + 4 : end // 2]
        if not entries:
            continue
        kinds.update(entries)
        # Sections are made of whole pages: where the first and the last address of a page lie in one, all others do.
        low, high = min(entries), max(entries)
        if low >> 12 == _PADDING:
            low = min((item for item in entries if item >> 12 != _PADDING), default=_PADDING)
        if low:
            patched.append(block.page + (low & 0xFFF) & _U32_MAX)
            patched.append(block.page + (high & 0xFFF) + width - 1 & _U32_MAX)
    wrong = {item >> 12 for item in kinds} - {_PADDING, kind}
    if wrong:
        yield Problem(
            message=f"a base relocation has the type {min(wrong)}, which Windows does not apply on "
            f"{image.target.machine}",
            offset=start,
            expected=f"{kind} ({_NAMES[kind]}) or 0 (padding)",
            actual=", ".join(map(str, sorted(wrong))),
        )
    outside = first_outside(patched, image.spans())
    if outside is not None:
        yield Problem(
            message=f"a base relocation patches {outside:#x}, where no section is",
            offset=start,
            expected="an address in a section",
            actual=f"{outside:#x}",
        )


def _no_relocations(image: PeImage) -> str | None:
    return None if image.directory(RELOCATION) else "the image has no base relocations"


RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-relocations",
        title="the base relocations can be walked, and each patches an address in a section",
        source='Microsoft PE format, "The .reloc Section (Image Only)"',
        mend=REBUILD,
        judge=_relocations,
        applies=_no_relocations,
        needs=("pe-directory-data",),
    ),
)
