"""Rules for any artifact: is there a file at all, does it hold something, is it of the expected kind?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from buildproof.artifacts.coff.image import BIG_START
from buildproof.artifacts.content import PAGE, Content
from buildproof.artifacts.expectation import Expectation
from buildproof.artifacts.reader import span
from buildproof.artifacts.rule import CUT, REBUILD, Aspect, Problem, Rule
from buildproof.evidence import CheckStatus
from buildproof.targets import Format, Kind, Machine

MAGIC = {Format.PE: b"MZ", Format.ELF: b"\x7fELF"}
_COFF_STARTS = (*(machine.coff.to_bytes(2, "little") for machine in Machine), BIG_START)

_KNOWN_STARTS = (
    (b"MZ", "a Windows (PE) or DOS executable"),
    (b"\x7fELF", "an ELF file"),
    (b"#!", "a script"),
    (b"!<arch>\n", "a static library (ar archive)"),
    (b"!<thin>\n", "a thin static library (ar archive)"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"\xfd7zXZ\0", "xz-compressed data"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O file (macOS)"),
    (b"\xce\xfa\xed\xfe", "a Mach-O file (macOS)"),
    (b"\xca\xfe\xba\xbe", "a universal Mach-O file (macOS) or a Java class"),
    (b"\0asm", "a WebAssembly module"),
    (b"BC\xc0\xde", "LLVM bitcode"),
    (b"\x64\x86", "a COFF object file for x86_64"),
    (b"\x4c\x01", "a COFF object file for i686"),
    (b"\x64\xaa", "a COFF object file for aarch64"),
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A path that ought to be what is `expected`. `unreadable` says why its content could not be had."""

    expected: Expectation
    unreadable: str | None = None
    content: Content | None = None
    head: bytes = b""


def starts_of(form: Format, kind: Kind) -> tuple[bytes, ...]:
    """How a file of this format and kind may start."""
    return _COFF_STARTS if kind is Kind.OBJECT and form is Format.PE else (MAGIC[form],)


def appearance_of(head: bytes) -> str:
    """What a file with these first bytes appears to be, for a message; never for a decision."""
    for start, kind in _KNOWN_STARTS:
        if head.startswith(start):
            return kind
    if not head[:64].strip(b"\0"):
        return "zeros"
    if all(byte in b"\t\n\r\f\x1b" or 32 <= byte < 127 or byte >= 128 for byte in head):
        return "text"
    return f"unknown data ({head[:8].hex(' ')})"


def _present(candidate: Candidate) -> Iterator[Problem]:
    if candidate.unreadable is not None:
        yield Problem(message=candidate.unreadable, expected="a readable file")


def _not_empty(candidate: Candidate) -> Iterator[Problem]:
    if candidate.content is not None and candidate.content.size == 0:
        yield Problem(message="the file is empty", offset=0, expected="a program", actual="0 bytes")


def hole_problem(content: Content, start: int, end: int, part: str) -> Problem | None:
    """What a rule says where bytes of the file from `start` to `end`, which are those of `part`, were never written."""
    hole = content.hole(start, end)
    if hole is None:
        return None
    return Problem(
        message=f"{len(hole)} bytes of {part} at {span(hole.start, hole.stop)} were never written: the file has a hole",
        offset=hole.start,
        expected="no hole in what is loaded",
        actual=f"{len(hole)} bytes",
        status=CheckStatus.WARNING,
    )


HOLE_MEND = (
    "A file that was given its size first and was not written to its end looks like this. A file system that stores "
    "zeros as holes makes them too: link it again on a disk with space and compare."
)


def _format(candidate: Candidate) -> Iterator[Problem]:
    expected = candidate.expected.target.binary_format
    starts = starts_of(expected, candidate.expected.kind)
    if candidate.head.startswith(starts):
        return
    kind = appearance_of(candidate.head)
    what = "object" if candidate.expected.kind is Kind.OBJECT else "executable"
    yield Problem(
        message=f"the file is no {expected} {what}: it looks like {kind}",
        offset=0,
        expected=" or ".join(start.hex(" ") for start in starts),
        actual=candidate.head[: len(starts[0])].hex(" "),
        mend=REBUILD if kind == "zeros" else None,
    )


def _size(candidate: Candidate) -> Iterator[Problem]:
    most = candidate.expected.size
    if most is not None and candidate.content is not None and candidate.content.size > most:
        yield Problem(
            message=f"the file has {candidate.content.size} bytes, and the project allows {most}",
            expected=f"up to {most}",
            actual=str(candidate.content.size),
        )


def _no_budget(candidate: Candidate) -> str | None:
    return None if candidate.expected.size is not None else "the project sets no limit"


def _tail(candidate: Candidate) -> Iterator[Problem]:
    if candidate.content is not None and candidate.content.trailing_zeros >= PAGE:
        start = candidate.content.size - candidate.content.trailing_zeros
        yield Problem(
            message=f"the last {candidate.content.trailing_zeros} bytes of the file are zeros, from {start:#x} on",
            offset=start,
            expected=f"fewer than {PAGE} zeros at the end",
            actual=f"{candidate.content.trailing_zeros}",
            status=CheckStatus.WARNING,
        )


RULES: tuple[Rule[Candidate], ...] = (
    Rule(
        id="file-present",
        title="the artifact is a regular file that can be read",
        source="buildproof.toml, [[build]] artifacts",
        mend="Compare the path with what the build's log says it wrote; "
        "a build that ends with 0 can still have skipped its last step.",
        judge=_present,
    ),
    Rule(
        id="file-not-empty",
        title="the file holds something",
        source="buildproof.toml, [[build]] artifacts",
        mend=CUT,
        judge=_not_empty,
        needs=("file-present",),
    ),
    Rule(
        id="file-format",
        title="the file starts like an executable of the target's format",
        source='Microsoft PE format, "MS-DOS Stub"; System V gABI, ch. 4 "ELF Identification"',
        mend="Look at the artifact's path and at the target (`--target`, the CMake toolchain file) of the build.",
        judge=_format,
        needs=("file-not-empty",),
    ),
    # A warning: padding at the end is legal, and a packer may have its reasons. Linkers leave less than a page: of
    # 3,107 ELF files none ends in more than 15 zeros (the section header table comes last), and of 763 PE files none in
    # more than 3,789 (the last section is padded to FileAlignment).
    Rule(
        id="file-tail",
        title="the file does not end in a page of zeros",
        source="buildproof, measured on the programs and libraries of Debian 12 with Wine and mingw-w64",
        mend="A file that was given its size first and was not written to its end looks like this, "
        "and so does deliberate padding: link it again on a disk with space and compare.",
        judge=_tail,
        needs=("file-format",),
    ),
    Rule(
        id="file-size",
        title="the file is not larger than the project allows",
        source="buildproof.toml, [[build]] size-limit",
        mend="See what grew: symbols (strip), debug information, another dependency, resources; or raise the limit.",
        judge=_size,
        applies=_no_budget,
        needs=("file-present",),
        aspect=Aspect.HARDENING,
    ),
)
