"""pefile as a second reader: does it come to the same answer about a file that our own rules accept?"""

from __future__ import annotations

from collections.abc import Iterator

import pefile

from buildproof.artifacts.pe.image import PeImage
from buildproof.artifacts.rule import REBUILD, Problem, Rule
from buildproof.evidence import CheckStatus

# What pefile remarks about sound programs, and who judges it here.
_HARMLESS = (
    "Suspicious flags set for section",  # writable and executable: a matter of hardening, not of validity
    "Suspicious value found parsing section",  # more than 256 MiB of memory: a large .bss
)


def _opinion(image: PeImage) -> Iterator[Problem]:
    try:
        # fast_load reads headers and sections alone, at most 96 of them here: the directory parsers have loops that
        # the file's own bytes bound.
        parsed = pefile.PE(data=image.reader.data, fast_load=True)
        theirs = _summary(parsed)
        warnings = [str(warning) for warning in parsed.get_warnings()]
    # pefile raises PEFormatError by design, and struct.error, AttributeError, IndexError, MemoryError and others
    # by accident: whichever it is, it could not read the file, and that is all that is asked here.
    except Exception as error:  # noqa: BLE001
        yield Problem(
            message=f"pefile cannot read the file, though no rule of buildproof found fault with it: "
            f"{type(error).__name__}: {error}",
            expected="a file that pefile reads",
            actual=type(error).__name__,
        )
        return
    ours = _own_summary(image)
    for field, value in ours.items():
        if theirs[field] != value:
            yield Problem(
                message=f"pefile reads another {field} than buildproof",
                expected=str(value),
                actual=str(theirs[field]),
            )
    for warning in warnings:
        if not warning.startswith(_HARMLESS):
            yield Problem(message=f"pefile warns: {warning}", status=CheckStatus.WARNING)


def _own_summary(image: PeImage) -> dict[str, object]:
    return {
        "machine": image.coff.machine,
        "entry point": image.optional.address_of_entry_point,
        "list of sections": [
            (section.virtual_address, section.virtual_size, section.pointer_to_raw_data, section.size_of_raw_data)
            for section in image.sections
        ],
        "list of data directories": [(entry.rva, entry.size) for entry in image.directories],
    }


def _summary(parsed: pefile.PE) -> dict[str, object]:
    return {
        "machine": parsed.FILE_HEADER.Machine,
        "entry point": parsed.OPTIONAL_HEADER.AddressOfEntryPoint,
        "list of sections": [
            (section.VirtualAddress, section.Misc_VirtualSize, section.PointerToRawData, section.SizeOfRawData)
            for section in parsed.sections
        ],
        "list of data directories": [
            (entry.VirtualAddress, entry.Size)
            for entry in parsed.OPTIONAL_HEADER.DATA_DIRECTORY
            if entry.VirtualAddress or entry.Size
        ],
    }


def rules(needs: tuple[str, ...]) -> tuple[Rule[PeImage], ...]:
    """The second opinion, asked where `needs`, all of our own rules, hold: of a broken file it has nothing to add."""
    return (
        Rule(
            id="pe-second-opinion",
            title="pefile reads the same headers, sections and directories",
            source="pefile, as pinned in requirements.txt",
            mend=REBUILD,
            judge=_opinion,
            needs=needs,
        ),
    )
