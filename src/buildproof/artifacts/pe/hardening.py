"""How hard a Windows program makes it for an attacker, in the levels that a project chooses."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.levels import at_level, keeps_symbols
from buildproof.artifacts.pe.image import RELOCATION, PeImage
from buildproof.artifacts.pe.startup import guard_functions
from buildproof.artifacts.rule import Aspect, Problem, Rule
from buildproof.hardening import Hardening

_RELOCATIONS_STRIPPED = 0x0001
_HIGH_ENTROPY_VA, _DYNAMIC_BASE, _NX_COMPAT, _GUARD_CF = 0x0020, 0x0040, 0x0100, 0x4000


def _flag(image: PeImage, flag: int, message: str) -> Iterator[Problem]:
    found = image.optional.dll_characteristics
    if not found & flag:
        yield Problem(
            message=message,
            offset=image.optional_offset + 70,
            expected=f"{flag:#06x} set in DllCharacteristics",
            actual=f"{found:#06x}",
        )


def _aslr(image: PeImage) -> Iterator[Problem]:
    yield from _flag(image, _DYNAMIC_BASE, "the program is always loaded to the same address (no DYNAMIC_BASE)")
    if image.coff.characteristics & _RELOCATIONS_STRIPPED or image.directory(RELOCATION) is None:
        yield Problem(
            message="the program has no base relocations, without which it cannot be loaded to another address",
            offset=image.coff_offset + 18,
            expected="a base relocation table",
            actual=f"characteristics {image.coff.characteristics:#06x}",
        )


def _nx(image: PeImage) -> Iterator[Problem]:
    yield from _flag(image, _NX_COMPAT, "the program's data can be executed (no NX_COMPAT)")


def _high_entropy(image: PeImage) -> Iterator[Problem]:
    yield from _flag(image, _HIGH_ENTROPY_VA, "the program is loaded to few addresses (no HIGH_ENTROPY_VA)")


def _wx(image: PeImage) -> Iterator[Problem]:
    for section in image.sections:
        if section.executable and section.writable:
            yield Problem(
                message=f"{section} can be written and executed",
                offset=section.offset + 36,
                expected="one of IMAGE_SCN_MEM_WRITE and IMAGE_SCN_MEM_EXECUTE",
                actual=f"{section.characteristics:#010x}",
            )


def _cfg(image: PeImage) -> Iterator[Problem]:
    yield from _flag(image, _GUARD_CF, "calls through pointers may go anywhere (no Control Flow Guard)")
    if image.optional.dll_characteristics & _GUARD_CF and not guard_functions(image):
        yield Problem(
            message="the program says that it has Control Flow Guard, but lists no functions for it",
            offset=image.optional_offset + 70,
            expected="a table of functions in the load configuration",
            actual="none",
        )


def _stripped(image: PeImage) -> Iterator[Problem]:
    count = image.coff.number_of_symbols if image.coff.pointer_to_symbol_table else 0
    if count:
        yield Problem(
            message=f"the program has {count} COFF symbols",
            offset=image.coff.pointer_to_symbol_table,
            expected="none",
            actual=str(count),
        )


def _narrow(image: PeImage) -> str | None:
    return None if image.target.machine.bits == 64 else "32-bit addresses have no room for it"


_SPEC = 'Microsoft PE format, "DLL Characteristics"'
RULES: tuple[Rule[PeImage], ...] = (
    *at_level(
        Hardening.BASIC,
        Rule(
            id="pe-aslr",
            title="the program can be loaded to a random address",
            source=_SPEC,
            mend="Link with -Wl,--dynamicbase (MSVC: /DYNAMICBASE), without --disable-reloc-section or "
            "strip -R .reloc.",
            judge=_aslr,
            needs=("pe-directories",),
        ),
        Rule(
            id="pe-nx",
            title="data cannot be executed",
            source=_SPEC,
            mend="Link with -Wl,--nxcompat (MSVC: /NXCOMPAT).",
            judge=_nx,
            needs=("pe-optional-header",),
        ),
        Rule(
            id="pe-wx",
            title="no section can be written and executed",
            source='Microsoft PE format, "Section Flags"',
            mend="Look for a packer, for -Wl,--omagic and for section attributes in assembly.",
            judge=_wx,
            needs=("pe-section-table",),
        ),
    ),
    *at_level(
        Hardening.FULL,
        Rule(
            id="pe-high-entropy",
            title="the random address is one of many: 64 bits wide",
            source=_SPEC,
            mend="Link with -Wl,--high-entropy-va (MSVC: /HIGHENTROPYVA).",
            judge=_high_entropy,
            applies=_narrow,
            needs=("pe-optional-header",),
        ),
    ),
    *at_level(
        Hardening.STRICT,
        Rule(
            id="pe-cfg",
            title="calls through pointers go to known functions only: Control Flow Guard",
            source='Microsoft PE format, "The Load Configuration Structure (Image Only)"',
            mend="Compile with -mguard=cf (clang, llvm-mingw), /guard:cf (MSVC) or -C control-flow-guard (rustc for "
            "MSVC); GCC cannot.",
            judge=_cfg,
            needs=("pe-load-config",),
        ),
    ),
    Rule(
        id="pe-stripped",
        title="the program has no symbols for debuggers",
        source='Microsoft PE format, "COFF Symbol Table"',
        mend="Link with -s, strip the file (x86_64-w64-mingw32-strip), or set strip = true in Cargo's profile; keep "
        "the symbols apart with objcopy --only-keep-debug.",
        judge=_stripped,
        applies=keeps_symbols,
        needs=("pe-symbol-table",),
        aspect=Aspect.HARDENING,
    ),
)
