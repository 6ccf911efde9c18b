"""How hard a Linux program makes it for an attacker, in the levels that a project chooses."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.elf.dynamic import no_dynamic
from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.sections import no_sections
from buildproof.artifacts.elf.structures import DynamicTag, ObjectType, SectionType, SegmentType
from buildproof.artifacts.elf.symbols import undefined_names
from buildproof.artifacts.levels import at_level, keeps_symbols
from buildproof.artifacts.rule import Aspect, Problem, Rule
from buildproof.hardening import Hardening

_CANARY = "__stack_chk_fail"


def _pie(image: ElfImage) -> Iterator[Problem]:
    if image.header.type != ObjectType.DYN:
        yield Problem(
            message="the program is always loaded to the same address",
            offset=16,
            expected="3 (ET_DYN)",
            actual=str(image.header.type),
        )


def _nx_stack(image: ElfImage) -> Iterator[Problem]:
    stack = image.segment(SegmentType.GNU_STACK)
    if stack is None or stack.executable:
        yield Problem(
            message="the program's stack can be executed",
            offset=stack.position if stack else None,
            expected="PT_GNU_STACK without PF_X",
            actual="with PF_X" if stack else "no PT_GNU_STACK",
        )


def _wx(image: ElfImage) -> Iterator[Problem]:
    for load in image.loads:
        if load.executable and load.writable:
            yield Problem(
                message=f"{load} can be written and executed",
                offset=load.position + (4 if image.word == 8 else 24),
                expected="one of PF_W and PF_X",
                actual="both",
            )
    if DynamicTag.TEXTREL in image.tags:
        yield Problem(
            message="ld.so has to make code writable for its relocations (DT_TEXTREL)",
            expected="no DT_TEXTREL",
            actual="DT_TEXTREL",
            mend="Compile everything with -fPIC, hand-written assembly too.",
        )


def _relro(image: ElfImage) -> Iterator[Problem]:
    if image.segment(SegmentType.GNU_RELRO) is None:
        yield Problem(
            message="what ld.so has relocated stays writable: there is no PT_GNU_RELRO",
            offset=image.header.phoff,
            expected="PT_GNU_RELRO",
            actual="none",
        )


def _bind_now(image: ElfImage) -> Iterator[Problem]:
    if not image.bind_now:
        segment = image.segment(SegmentType.DYNAMIC)
        yield Problem(
            message="functions are resolved when they are first called, so that their addresses stay writable",
            offset=segment.offset if segment else None,
            expected="DF_BIND_NOW or DF_1_NOW",
            actual="neither",
        )


def _canary(image: ElfImage) -> Iterator[Problem]:
    if _CANARY not in undefined_names(image):
        yield Problem(
            message=f"no function checks its stack: {_CANARY} is not asked for",
            expected=_CANARY,
            actual="not among the symbols that are needed",
        )


def _fortify(image: ElfImage) -> Iterator[Problem]:
    if not any(_is_fortified(name) for name in undefined_names(image)):
        yield Problem(
            message="no function of the C library is called in its checked form, such as __memcpy_chk",
            expected="a symbol that ends in _chk",
            actual="none",
        )


def _is_fortified(name: str) -> bool:
    return name.startswith("__") and name.endswith("_chk")


def _stripped(image: ElfImage) -> Iterator[Problem]:
    for section in image.sections:
        if section.type == SectionType.SYMTAB:
            yield Problem(
                message=f"the program has symbols for debuggers: {section.size} bytes in {section}",
                offset=section.offset,
                expected="no SHT_SYMTAB",
                actual=f"{section.size} bytes",
            )


def _keeps_symbols(image: ElfImage) -> str | None:
    return keeps_symbols(image) or no_sections(image)


RULES: tuple[Rule[ElfImage], ...] = (
    *at_level(
        Hardening.BASIC,
        Rule(
            id="elf-pie",
            title="the program can be loaded to a random address",
            source='System V gABI, ch. 4 "ELF Header": ET_DYN; Linux, fs/binfmt_elf.c',
            mend="Compile with -fPIE and link with -pie (or -static-pie); CMake: CMAKE_POSITION_INDEPENDENT_CODE and "
            "CheckPIESupported.",
            judge=_pie,
            needs=("elf-type",),
        ),
        Rule(
            id="elf-nx-stack",
            title="the stack cannot be executed",
            source="Linux, fs/binfmt_elf.c: PT_GNU_STACK",
            mend='Give assembly files .section .note.GNU-stack,"",@progbits, or link with -Wl,-z,noexecstack.',
            judge=_nx_stack,
            needs=("elf-program-headers",),
        ),
        Rule(
            id="elf-wx",
            title="no segment can be written and executed, not even by ld.so",
            source='System V gABI, ch. 5 "Segment Permissions"',
            mend="Look for -Wl,-N, -Wl,--omagic and for a packer.",
            judge=_wx,
            needs=("elf-program-headers", "elf-dynamic"),
        ),
        Rule(
            id="elf-relro",
            title="what ld.so has relocated becomes read-only",
            source="Linux Standard Base, Core: PT_GNU_RELRO",
            mend="Link with -Wl,-z,relro.",
            judge=_relro,
            applies=no_dynamic,
            needs=("elf-program-headers",),
        ),
    ),
    *at_level(
        Hardening.FULL,
        Rule(
            id="elf-bind-now",
            title="all functions are resolved before the program starts",
            source='System V gABI, ch. 5 "Dynamic Section": DF_BIND_NOW; ld.so(8): LD_BIND_NOW',
            mend="Link with -Wl,-z,now.",
            judge=_bind_now,
            applies=no_dynamic,
            needs=("elf-dynamic",),
        ),
    ),
    *at_level(
        Hardening.STRICT,
        Rule(
            id="elf-canary",
            title="functions check their stack before they return",
            source="GCC, Program Instrumentation Options: -fstack-protector",
            mend="Compile with -fstack-protector-strong. rustc cannot, where it is stable.",
            judge=_canary,
            applies=no_dynamic,
            needs=("elf-symbols",),
        ),
        Rule(
            id="elf-fortify",
            title="functions of the C library are called in their checked forms",
            source="glibc manual, Source Fortification: _FORTIFY_SOURCE",
            mend="Compile with -O1 or more and -D_FORTIFY_SOURCE=2 or 3.",
            judge=_fortify,
            applies=no_dynamic,
            needs=("elf-symbols",),
        ),
    ),
    Rule(
        id="elf-stripped",
        title="the program has no symbols for debuggers",
        source='System V gABI, ch. 4 "Sections": SHT_SYMTAB',
        mend="Link with -s, strip the file, or set strip = true in Cargo's profile; keep the symbols apart with "
        "objcopy --only-keep-debug.",
        judge=_stripped,
        applies=_keeps_symbols,
        needs=("elf-section-table",),
        aspect=Aspect.HARDENING,
    ),
)
