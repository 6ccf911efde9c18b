"""Where the data directories are. What stands in them is for the rules that walk them."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.pe.image import CERTIFICATE_TABLE, IMPORT, Directory, PeImage
from buildproof.artifacts.reader import span
from buildproof.artifacts.rule import REBUILD, Problem, Rule

_IMPORT_DESCRIPTOR_SIZE = 20


def _mapped(image: PeImage) -> list[Directory]:
    """The directories with a place in memory and a size: those that the loader follows."""
    return [entry for entry in image.directories if entry.number != CERTIFICATE_TABLE and entry.size]


def _no_mapped(image: PeImage) -> str | None:
    return None if _mapped(image) else "the image has no data directories"


def _directories(image: PeImage) -> Iterator[Problem]:
    for entry in _mapped(image):
        end = entry.rva + entry.size
        section = image.section_at(entry.rva)
        if section is None:
            if entry.rva and end <= image.optional.size_of_headers:
                continue
            home, expected = "in no section", "an address in one section"
        elif end > section.virtual_address + max(section.memory_size, section.raw_size):
            home = f"and reaches beyond {section}"
            expected = f"an end up to {section.virtual_address + section.memory_size:#x}"
        else:
            continue
        yield Problem(
            message=f"the {entry.name} lies at {span(entry.rva, end)} in memory, {home}",
            offset=entry.offset,
            expected=expected,
            actual=span(entry.rva, end),
        )


def _directory_data(image: PeImage) -> Iterator[Problem]:
    for entry in _mapped(image):
        section = image.section_at(entry.rva)
        # An import table without room for a descriptor and the null one behind it says: no imports (ntdll.dll).
        if section is None or (entry.number == IMPORT and entry.size < 2 * _IMPORT_DESCRIPTOR_SIZE):
            continue
        start = section.pointer_to_raw_data + entry.rva - section.virtual_address
        end = min(start + entry.size, section.raw_end)
        if start >= section.raw_end or image.content.blank(image.reader, start, end):
            yield Problem(
                message=f"the {entry.name} at {entry.rva:#x} ({section}) holds nothing but zeros",
                offset=min(start, image.reader.size),
                expected=f"{entry.size} bytes that are not all zero",
                actual="zeros" if start < section.raw_end else "no bytes in the file",
            )


def _certificate(image: PeImage) -> Directory | None:
    return next((entry for entry in image.directories if entry.number == CERTIFICATE_TABLE), None)


def _no_certificate(image: PeImage) -> str | None:
    return None if _certificate(image) else "the image is not signed"


def _certificates(image: PeImage) -> Iterator[Problem]:
    entry = _certificate(image)
    if entry is None:
        return
    if entry.rva % 8 or not entry.size:
        yield Problem(
            message=f"the certificate table is declared at {entry.rva:#x}, with {entry.size} bytes",
            offset=entry.offset,
            expected="a file offset that is a multiple of 8, and a size",
            actual=f"{entry.rva:#x}, {entry.size} bytes",
        )
    image.reader.require(entry.rva, entry.size, "the certificate table (the signature)")


RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-directories",
        title="every data directory lies inside one section, or inside the headers",
        source='Microsoft PE format, "Optional Header Data Directories (Image Only)"',
        mend=REBUILD,
        judge=_directories,
        applies=_no_mapped,
        needs=("pe-section-addresses",),
    ),
    Rule(
        id="pe-directory-data",
        title="every data directory has content in the file",
        source='Microsoft PE format, "Optional Header Data Directories (Image Only)"',
        mend=REBUILD,
        judge=_directory_data,
        applies=_no_mapped,
        needs=("pe-directories", "pe-section-overlap"),
    ),
    Rule(
        id="pe-certificates",
        title="the certificate table lies inside the file",
        source='Microsoft PE format, "The Attribute Certificate Table (Image Only)"',
        mend="Sign the file again, as the last step: whatever changes it afterwards breaks the signature.",
        judge=_certificates,
        applies=_no_certificate,
        needs=("pe-section-data",),
    ),
)
