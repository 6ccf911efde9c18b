"""Code: is there something to execute where the program starts, and in what claims to be code?"""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.content import PAGE
from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import SHF_EXECINSTR, Segment
from buildproof.artifacts.reader import span
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.targets import Kind

# No machine starts a program with this many zero bytes: on x86 they are `add [rax], al`, on aarch64 an undefined
# instruction.
ENTRY_BYTES = 16


def _entry_segment(image: ElfImage) -> Segment | None:
    entry = image.header.entry
    return next((load for load in image.loads if load.vaddr <= entry < load.vaddr + load.memsz), None)


def _entry_point(image: ElfImage) -> Iterator[Problem]:
    entry = image.header.entry
    segment = _entry_segment(image)
    if entry == 0 and image.expected.kind is Kind.LIBRARY:
        return
    if entry == 0:
        trouble, expected = "the file has no entry point", "an address in executable code"
    elif segment is None:
        trouble, expected = f"the entry point {entry:#x} lies in no PT_LOAD segment", "an address in one"
    elif not segment.executable:
        trouble = f"the entry point {entry:#x} lies in {segment}, which is not executable"
        expected = "an address in an executable segment"
    elif entry - segment.vaddr >= segment.filesz:
        trouble = f"the entry point {entry:#x} lies in the part of {segment} for which the file has no bytes"
        expected = f"an address in {span(segment.vaddr, segment.vaddr + segment.filesz)}"
    else:
        return
    yield Problem(message=trouble, offset=24, expected=expected, actual=f"{entry:#x}")


def _code(image: ElfImage) -> Iterator[Problem]:
    # Executable sections where the file names them. Segments are too coarse to look for pages of zeros: older
    # linkers put read-only tables into the executable one, newer ones pad it up to huge pages.
    sections = [section for section in image.sections if section.flags & SHF_EXECINSTR and section.file_size]
    parts = [(str(section), section.offset, section.offset + section.file_size) for section in sections] or [
        (str(load), load.offset, load.file_end) for load in image.loads if load.executable and load.filesz
    ]
    for name, start, end in parts:
        if image.content.blank(image.reader, start, end):
            yield Problem(
                message=f"{name} claims to hold code, but its {end - start} bytes in the file are all zeros",
                offset=start,
                expected="instructions",
                actual=f"{end - start} zeros",
            )
        elif sections and (zeros := image.content.zero_pages(start, end)):
            yield Problem(
                message=f"{name} holds code, but {len(zeros)} bytes of it at {span(zeros.start, zeros.stop)} are zeros",
                offset=zeros.start,
                expected=f"no whole {PAGE}-byte page of zeros in code",
                actual=f"{len(zeros)} zeros",
            )


def _entry_bytes(image: ElfImage) -> Iterator[Problem]:
    segment = _entry_segment(image)
    if segment is None or not image.header.entry:
        return
    start = segment.offset + image.header.entry - segment.vaddr
    end = min(start + ENTRY_BYTES, segment.file_end)
    if image.content.blank(image.reader, start, end):
        yield Problem(
            message=f"the program would start with {end - start} zero bytes, at {start:#x} in {segment}",
            offset=start,
            expected="instructions",
            actual=f"{end - start} zeros",
        )


RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-entry-point",
        title="the entry point lies in an executable segment, where the file has bytes for it",
        source='System V gABI, ch. 4 "ELF Header"',
        mend="Look at the linker's --entry option and at whether the start-up objects (crt1.o) were linked; "
        "a shared library has no entry point.",
        judge=_entry_point,
        needs=("elf-load-code", "elf-load-order"),
    ),
    # One whole page of the file, aligned as the file system loses it. Compilers and linkers fill gaps in code with
    # NOP, INT3 or BRK; where zeros stand for alignment, they are fewer than the alignment, so that up to an alignment
    # of a page they never make a whole page. Longest runs of zeros in executable sections of 3,107 ELF files of
    # Debian 12: 4,080 bytes (aarch64 libraries, alignment to a page), next 319.
    Rule(
        id="elf-code",
        title="no section of code is blank or has a page of zeros",
        source="buildproof, measured on the programs and libraries of Debian 12",
        mend=REBUILD,
        judge=_code,
        needs=("elf-section-data", "elf-load-code"),
    ),
    Rule(
        id="elf-entry-bytes",
        title="there are instructions at the entry point",
        source='System V gABI, ch. 4 "ELF Header"',
        mend=REBUILD,
        judge=_entry_bytes,
        needs=("elf-entry-point", "elf-code"),
    ),
)
