"""What makes an ELF file a program: its interpreter, its dynamic section, and that it is no library."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import CLASS_32, DynamicTag, ObjectType, SegmentType
from buildproof.artifacts.reader import span
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.evidence import CheckStatus
from buildproof.targets import Kind, Machine

# The psABI documents of the three processors name glibc's; musl's are made in its dynlink.c.
INTERPRETERS = {
    Machine.X86_64: "/lib64/ld-linux-x86-64.so.2",
    Machine.I686: "/lib/ld-linux.so.2",
    Machine.AARCH64: "/lib/ld-linux-aarch64.so.1",
}
MUSL_INTERPRETERS = {
    Machine.X86_64: "/lib/ld-musl-x86_64.so.1",
    Machine.I686: "/lib/ld-musl-i386.so.1",
    Machine.AARCH64: "/lib/ld-musl-aarch64.so.1",
}
_LONGEST_PATH = 4096  # PATH_MAX: load_elf_binary() refuses more
_DF_1_PIE = 0x08000000
# A program has some 30 entries, one of them for each library it needs. The limit keeps the time short that nonsense in
# this field can cost.
_LARGEST_DYNAMIC = 1 << 20


def _static(image: ElfImage) -> str | None:
    return None if image.segment(SegmentType.INTERP) else "the file asks for no interpreter: it is linked statically"


def _interpreter(image: ElfImage) -> Iterator[Problem]:
    segment = image.segment(SegmentType.INTERP)
    if segment is None:
        return
    expected = INTERPRETERS[image.target.machine]
    raw = image.reader.read(segment.offset, min(segment.filesz, _LONGEST_PATH), "the interpreter's path")
    path = raw.partition(b"\0")[0].decode("ascii", "backslashreplace")
    if not raw.endswith(b"\0"):
        yield Problem(
            message=f"the interpreter's path {path!r} has no end",
            offset=segment.offset,
            expected="a zero byte at the end",
            actual=raw[-1:].hex(),
            mend=REBUILD,
        )
    elif path == MUSL_INTERPRETERS[image.target.machine]:
        yield Problem(
            message=f"the interpreter is {path!r}, which only musl systems have",
            offset=segment.offset,
            expected=expected,
            actual=path,
            mend="That is right for a program meant for Alpine and its like, and wrong for the others.",
            status=CheckStatus.WARNING,
        )
    elif path != expected:
        yield Problem(
            message=f"the interpreter is {path!r}, not the expected one",
            offset=segment.offset,
            expected=expected,
            actual=path,
        )


def _no_dynamic(image: ElfImage) -> str | None:
    return None if image.segment(SegmentType.DYNAMIC) else "the file has no dynamic section: it is linked statically"


def _dynamic(image: ElfImage) -> Iterator[Problem]:
    segment = image.segment(SegmentType.DYNAMIC)
    if segment is None:
        return
    place = span(segment.offset, segment.file_end)
    if not any(load.offset <= segment.offset and segment.file_end <= load.file_end for load in image.loads):
        yield Problem(
            message=f"the dynamic section at {place} lies in no PT_LOAD segment: it would not be mapped",
            offset=segment.position,
            expected="a place inside one PT_LOAD segment",
            actual=place,
        )
    size = 8 if image.ident[4] == CLASS_32 else 16
    if segment.filesz % size or not 0 < segment.filesz <= _LARGEST_DYNAMIC:
        yield Problem(
            message=f"the dynamic section has {segment.filesz} bytes",
            offset=segment.position,
            expected=f"a multiple of {size}, above zero and up to {_LARGEST_DYNAMIC}",
            actual=str(segment.filesz),
        )
    elif image.dynamic[0][0] == DynamicTag.NULL:
        yield Problem(
            message=f"the dynamic section at {place} is empty",
            offset=segment.offset,
            expected="entries in front of DT_NULL",
            actual="DT_NULL as the first entry",
        )
    elif all(tag != DynamicTag.NULL for tag, _ in image.dynamic):
        yield Problem(
            message=f"the dynamic section at {place} has no end",
            offset=segment.offset,
            expected="a DT_NULL entry",
            actual=f"{len(image.dynamic)} entries without one",
        )


def _no_program(image: ElfImage) -> str | None:
    return "a library is expected" if image.expected.kind is Kind.LIBRARY else None


def _program(image: ElfImage) -> Iterator[Problem]:
    if image.segment(SegmentType.INTERP):
        return
    tags = dict(reversed(image.dynamic))
    if DynamicTag.NEEDED in tags:
        yield Problem(
            message="the file needs shared libraries, but names no interpreter that would load them",
            expected="a PT_INTERP segment",
            actual="none",
        )
    elif image.header.type == ObjectType.DYN and not tags.get(DynamicTag.FLAGS_1, 0) & _DF_1_PIE:
        yield Problem(
            message="the file is a shared library: it has neither an interpreter nor the flag DF_1_PIE of a "
            "static program",
            offset=16,
            expected="a program",
            actual="ET_DYN without PT_INTERP and DF_1_PIE",
        )


RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-interpreter",
        title="the interpreter is the expected one of the machine",
        source='System V gABI, ch. 5 "Program Interpreter", and the psABI of the processor',
        mend="Look for -dynamic-linker among the linker's options and at the sysroot of the build: "
        "where this file does not exist the program does not start (No such file or directory).",
        judge=_interpreter,
        applies=_static,
        needs=("elf-segment-data", "elf-load-code"),
    ),
    Rule(
        id="elf-dynamic",
        title="the dynamic section is mapped, has entries and an end",
        source='System V gABI, ch. 5 "Dynamic Section"',
        mend=REBUILD,
        judge=_dynamic,
        applies=_no_dynamic,
        needs=("elf-segment-data", "elf-load-code"),
    ),
    Rule(
        id="elf-program",
        title="the file is a program rather than a shared library",
        source='System V gABI, ch. 5 "Program Interpreter"; binutils, ld --pie: DF_1_PIE',
        mend="Look at the artifact's path and at the linker's options: -shared and a cdylib make libraries, "
        "and -shared together with -pie makes neither.",
        judge=_program,
        applies=_no_program,
        needs=("elf-type", "elf-dynamic"),
    ),
)
