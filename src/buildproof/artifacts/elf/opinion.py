"""pyelftools as a second reader: does it come to the same answer about a file that our own rules accept?"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import StringTableSection

from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import SegmentType
from buildproof.artifacts.reader import Reader
from buildproof.artifacts.rule import REBUILD, Problem, Rule

# Reads that pyelftools may make: a program with 40 sections and 13 segments takes some 600. It bounds the time of a
# loop that the file's own bytes would keep going, without a clock.
_MOST_READS = 20_000
_MOST_SECTIONS = 1_000


class TooManyReadsError(Exception):
    """pyelftools did not come to an end."""


class LimitedStream(io.BytesIO):
    """The file as a stream of a limited number of reads; nothing of it is copied but what is read."""

    # A BytesIO by type alone, which is what pyelftools asks for: the methods that it calls are these three.

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self._reader = reader
        self._at = 0
        self._left = _MOST_READS

    def tell(self) -> int:
        """The position, in bytes from the start."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; raises ValueError for one before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._reader.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` bytes; raises TooManyReadsError when all reads are used up."""
        self._left -= 1
        if self._left < 0:
            raise TooManyReadsError(f"no end after {_MOST_READS} reads")
        end = self._reader.size if size is None or size < 0 else self._at + size
        data = self._reader.data[self._at : end]
        self._at += len(data)
        return data


def _opinion(image: ElfImage) -> Iterator[Problem]:
    try:
        theirs = _summary(ELFFile(LimitedStream(image.reader)))
    # pyelftools raises ELFError by design, and struct.error, construct's errors, AttributeError, AssertionError,
    # MemoryError and others by accident: whichever it is, it could not read the file, and that is all that is asked.
    except Exception as error:  # noqa: BLE001
        yield Problem(
            message=f"pyelftools cannot read the file, though no rule of buildproof found fault with it: "
            f"{type(error).__name__}: {error}",
            expected="a file that pyelftools reads",
            actual=type(error).__name__,
        )
        return
    for field, value in _own_summary(image).items():
        if theirs[field] != value:
            yield Problem(
                message=f"pyelftools reads another {field} than buildproof",
                expected=str(value),
                actual=str(theirs[field]),
            )


def _own_summary(image: ElfImage) -> dict[str, object]:
    return {
        "entry point": image.header.entry,
        "list of PT_LOAD segments": [(load.offset, load.vaddr, load.filesz, load.memsz) for load in image.loads],
        "list of sections": [(section.offset, section.size) for section in image.sections[:_MOST_SECTIONS]],
        "dynamic section": (segment := image.segment(SegmentType.DYNAMIC)) and (segment.offset, segment.filesz),
    }


def _summary(parsed: ELFFile) -> dict[str, object]:
    segments = [_entry(parsed, "Elf_Phdr", "e_phoff", index) for index in range(parsed.num_segments())]
    count = min(parsed.num_sections(), _MOST_SECTIONS)
    sections = [_entry(parsed, "Elf_Shdr", "e_shoff", index) for index in range(count)]
    if sections and parsed.get_shstrndx():
        names = parsed.get_section(parsed.get_shstrndx())
        if not isinstance(names, StringTableSection):
            raise TypeError(f"the table of section names is a {type(names).__name__}")
        for section in sections:
            names.get_string(section["sh_name"])
    dynamic = next((segment for segment in segments if segment["p_type"] == "PT_DYNAMIC"), None)
    return {
        "entry point": parsed["e_entry"],
        "list of PT_LOAD segments": [
            (segment["p_offset"], segment["p_vaddr"], segment["p_filesz"], segment["p_memsz"])
            for segment in segments
            if segment["p_type"] == "PT_LOAD"
        ],
        "list of sections": [(section["sh_offset"], section["sh_size"]) for section in sections],
        "dynamic section": dynamic and (dynamic["p_offset"], dynamic["p_filesz"]),
    }


def _entry(parsed: ELFFile, layout: str, table: str, index: int) -> Any:
    # Not get_segment() and get_section(): those read whole hash tables, entry by entry.
    structure = getattr(parsed.structs, layout)
    return struct_parse(structure, parsed.stream, stream_pos=parsed[table] + index * structure.sizeof())


def rules(needs: tuple[str, ...]) -> tuple[Rule[ElfImage], ...]:
    """The second opinion, asked where `needs`, all of our own rules, hold: of a broken file it has nothing to add."""
    return (
        Rule(
            id="elf-second-opinion",
            title="pyelftools reads the same entry point, segments, sections and section names",
            source="pyelftools, as pinned in requirements.txt",
            mend=REBUILD,
            judge=_opinion,
            needs=needs,
        ),
    )
