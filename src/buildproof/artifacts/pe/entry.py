"""Code: is there something to execute where the image starts, and in the sections that claim to hold code?"""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.content import PAGE
from buildproof.artifacts.pe.image import PeImage, Section
from buildproof.artifacts.reader import span
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.targets import Kind

# No machine starts a program with this many zero bytes: on x86 they are `add [rax], al`, on aarch64 an undefined
# instruction.
ENTRY_BYTES = 16


def _entry_point(image: PeImage) -> Iterator[Problem]:
    entry = image.optional.address_of_entry_point
    section = image.section_at(entry)
    if entry == 0 and image.expected.kind is Kind.LIBRARY:
        return
    if entry == 0:
        trouble, expected = "the image has no entry point", "an address in executable code"
    elif section is None:
        trouble, expected = f"the entry point {entry:#x} lies in no section", "an address in an executable section"
    elif not section.executable:
        trouble = f"the entry point {entry:#x} lies in {section}, which is not executable"
        expected = "an address in an executable section"
    elif entry - section.virtual_address >= section.raw_size:
        backed = span(section.virtual_address, section.virtual_address + section.raw_size)
        trouble = f"the entry point {entry:#x} lies in the part of {section} for which the file has no bytes"
        expected = f"an address in {backed}"
    else:
        return
    yield Problem(message=trouble, offset=image.optional_offset + 16, expected=expected, actual=f"{entry:#x}")


def _code(image: PeImage) -> Iterator[Problem]:
    for section in image.sections:
        start = section.pointer_to_raw_data
        end = start + _code_size(section)
        if not section.claims_code or start >= end:
            continue
        if image.content.blank(image.reader, start, end):
            yield Problem(
                message=f"{section} claims to hold code, but its {end - start} bytes in the file are all zeros",
                offset=start,
                expected="instructions",
                actual=f"{end - start} zeros",
            )
        elif zeros := image.content.zero_pages(start, end):
            yield Problem(
                message=f"{section} holds code, but {len(zeros)} bytes of it at {span(zeros.start, zeros.stop)} "
                "are zeros",
                offset=zeros.start,
                expected=f"no whole {PAGE}-byte page of zeros in code",
                actual=f"{len(zeros)} zeros",
            )


def _code_size(section: Section) -> int:
    """Bytes of the raw data that are the section's, without the padding up to FileAlignment."""
    return min(section.raw_size, section.memory_size)


def _entry_bytes(image: PeImage) -> Iterator[Problem]:
    entry = image.optional.address_of_entry_point
    section = image.section_at(entry)
    if section is None or not entry:
        return
    start = section.pointer_to_raw_data + entry - section.virtual_address
    end = min(start + ENTRY_BYTES, section.raw_end)
    if image.content.blank(image.reader, start, end):
        yield Problem(
            message=f"the program would start with {end - start} zero bytes, at {start:#x} in {section}",
            offset=start,
            expected="instructions",
            actual=f"{end - start} zeros",
        )


RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-entry-point",
        title="the entry point lies in an executable section, where the file has bytes for it",
        source='Microsoft PE format, "Optional Header Standard Fields (Image Only)"',
        mend="Look at the linker's --entry option and at whether the start-up object (crt2.o) was linked; "
        "a DLL without entry point is no program.",
        judge=_entry_point,
        needs=("pe-section-addresses",),
    ),
    # One whole page of the file, aligned as the file system loses it. Compilers and linkers fill gaps in code with
    # NOP, INT3 or BRK; where zeros stand for alignment, they are fewer than the alignment, so that up to an alignment
    # of a page they never make a whole page. In 763 PE files of Debian 12 with Wine and mingw-w64 no section of code
    # has a run of more than 63 zeros.
    Rule(
        id="pe-code",
        title="no section of code is blank or has a page of zeros",
        source="buildproof, measured on the PE files of Debian 12 with Wine and mingw-w64",
        mend=REBUILD,
        judge=_code,
        needs=("pe-section-data",),
    ),
    Rule(
        id="pe-entry-bytes",
        title="there are instructions at the entry point",
        source='Microsoft PE format, "Optional Header Standard Fields (Image Only)"',
        mend=REBUILD,
        judge=_entry_bytes,
        needs=("pe-entry-point", "pe-code"),
    ),
)
