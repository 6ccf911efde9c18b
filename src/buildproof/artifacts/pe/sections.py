"""The section table, and the sections' places in the file and in memory."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.file import HOLE_MEND, hole_problem
from buildproof.artifacts.pe.image import PeImage
from buildproof.artifacts.reader import align_up, span
from buildproof.artifacts.rule import CUT, REBUILD, Problem, Rule
from buildproof.evidence import CheckStatus

# The specification's own limit for the Windows loader.
_MOST_SECTIONS = 96


def _table(image: PeImage) -> Iterator[Problem]:
    count = image.coff.number_of_sections
    if not 1 <= count <= _MOST_SECTIONS:
        yield Problem(
            message=f"the file announces {count} sections",
            offset=image.coff_offset + 2,
            expected=f"1 to {_MOST_SECTIONS}",
            actual=str(count),
        )
        return
    _ = image.sections
    headers = image.optional.size_of_headers
    if headers < image.section_table_end:
        yield Problem(
            message=f"SizeOfHeaders does not cover the section table, which ends at {image.section_table_end:#x}",
            offset=image.optional_offset + 60,
            expected=f"at least {image.section_table_end:#x}",
            actual=f"{headers:#x}",
        )
    image.reader.require(0, headers, "the block of headers (SizeOfHeaders)")


def _data(image: PeImage) -> Iterator[Problem]:
    for section in image.sections:
        if section.raw_size and section.raw_end > image.reader.size:
            yield Problem(
                message=f"{section} ends at {section.raw_end:#x}, but the file has only {image.reader.size} bytes "
                f"({image.reader.size:#x})",
                offset=section.offset + 16,
                expected=f"raw data at {span(section.pointer_to_raw_data, section.raw_end)} inside the file",
                actual=f"{image.reader.size} bytes",
            )


def _overlap(image: PeImage) -> Iterator[Problem]:
    end, before = image.section_table_end, "the section table"
    for section in sorted(image.sections, key=lambda section: section.pointer_to_raw_data):
        if not section.raw_size:
            continue
        if section.pointer_to_raw_data < end:
            yield Problem(
                message=f"{section} starts at {section.pointer_to_raw_data:#x}, inside {before}, "
                f"which ends at {end:#x}",
                offset=section.offset + 20,
                expected=f"raw data from {end:#x} on",
                actual=f"{section.pointer_to_raw_data:#x}",
            )
        end, before = section.raw_end, str(section)


def _alignment(image: PeImage) -> Iterator[Problem]:
    header = image.optional
    for section in image.sections:
        if section.virtual_address % header.section_alignment:
            yield Problem(
                message=f"{section} is placed at {section.virtual_address:#x} in memory",
                offset=section.offset + 12,
                expected=f"a multiple of SectionAlignment ({header.section_alignment:#x})",
                actual=f"{section.virtual_address:#x}",
            )
        if section.raw_size and section.pointer_to_raw_data % header.file_alignment:
            yield Problem(
                message=f"{section} stands at {section.pointer_to_raw_data:#x} in the file",
                offset=section.offset + 20,
                expected=f"a multiple of FileAlignment ({header.file_alignment:#x})",
                actual=f"{section.pointer_to_raw_data:#x}",
            )


def _addresses(image: PeImage) -> Iterator[Problem]:
    alignment = image.optional.section_alignment
    end, before = align_up(image.optional.size_of_headers, alignment), "the headers"
    for section in image.sections:
        if section.virtual_address != end:
            relation = "leaves a gap behind" if section.virtual_address > end else "overlaps"
            yield Problem(
                message=f"{section} at {section.virtual_address:#x} {relation} {before}, whose memory ends at {end:#x}",
                offset=section.offset + 12,
                expected=f"{end:#x}",
                actual=f"{section.virtual_address:#x}",
            )
        end, before = align_up(section.virtual_address + section.memory_size, alignment), str(section)


def _image_size(image: PeImage) -> Iterator[Problem]:
    last = image.sections[-1]
    end = align_up(last.virtual_address + last.memory_size, image.optional.section_alignment)
    declared = image.optional.size_of_image
    if declared != end:
        yield Problem(
            message=f"SizeOfImage is {declared:#x}, but the last section ends at {end:#x} in memory",
            offset=image.optional_offset + 56,
            expected=f"{end:#x}",
            actual=f"{declared:#x}",
            status=CheckStatus.FAIL if declared < end else CheckStatus.WARNING,
        )


def _holes(image: PeImage) -> Iterator[Problem]:
    for section in image.sections:
        end = section.pointer_to_raw_data + min(section.raw_size, section.memory_size)
        problem = hole_problem(image.content, section.pointer_to_raw_data, end, str(section))
        if problem:
            yield problem


_SPEC = 'Microsoft PE format, "Section Table (Section Headers)"'
_LSEEK = "lseek(2): SEEK_HOLE; buildproof, measured on what GNU ld and lld write"
RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-section-table",
        title="the section table lies in the file, and the headers' size covers it",
        source=_SPEC,
        mend=REBUILD,
        judge=_table,
        needs=("pe-optional-header",),
    ),
    Rule(
        id="pe-section-data",
        title="the raw data of every section lies inside the file",
        source=_SPEC,
        mend=CUT,
        judge=_data,
        needs=("pe-section-table",),
    ),
    Rule(
        id="pe-section-overlap",
        title="no two sections share bytes of the file",
        source=_SPEC,
        mend=REBUILD,
        judge=_overlap,
        needs=("pe-section-data",),
    ),
    Rule(
        id="pe-section-alignment",
        title="every section stands at a multiple of the alignments that the optional header declares",
        source=_SPEC,
        mend=REBUILD,
        judge=_alignment,
        needs=("pe-section-data", "pe-alignment"),
    ),
    Rule(
        id="pe-section-addresses",
        title="the sections follow the headers and each other in memory, ascending and adjacent",
        source=_SPEC + ": VirtualAddress values must be in ascending order and adjacent",
        mend="Windows refuses such an image (ERROR_BAD_EXE_FORMAT), though Wine may run it: "
        "see what changed the file after it was linked (objcopy --remove-section, strip, a packer).",
        judge=_addresses,
        needs=("pe-section-alignment",),
    ),
    Rule(
        id="pe-image-size",
        title="the declared size of the image covers the sections, and nothing more",
        source='Microsoft PE format, "Optional Header Windows-Specific Fields (Image Only)"',
        mend=REBUILD,
        judge=_image_size,
        needs=("pe-section-addresses",),
    ),
    Rule(
        id="pe-holes",
        title="no section has a hole in the file",
        source=_LSEEK,
        mend=HOLE_MEND,
        judge=_holes,
        needs=("pe-section-data",),
    ),
)
