"""Program headers: what the kernel maps, and whether it can."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import CLASS_64, Segment, SegmentType
from buildproof.artifacts.reader import is_power_of_two, span
from buildproof.artifacts.rule import CUT, REBUILD, Problem, Rule

# load_elf_phdrs() refuses more than 64 KiB of them.
_MOST_PROGRAM_HEADERS_SIZE = 65536
# The kernel maps whole pages, so that offset and address have to agree at least modulo the smallest page there is.
_SMALLEST_PAGE = 4096


def _program_headers(image: ElfImage) -> Iterator[Problem]:
    header = image.header
    if header.phnum == 0 or header.phentsize != image.segment_entry_size:
        yield Problem(
            message=f"the file announces {header.phnum} program headers of {header.phentsize} bytes",
            offset=54 if image.ident[4] == CLASS_64 else 42,
            expected=f"at least one, of {image.segment_entry_size} bytes",
            actual=f"{header.phnum} of {header.phentsize} bytes",
        )
    elif header.phnum * header.phentsize > _MOST_PROGRAM_HEADERS_SIZE:
        yield Problem(
            message=f"the file announces {header.phnum} program headers: Linux loads no such program",
            offset=56 if image.ident[4] == CLASS_64 else 44,
            expected=f"up to {_MOST_PROGRAM_HEADERS_SIZE // image.segment_entry_size}",
            actual=str(header.phnum),
        )
    elif not image.loads:
        yield Problem(
            message="none of the program headers is a PT_LOAD: there is nothing to map",
            offset=header.phoff,
            expected="at least one PT_LOAD",
            actual="none",
        )


def _outside(image: ElfImage, segment: Segment) -> Problem:
    return Problem(
        message=f"{segment} ends at {segment.file_end:#x}, but the file has only {image.reader.size} bytes "
        f"({image.reader.size:#x})",
        offset=segment.position,
        expected=f"{span(segment.offset, segment.file_end)} inside the file",
        actual=f"{image.reader.size} bytes",
    )


def _load_data(image: ElfImage) -> Iterator[Problem]:
    for segment in image.loads:
        if segment.file_end > image.reader.size:
            yield _outside(image, segment)


def _load_size(image: ElfImage) -> Iterator[Problem]:
    for segment in image.loads:
        if segment.filesz > segment.memsz:
            yield Problem(
                message=f"{segment} has {segment.filesz} bytes in the file for {segment.memsz} in memory",
                offset=segment.position,
                expected=f"p_filesz up to {segment.memsz:#x}",
                actual=f"{segment.filesz:#x}",
                mend=REBUILD,
            )


def _load_code(image: ElfImage) -> Iterator[Problem]:
    executable = [segment for segment in image.loads if segment.executable]
    if not executable:
        yield Problem(
            message="no PT_LOAD segment is executable",
            offset=image.header.phoff,
            expected="a PT_LOAD segment with PF_X",
            actual="none",
        )
    elif not any(segment.filesz for segment in executable):
        yield Problem(
            message="the executable segments have no bytes in the file: it holds debug information alone",
            offset=executable[0].position,
            expected="p_filesz above zero",
            actual="0",
            mend="Look at the artifact's path: objcopy --only-keep-debug makes such files, beside the program.",
        )


def _load_order(image: ElfImage) -> Iterator[Problem]:
    limit = 1 << image.target.machine.bits
    end = 0
    for segment in image.loads:
        if segment.vaddr < end:
            yield Problem(
                message=f"{segment} at {segment.vaddr:#x} starts before the memory of the one before it "
                f"ends ({end:#x})",
                offset=segment.position,
                expected=f"p_vaddr from {end:#x} on",
                actual=f"{segment.vaddr:#x}",
            )
        end = segment.vaddr + segment.memsz
        if end > limit:
            yield Problem(
                message=f"{segment} ends at {end:#x} in memory, beyond the last address",
                offset=segment.position,
                expected=f"up to {limit:#x}",
                actual=f"{end:#x}",
            )


def _load_alignment(image: ElfImage) -> Iterator[Problem]:
    for segment in image.loads:
        if segment.align > 1 and not is_power_of_two(segment.align):
            yield Problem(
                message=f"{segment} has the alignment {segment.align:#x}",
                offset=segment.position,
                expected="0, 1 or a power of two",
                actual=f"{segment.align:#x}",
            )
            continue
        modulus = max(segment.align, _SMALLEST_PAGE)
        if segment.filesz and (segment.offset - segment.vaddr) % modulus:
            yield Problem(
                message=f"{segment} cannot be mapped: offset {segment.offset:#x} and address {segment.vaddr:#x} "
                f"disagree modulo {modulus:#x}",
                offset=segment.position,
                expected=f"p_offset modulo {modulus:#x} = {segment.vaddr % modulus:#x}",
                actual=f"{segment.offset % modulus:#x}",
            )


def _segment_data(image: ElfImage) -> Iterator[Problem]:
    for segment in image.segments:
        if segment.type != SegmentType.LOAD and segment.filesz and segment.file_end > image.reader.size:
            yield _outside(image, segment)


_SPEC = 'System V gABI, ch. 5 "Program Header"'
RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-program-headers",
        title="the program header table lies in the file and names something to map",
        source=_SPEC + "; Linux, fs/binfmt_elf.c: load_elf_phdrs()",
        mend=REBUILD,
        judge=_program_headers,
        needs=("elf-class",),
    ),
    Rule(
        id="elf-load-data",
        title="the bytes of every PT_LOAD segment lie inside the file",
        source=_SPEC + "; mmap(2): touching a mapped page behind the end of the file is SIGBUS",
        mend=CUT,
        judge=_load_data,
        needs=("elf-program-headers",),
    ),
    Rule(
        id="elf-load-size",
        title="no PT_LOAD segment has more bytes in the file than in memory",
        source=_SPEC,
        mend=REBUILD,
        judge=_load_size,
        needs=("elf-load-data",),
    ),
    Rule(
        id="elf-load-code",
        title="an executable PT_LOAD segment has bytes in the file",
        source=_SPEC,
        mend=REBUILD,
        judge=_load_code,
        needs=("elf-load-size",),
    ),
    Rule(
        id="elf-load-order",
        title="the PT_LOAD segments ascend in memory and do not overlap",
        source=_SPEC + ": PT_LOAD entries appear in ascending order of p_vaddr",
        mend=REBUILD,
        judge=_load_order,
        needs=("elf-load-size",),
    ),
    Rule(
        id="elf-load-alignment",
        title="every PT_LOAD segment's offset and address agree modulo its alignment and the page size",
        source=_SPEC + "; Linux, fs/binfmt_elf.c: elf_map()",
        mend=REBUILD,
        judge=_load_alignment,
        needs=("elf-load-order",),
    ),
    Rule(
        id="elf-segment-data",
        title="the bytes of every other segment lie inside the file",
        source=_SPEC,
        mend=CUT,
        judge=_segment_data,
        needs=("elf-load-data",),
    ),
)
