"""The file as a whole: bytes that no header accounts for, and the checksum over all of them."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.payload import payload_of
from buildproof.artifacts.pe.image import CERTIFICATE_TABLE, PeImage
from buildproof.artifacts.pe.resources import debug_end
from buildproof.artifacts.pe.symbols import symbols_end
from buildproof.artifacts.rule import Problem, Rule
from buildproof.evidence import CheckStatus


def overlay(image: PeImage) -> range:
    """The bytes behind all that the headers account for, the signature aside; empty in most files."""
    end = max(
        image.optional.size_of_headers,
        *(section.raw_end for section in image.sections if section.raw_size),
        symbols_end(image),
        debug_end(image),
    )
    certificate = next((entry for entry in image.directories if entry.number == CERTIFICATE_TABLE), None)
    if certificate is None or certificate.rva < end:
        return range(end, image.reader.size)
    # A signature stands at the end. What stands behind it is not signed, and not accounted for.
    if certificate.rva + certificate.size < image.reader.size:
        return range(certificate.rva + certificate.size, image.reader.size)
    return range(end, certificate.rva)


def _appended(image: PeImage) -> range | None:
    """The overlay, where it is more than padding with zeros, of which `file-tail` tells when they are many."""
    rest = overlay(image)
    return rest if rest and not image.content.blank(image.reader, rest.start, rest.stop) else None


def _overlay(image: PeImage) -> Iterator[Problem]:
    rest = _appended(image)
    if rest and payload_of(image.reader, rest) is None:
        yield Problem(
            message=f"no header accounts for the last {len(rest)} bytes of the file, from {rest.start:#x} on, "
            "and they are no payload that is known here",
            offset=rest.start,
            expected=f"the end of the file at {rest.start:#x}",
            actual=f"{image.reader.size:#x}",
            status=CheckStatus.WARNING,
        )


def _no_checksum(image: PeImage) -> str | None:
    if not image.optional.checksum:
        return "the image has no checksum"
    return "data was appended to the image after its checksum was made" if _appended(image) else None


def checksum(image: PeImage) -> int:
    """What CheckSumMappedFile() computes: 16-bit words added with carry, the field itself left out, plus the size."""
    declared = image.optional.checksum
    # The sum of words is known modulo 65535, which carrying makes of it; so the field may be subtracted.
    own = (declared & 0xFFFF) + (declared >> 16)
    return ((image.content.word_sum - own) % 0xFFFF or 0xFFFF) + image.reader.size


def _checksum(image: PeImage) -> Iterator[Problem]:
    found = checksum(image)
    if found != image.optional.checksum:
        yield Problem(
            message=f"the checksum in the header is {image.optional.checksum:#x}, but that of the file is {found:#x}: "
            "bytes were changed after the linker had written it",
            offset=image.optional_offset + 64,
            expected=f"{found:#x}",
            actual=f"{image.optional.checksum:#x}",
            status=CheckStatus.WARNING,
        )


# A warning: Windows asks for the checksum of drivers alone, and of the 677 files of Debian 12 that have one, stripped
# and made reproducible after they were linked, not one is right.
CHECKSUM_ID = "pe-checksum"
RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-overlay",
        title="every byte of the file is accounted for: by a header, a signature or a known kind of payload",
        source='Microsoft PE format, "Attribute Certificate Table": data behind the sections is not loaded',
        mend="An installer or a self-extracting program carries its payload there. Otherwise the file was written over "
        "a longer one, or something was appended to it: remove it and link it again.",
        judge=_overlay,
        needs=("pe-section-data", "pe-symbol-table", "pe-debug", "pe-certificates"),
    ),
)


def checksum_rule(needs: tuple[str, ...]) -> Rule[PeImage]:
    """Asked where `needs`, all other rules, hold: every other damage changes the checksum too."""
    return Rule(
        id=CHECKSUM_ID,
        title="the checksum in the header is that of the file",
        source='Microsoft PE format, "Optional Header Windows-Specific Fields"; ImageHlp, CheckSumMappedFile()',
        mend="The file is not what the linker put out. If a tool changed it on purpose (a resource editor, a signer), "
        "let that tool set the checksum or zero it; otherwise the file was damaged: link it again.",
        judge=_checksum,
        applies=_no_checksum,
        needs=needs,
    )
