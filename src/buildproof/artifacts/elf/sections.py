"""The section header table: the kernel does not need it, but a linker writes it last, so that it tells of a cut."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import CLASS_64, SectionType
from buildproof.artifacts.file import HOLE_MEND, hole_problem
from buildproof.artifacts.reader import span
from buildproof.artifacts.rule import CUT, REBUILD, Problem, Rule

# A program has some 40. The limit keeps the time short that nonsense in this field can cost.
_MOST_SECTIONS = 65536


def no_sections(image: ElfImage) -> str | None:
    """Why rules about sections do not apply, or None."""
    return None if image.header.shoff else "the file has no section header table"


def _table(image: ElfImage) -> Iterator[Problem]:
    if image.header.shentsize != image.section_entry_size:
        yield Problem(
            message=f"the file announces section headers of {image.header.shentsize} bytes",
            offset=58 if image.ident[4] == CLASS_64 else 46,
            expected=str(image.section_entry_size),
            actual=str(image.header.shentsize),
        )
        return
    if not 0 < image.section_count <= _MOST_SECTIONS:
        yield Problem(
            message=f"the section header table at {image.header.shoff:#x} has {image.section_count} entries",
            offset=image.header.shoff,
            expected=f"1 to {_MOST_SECTIONS}",
            actual=str(image.section_count),
        )
        return
    names = image.section_names
    if names and (names >= len(image.sections) or image.sections[names].type != SectionType.STRTAB):
        where = image.sections[names].position if names < len(image.sections) else image.header.shoff
        yield Problem(
            message=f"the table of section names is section {names}, which is no string table: the section header "
            f"table at {image.header.shoff:#x} was not written, or e_shstrndx is wrong",
            offset=where,
            expected=f"a section below {len(image.sections)}, of type SHT_STRTAB",
            actual=f"section {names}"
            + (f" of type {image.sections[names].type:#x}" if names < len(image.sections) else ""),
        )


def _data(image: ElfImage) -> Iterator[Problem]:
    for section in image.sections:
        end = section.offset + section.file_size
        if section.file_size and end > image.reader.size:
            yield Problem(
                message=f"{section} ends at {end:#x}, but the file has only {image.reader.size} bytes "
                f"({image.reader.size:#x})",
                offset=section.position,
                expected=f"{span(section.offset, end)} inside the file",
                actual=f"{image.reader.size} bytes",
            )


def _holes(image: ElfImage) -> Iterator[Problem]:
    # Sections and not segments: GNU ld leaves holes between the sections of a segment that it pads to huge pages.
    for section in image.sections:
        problem = hole_problem(image.content, section.offset, section.offset + section.file_size, str(section))
        if problem:
            yield problem


RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-section-table",
        title="the section header table lies in the file and knows where the sections' names are",
        source='System V gABI, ch. 4 "Sections"',
        mend=REBUILD,
        judge=_table,
        applies=no_sections,
        needs=("elf-load-data",),
    ),
    Rule(
        id="elf-section-data",
        title="the bytes of every section lie inside the file",
        source='System V gABI, ch. 4 "Sections"',
        mend=CUT,
        judge=_data,
        applies=no_sections,
        needs=("elf-section-table",),
    ),
    Rule(
        id="elf-holes",
        title="no section has a hole in the file",
        source="lseek(2): SEEK_HOLE; buildproof, measured on what GNU ld and lld write",
        mend=HOLE_MEND,
        judge=_holes,
        applies=no_sections,
        needs=("elf-section-data",),
    ),
)
