"""DOS header to optional header: is this an executable image for the target at all?"""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.pe.image import DIRECTORY_NAMES, PE32, PE32_PLUS, SIGNATURE, PeImage
from buildproof.artifacts.reader import is_power_of_two
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.targets import Format, Kind, Machine

_EXECUTABLE_IMAGE, _SYSTEM, _DLL = 0x0002, 0x1000, 0x2000
_SUBSYSTEMS = {1: "native (a driver)", 2: "Windows GUI", 3: "Windows console", 7: "POSIX", 9: "Windows CE",
               10: "EFI application", 11: "EFI boot driver", 12: "EFI runtime driver", 14: "Xbox"}  # fmt: skip
_MAGIC_NAMES = {PE32: "PE32", PE32_PLUS: "PE32+", 0x107: "ROM image"}


def _dos_header(image: PeImage) -> Iterator[Problem]:
    at = image.signature_offset
    if at % 4 or at == 0:
        yield Problem(
            message=f"e_lfanew points to {at:#x}, where no PE signature can stand",
            offset=0x3C,
            expected="a multiple of 4, above zero",
            actual=f"{at:#x}",
        )


def _signature(image: PeImage) -> Iterator[Problem]:
    at = image.signature_offset
    found = image.reader.read(at, len(SIGNATURE), "the PE signature")
    if found != SIGNATURE:
        yield Problem(
            message=f"there is no PE signature at {at:#x}, where the DOS header points",
            offset=at,
            expected=SIGNATURE.hex(" "),
            actual=found.hex(" "),
        )
    else:
        _ = image.coff


def _machine(image: PeImage) -> Iterator[Problem]:
    expected = image.target.machine
    if image.coff.machine != expected.coff:
        actual = Machine.numbered(Format.PE, image.coff.machine) or "an unknown machine"
        yield Problem(
            message=f"the executable is for {actual}, not for {expected}",
            offset=image.coff_offset,
            expected=f"{expected.coff:#x} ({expected})",
            actual=f"{image.coff.machine:#x} ({actual})",
        )


def _bitness(image: PeImage) -> Iterator[Problem]:
    expected = PE32_PLUS if image.target.machine.bits == 64 else PE32
    if image.magic != expected:
        yield Problem(
            message=f"the optional header is {_MAGIC_NAMES.get(image.magic, 'of an unknown kind')}, "
            f"but an executable for {image.target.machine} has {_MAGIC_NAMES[expected]}",
            offset=image.optional_offset,
            expected=f"{expected:#x}",
            actual=f"{image.magic:#x}",
        )


def _optional_header(image: PeImage) -> Iterator[Problem]:
    directories = image.optional.number_of_rva_and_sizes
    if directories > len(DIRECTORY_NAMES):
        yield Problem(
            message=f"the optional header announces {directories} data directories",
            offset=image.optional_offset + image.optional.size - 4,
            expected=f"at most {len(DIRECTORY_NAMES)}",
            actual=str(directories),
        )
        return
    needed = image.optional.size + directories * 8
    if image.coff.size_of_optional_header < needed:
        yield Problem(
            message=f"SizeOfOptionalHeader leaves no room for the header and its {directories} data directories",
            offset=image.coff_offset + 16,
            expected=f"at least {needed}",
            actual=str(image.coff.size_of_optional_header),
        )
    _ = image.directories


def _characteristics(image: PeImage) -> Iterator[Problem]:
    flags = image.coff.characteristics
    offset = image.coff_offset + 18
    if not flags & _EXECUTABLE_IMAGE:
        yield Problem(
            message="the flag IMAGE_FILE_EXECUTABLE_IMAGE is not set: the linker says itself that the image cannot run",
            offset=offset,
            expected="0x0002 set",
            actual=f"{flags:#06x}",
            mend="Look for errors of the linker in the build's log, and for -r or --noinhibit-exec among its options.",
        )
    if image.expected.kind is Kind.LIBRARY:
        if not flags & _DLL:
            yield Problem(
                message="the file is a program, where a DLL is expected",
                offset=offset,
                expected="0x2000 set",
                actual=f"{flags:#06x}",
                mend="Look at the artifact's path, and for -shared or the crate type cdylib in the build.",
            )
    elif flags & (_DLL | _SYSTEM):
        kind = "a DLL" if flags & _DLL else "a system file (a driver)"
        yield Problem(
            message=f"the file is {kind}, where a program is expected",
            offset=offset,
            expected="0x2000 and 0x1000 not set",
            actual=f"{flags:#06x}",
        )


def _alignment(image: PeImage) -> Iterator[Problem]:
    header, base = image.optional, image.optional_offset
    section, file = header.section_alignment, header.file_alignment
    if not is_power_of_two(section) or not is_power_of_two(file) or section < file:
        yield Problem(
            message=f"SectionAlignment is {section:#x} and FileAlignment {file:#x}",
            offset=base + 32,
            expected="powers of two, SectionAlignment not below FileAlignment",
            actual=f"{section:#x} and {file:#x}",
        )
    elif section >= 4096 and not 512 <= file <= 65536:
        yield Problem(
            message=f"FileAlignment is {file:#x}",
            offset=base + 36,
            expected="0x200 to 0x10000",
            actual=f"{file:#x}",
        )
    if header.image_base % 65536:
        yield Problem(
            message=f"ImageBase is {header.image_base:#x}",
            offset=base + (28 if image.magic == PE32 else 24),
            expected="a multiple of 0x10000",
            actual=f"{header.image_base:#x}",
        )


def _subsystem(image: PeImage) -> Iterator[Problem]:
    subsystem = image.optional.subsystem
    if subsystem not in (2, 3) and not (subsystem == 1 and image.expected.kind is Kind.LIBRARY):
        yield Problem(
            message=f"the subsystem is {_SUBSYSTEMS.get(subsystem, 'unknown')}",
            offset=image.optional_offset + 68,
            expected="2 (Windows GUI) or 3 (Windows console)",
            actual=str(subsystem),
        )


_SPEC = "Microsoft PE format, "
RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-dos-header",
        title="the DOS header lies in the file and points to the PE header",
        source=_SPEC + '"MS-DOS Stub"; Windows maps no image whose e_lfanew is not a multiple of 4',
        mend=REBUILD,
        judge=_dos_header,
    ),
    Rule(
        id="pe-signature",
        title="the PE signature and the COFF file header stand where the DOS header points",
        source=_SPEC + '"Signature (Image Only)"',
        mend="A plain DOS program, a file that was cut, or one written over another looks like this: link it again.",
        judge=_signature,
        needs=("pe-dos-header",),
    ),
    Rule(
        id="pe-machine",
        title="the executable is for the target's machine",
        source=_SPEC + '"Machine Types"',
        mend="Look at the target triple that the build was given, and whether the artifact's path is that of "
        "another build. An installer may be for i686, and is named by `kinds`, or by --kind installer.",
        judge=_machine,
        needs=("pe-signature",),
    ),
    Rule(
        id="pe-bitness",
        title="the optional header is PE32+ for a 64-bit machine and PE32 for a 32-bit one",
        source=_SPEC + '"Optional Header Standard Fields (Image Only)"',
        mend=REBUILD,
        judge=_bitness,
        needs=("pe-machine",),
    ),
    Rule(
        id="pe-optional-header",
        title="the optional header and its data directories lie in the file and in their declared size",
        source=_SPEC + '"Optional Header Windows-Specific Fields (Image Only)"',
        mend=REBUILD,
        judge=_optional_header,
        needs=("pe-bitness",),
    ),
    Rule(
        id="pe-characteristics",
        title="the file says that it is an executable image, and whether it is a program or a DLL",
        source=_SPEC + '"Characteristics"',
        mend="Look at the artifact's path and at the linker's options: -shared, -mdll and a cdylib make DLLs.",
        judge=_characteristics,
        needs=("pe-bitness",),
    ),
    Rule(
        id="pe-alignment",
        title="alignments and image base are values that Windows maps",
        source=_SPEC + '"Optional Header Windows-Specific Fields (Image Only)"',
        mend="Look for --section-alignment, --file-alignment and --image-base among the linker's options; "
        "without them the file was damaged.",
        judge=_alignment,
        needs=("pe-optional-header",),
    ),
    Rule(
        id="pe-subsystem",
        title="the subsystem is Windows GUI or Windows console, or native in a library",
        source=_SPEC + '"Windows Subsystem"',
        mend="Link with -Wl,--subsystem,console or -Wl,--subsystem,windows (Rust: #![windows_subsystem]).",
        judge=_subsystem,
        needs=("pe-optional-header",),
    ),
)
