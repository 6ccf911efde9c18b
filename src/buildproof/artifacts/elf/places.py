"""Segments and sections that describe parts of others: are these parts where they are said to be?"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from buildproof.artifacts.elf.image import SECTION_HEADER, ElfImage
from buildproof.artifacts.elf.sections import no_sections
from buildproof.artifacts.elf.structures import SHF_ALLOC, SHF_TLS, SectionType, SegmentType
from buildproof.artifacts.payload import payload_of
from buildproof.artifacts.reader import align_up, is_power_of_two, span
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.evidence import CheckStatus

# Parts of the program in memory; PT_GNU_STACK has no place, and PT_NOTE may describe what is not mapped.
_PARTS = frozenset(
    {
        SegmentType.DYNAMIC, SegmentType.INTERP, SegmentType.PHDR, SegmentType.TLS, SegmentType.GNU_EH_FRAME,
        SegmentType.GNU_RELRO, SegmentType.GNU_PROPERTY,
    }
)  # fmt: skip
_NOTE = struct.Struct("<III")
_MOST_NOTES = 10_000  # in a segment: a program has some five
_EH_FRAME_HEADER = struct.Struct("<BBBB")
_SDATA4_RELATIVE = 0x3B  # DW_EH_PE_datarel | DW_EH_PE_sdata4: what linkers write
_UDATA4 = 0x03
_TELLING_HEADERS = 4  # as many as no other data is likely to look like


def _parts(image: ElfImage) -> Iterator[Problem]:
    for segment in image.segments:
        if segment.type not in _PARTS or not segment.memsz:
            continue
        # Thread-local data that starts as zeros has no bytes anywhere: Go puts its segment behind all others.
        if segment.type == SegmentType.TLS and not segment.filesz:
            continue
        # PT_TLS may have its zero-filled end where other data follows; PT_GNU_RELRO ends with its page.
        length = segment.memsz if segment.type not in (SegmentType.TLS, SegmentType.GNU_RELRO) else segment.filesz
        home = image.load_at(segment.vaddr)
        if home is None or segment.vaddr + length > align_up(home.memory_end, 4096):
            yield Problem(
                message=f"{segment} at {span(segment.vaddr, segment.vaddr + segment.memsz)} in memory lies in no "
                "PT_LOAD segment",
                offset=segment.position,
                expected="a range inside one PT_LOAD segment",
                actual=span(segment.vaddr, segment.vaddr + segment.memsz),
            )
        elif segment.filesz and segment.offset - segment.vaddr != home.offset - home.vaddr:
            yield Problem(
                message=f"{segment} is at {segment.offset:#x} in the file, but what is loaded to its address "
                f"{segment.vaddr:#x} comes from {segment.vaddr - home.vaddr + home.offset:#x}",
                offset=segment.position,
                expected=f"{segment.vaddr - home.vaddr + home.offset:#x}",
                actual=f"{segment.offset:#x}",
            )
        if segment.type == SegmentType.TLS and segment.align > 1 and not is_power_of_two(segment.align):
            yield Problem(
                message=f"{segment} has the alignment {segment.align:#x}",
                offset=segment.position,
                expected="0, 1 or a power of two",
                actual=f"{segment.align:#x}",
            )


def _notes(image: ElfImage) -> Iterator[Problem]:
    for segment in image.segments:
        if segment.type != SegmentType.NOTE:
            continue
        alignment = 8 if segment.align == 8 else 4
        at, end = segment.offset, segment.file_end
        for _ in range(_MOST_NOTES):
            if at + _NOTE.size > end:
                break
            name, description, _ = image.reader.unpack(_NOTE, at, "a note")
            following = align_up(align_up(at + _NOTE.size + name, alignment) + description, alignment)
            if name == 0 or at + _NOTE.size + name + description > end:
                yield Problem(
                    message=f"the note at {at:#x} in {segment} has a name of {name} and a content of {description} "
                    f"bytes, where {end - at - _NOTE.size} are left",
                    offset=at,
                    expected="a name, and both inside the segment",
                    actual=f"{name} and {description}",
                )
                break
            at = following


def _no_notes(image: ElfImage) -> str | None:
    return None if image.segment(SegmentType.NOTE) else "the file has no notes"


def _unwind(image: ElfImage) -> Iterator[Problem]:
    segment = image.segment(SegmentType.GNU_EH_FRAME)
    if segment is None:
        return
    version, _, count_encoding, table_encoding = image.reader.unpack(
        _EH_FRAME_HEADER, segment.offset, "the header of the unwind table"
    )
    if version != 1:
        yield Problem(
            message=f"the header of the unwind table (.eh_frame_hdr) at {segment.offset:#x} has version {version}",
            offset=segment.offset,
            expected="1",
            actual=str(version),
        )
    elif count_encoding == _UDATA4 and table_encoding == _SDATA4_RELATIVE:
        at = segment.offset + 8
        count = int.from_bytes(image.reader.read(at, 4, "the size of the unwind table"), "little")
        if 12 + 8 * count > segment.filesz:
            yield Problem(
                message=f"the unwind table (.eh_frame_hdr) announces {count} functions in {segment.filesz} bytes",
                offset=at,
                expected=f"up to {(segment.filesz - 12) // 8}",
                actual=str(count),
            )


def _no_unwind(image: ElfImage) -> str | None:
    return None if image.segment(SegmentType.GNU_EH_FRAME) else "the file has no unwind table"


def _section_places(image: ElfImage) -> Iterator[Problem]:
    for section in image.sections:
        if not section.flags & SHF_ALLOC or not section.file_size or section.flags & SHF_TLS:
            continue
        home = image.load_at(section.address)
        if home is None:
            continue  # not loaded, whatever its flag says: what is not loaded cannot be wrong
        expected = section.address - home.vaddr + home.offset
        if section.offset != expected:
            yield Problem(
                message=f"{section} is at {section.offset:#x} in the file, but what is loaded to its address "
                f"{section.address:#x} comes from {expected:#x}",
                offset=section.position,
                expected=f"{expected:#x}",
                actual=f"{section.offset:#x}",
            )


def _section_overlap(image: ElfImage) -> Iterator[Problem]:
    end, before = image.header_size, "the ELF header"
    for section in sorted(image.sections, key=lambda section: section.offset):
        if not section.file_size:
            continue
        if section.offset < end:
            yield Problem(
                message=f"{section} starts at {section.offset:#x}, inside {before}, which ends at {end:#x}",
                offset=section.position,
                expected=f"from {end:#x} on",
                actual=f"{section.offset:#x}",
            )
        if section.offset + section.file_size > end:
            end, before = section.offset + section.file_size, str(section)


def overlay(image: ElfImage) -> range:
    """The bytes behind all that the headers account for; empty in most files."""
    header = image.header
    end = max(
        header.phoff + header.phnum * image.segment_entry_size,
        *(segment.file_end for segment in image.segments if segment.filesz),
        *(section.offset + section.file_size for section in image.sections if section.type != SectionType.NULL),
        header.shoff + image.section_count * image.section_entry_size,
    )
    return range(end, image.reader.size)


def _overlay(image: ElfImage) -> Iterator[Problem]:
    rest = overlay(image)
    # Zeros at the end are what `file-tail` tells of.
    if not rest or image.content.blank(image.reader, rest.start, rest.stop):
        return
    older = _ends_in_section_headers(image, rest)
    if older or payload_of(image.reader, rest) is None:
        kind = "the rest of an older ELF file, which this one was written over" if older else "no payload known here"
        yield Problem(
            message=f"no header accounts for the last {len(rest)} bytes of the file, from {rest.start:#x} on: "
            f"they are {kind}",
            offset=rest.start,
            expected=f"the end of the file at {rest.start:#x}",
            actual=f"{image.reader.size:#x}",
            status=CheckStatus.FAIL if older else CheckStatus.WARNING,
        )


def _ends_in_section_headers(image: ElfImage, rest: range) -> bool:
    """Whether the file ends in section headers that are not its own: linkers write that table last.

    A file that says it has none may have lost its header's word for them, and nothing else.
    """
    if not image.header.shoff:
        return False
    layout = SECTION_HEADER[image.ident[4]]
    length = _TELLING_HEADERS * layout.size
    if len(rest) < length:
        return False
    headers = layout.iter_unpack(image.reader.read(rest.stop - length, length, "the end of the file"))
    return all(_is_section_header(header, image.reader.size) for header in headers)


def _is_section_header(header: tuple[int, ...], size: int) -> bool:
    kind, offset, length, alignment = header[1], header[4], header[5], header[8]
    known = 0 < kind < 20 or 0x6FFFFFF0 <= kind <= 0x70000001
    inside = offset <= size and (length <= size or kind == SectionType.NOBITS)
    return known and inside and is_power_of_two(alignment)


_SEGMENTS = 'System V gABI, ch. 5 "Program Header"'
RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-segment-places",
        title="segments that describe parts of the program lie in a PT_LOAD segment, at the same place in the file",
        source=_SEGMENTS,
        mend=REBUILD,
        judge=_parts,
        needs=("elf-load-order", "elf-load-alignment", "elf-segment-data", "elf-dynamic"),
    ),
    Rule(
        id="elf-notes",
        title="the notes can be walked",
        source='System V gABI, ch. 5 "Note Section"',
        mend=REBUILD,
        judge=_notes,
        applies=_no_notes,
        needs=("elf-segment-data",),
    ),
    Rule(
        id="elf-unwind",
        title="the header of the unwind table has version 1 and covers its entries",
        source='Linux Standard Base, Core, ch. 10.6 "Exception Frames": .eh_frame_hdr',
        mend=REBUILD,
        judge=_unwind,
        applies=_no_unwind,
        needs=("elf-segment-places",),
    ),
    Rule(
        id="elf-section-places",
        title="what a section describes is what is loaded to its address",
        source='System V gABI, ch. 4 "Sections"',
        mend=REBUILD,
        judge=_section_places,
        applies=no_sections,
        needs=("elf-section-data", "elf-load-order", "elf-load-alignment", "elf-dynamic"),
    ),
    Rule(
        id="elf-section-overlap",
        title="no two sections share bytes of the file",
        source='System V gABI, ch. 4 "Sections": no byte in a file resides in more than one section',
        mend=REBUILD,
        judge=_section_overlap,
        applies=no_sections,
        needs=("elf-section-places",),
    ),
    Rule(
        id="elf-overlay",
        title="every byte of the file is accounted for: by a header or as a known kind of payload",
        source=_SEGMENTS + ": what is in no segment is not loaded",
        mend="An AppImage or a self-extracting program carries its payload there. Otherwise the file was written over "
        "a longer one, or something was appended to it: remove it and link it again.",
        judge=_overlay,
        needs=("elf-section-data", "elf-segment-data"),
    ),
)
