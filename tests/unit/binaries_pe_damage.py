"""Ways to break a PE program, and the one rule that each must trip; applied to every seed that has what they damage."""

from __future__ import annotations

from tests.unit.binaries_damage import Damage, Edits, Mutation, UnsuitedError
from tests.unit.binaries_pe import Pe

_PE = Edits(Pe)
_PAGE = 4096
_MACHINES = {0x8664: 0xAA64, 0xAA64: 0x14C, 0x14C: 0x8664}


def _optional(offset: int, value: int) -> Mutation:
    return _PE.put32(lambda pe: pe.optional + offset, value)


def _flags(clear: int, add: int) -> Mutation:
    return _PE.edit(lambda pe: pe.put16(pe.coff + 18, pe.u16(pe.coff + 18) & ~clear | add))


def _entry_offset(pe: Pe) -> int:
    return pe.offset_of(pe.entry)


def _symbols(pe: Pe) -> int:
    if not pe.symbols:
        raise UnsuitedError
    return pe.symbols


def _strings(pe: Pe) -> int:
    return _symbols(pe) and pe.strings


def _last_data_end(pe: Pe) -> int:
    return max(pe.u32(at + 16) + pe.u32(at + 20) for at in map(pe.header, range(pe.count)) if pe.u32(at + 20))


def _code_page(pe: Pe) -> int:
    """The last whole page of the file in the entry point's section, away from the entry point."""
    at = pe.section_of(pe.entry)
    end = pe.u32(at + 20) + min(pe.u32(at + 8), pe.u32(at + 16))
    page = end // _PAGE * _PAGE - _PAGE
    if page < pe.u32(at + 20) or page <= _entry_offset(pe) < page + _PAGE:
        raise UnsuitedError
    return page


def _all_code(pe: Pe) -> None:
    at = pe.section_of(pe.entry)
    pe.zero(pe.u32(at + 20), pe.u32(at + 16))


def _second_on_first(pe: Pe) -> None:
    pe.put32(pe.header(1) + 20, pe.u32(pe.header(0) + 20))


def _misplaced_raw(pe: Pe) -> None:
    at = pe.header(0)
    pe.put32(at + 20, pe.u32(at + 20) + 4)
    pe.put32(at + 16, pe.u32(at + 16) - 4)


def _entry_unbacked(pe: Pe) -> None:
    """The entry point's section keeps its memory, but gets only its first sector from the file."""
    at = pe.section_of(pe.entry)
    pe.put32(at + 16, 512)
    pe.put32(pe.optional + 16, pe.u32(at + 12) + 512)


def _gap(pe: Pe) -> None:
    at = pe.header(-1) + 12
    pe.put32(at, pe.u32(at) + pe.u32(pe.optional + 32))


def _directory(index: int, rva: int, size: int) -> Mutation:
    def change(pe: Pe) -> None:
        pe.put32(pe.directories + 8 * index, rva)
        pe.put32(pe.directories + 8 * index + 4, size)

    return _PE.edit(change)


def _blank_directory(index: int) -> Mutation:
    def change(pe: Pe) -> None:
        rva, size = pe.directory(index)
        if not size:
            raise UnsuitedError
        pe.zero(pe.offset_of(rva), size)

    return _PE.edit(change)


def _imports_in_bss(pe: Pe) -> None:
    at = next((at for at in map(pe.header, range(pe.count)) if not pe.u32(at + 20)), None)
    if at is None:
        raise UnsuitedError
    pe.put32(pe.directories + 8, pe.u32(at + 12))


DAMAGES = [
    Damage("head-of-zeros", "file-format", _PE.edit(lambda pe: pe.zero(0, 64))),
    Damage("cut-in-dos-header", "pe-dos-header", _PE.cut(32)),
    Damage("lfanew-zero", "pe-dos-header", _PE.put32(0x3C, 0)),
    Damage("lfanew-odd", "pe-dos-header", _PE.put32(0x3C, 0x81)),
    Damage("lfanew-past-end", "pe-signature", _PE.put32(0x3C, 0x7FFFFFF0)),
    Damage("cut-in-signature", "pe-signature", _PE.cut(lambda pe: pe.coff - 2)),
    Damage("cut-in-coff-header", "pe-signature", _PE.cut(lambda pe: pe.coff + 10)),
    Damage("signature-of-ne", "pe-signature", _PE.put32(lambda pe: pe.coff - 4, 0x454E)),
    Damage("signature-zero", "pe-signature", _PE.put32(lambda pe: pe.coff - 4, 0)),
    Damage("other-machine", "pe-machine", _PE.edit(lambda pe: pe.put16(pe.coff, _MACHINES[pe.u16(pe.coff)]))),
    Damage("no-machine", "pe-machine", _PE.put16(lambda pe: pe.coff, 0)),
    Damage("cut-before-optional-header", "pe-bitness", _PE.cut(lambda pe: pe.optional)),
    Damage("other-magic", "pe-bitness", _PE.edit(lambda pe: pe.put16(pe.optional, 0x10B if pe.plus else 0x20B))),
    Damage("no-magic", "pe-bitness", _PE.put16(lambda pe: pe.optional, 0)),
    Damage("cut-in-optional-header", "pe-optional-header", _PE.cut(lambda pe: pe.optional + 50)),
    Damage("cut-in-directories", "pe-optional-header", _PE.cut(lambda pe: pe.directories + 20)),
    Damage("optional-header-size-zero", "pe-optional-header", _PE.put16(lambda pe: pe.coff + 16, 0)),
    Damage("too-many-directories", "pe-optional-header", _PE.put32(lambda pe: pe.directories - 4, 0xFFFFFFFF)),
    Damage("not-executable", "pe-characteristics", _flags(clear=2, add=0)),
    Damage("dll", "pe-characteristics", _flags(clear=0, add=0x2000)),
    Damage("driver", "pe-characteristics", _flags(clear=0, add=0x1000)),
    Damage("section-alignment-zero", "pe-alignment", _optional(32, 0)),
    Damage("section-alignment-odd", "pe-alignment", _optional(32, 0x1800)),
    Damage("file-alignment-zero", "pe-alignment", _optional(36, 0)),
    Damage("file-alignment-small", "pe-alignment", _optional(36, 16)),
    Damage("file-above-section-alignment", "pe-alignment", _optional(36, 0x20000)),
    Damage(
        "image-base-odd", "pe-alignment", _PE.edit(lambda pe: pe.put32(pe.optional + (24 if pe.plus else 28), 0x1000))
    ),
    Damage("subsystem-native", "pe-subsystem", _PE.put16(lambda pe: pe.optional + 68, 1)),
    Damage("subsystem-zero", "pe-subsystem", _PE.put16(lambda pe: pe.optional + 68, 0)),
    Damage("cut-in-section-table", "pe-section-table", _PE.cut(lambda pe: pe.header(-1) + 20)),
    Damage("cut-in-headers", "pe-section-table", _PE.cut(lambda pe: pe.header(-1) + 40)),
    Damage("no-sections", "pe-section-table", _PE.put16(lambda pe: pe.coff + 2, 0)),
    Damage("too-many-sections", "pe-section-table", _PE.put16(lambda pe: pe.coff + 2, 97)),
    Damage("headers-too-small", "pe-section-table", _optional(60, 0x40)),
    Damage("headers-past-end", "pe-section-table", _optional(60, 0x7FFFFFFF)),
    Damage("cut-before-sections", "pe-section-data", _PE.cut(lambda pe: pe.u32(pe.optional + 60))),
    Damage("cut-in-code", "pe-section-data", _PE.cut(lambda pe: _entry_offset(pe) + 1)),
    Damage("cut-last-sector", "pe-section-data", _PE.cut(lambda pe: _last_data_end(pe) - 512)),
    Damage("cut-last-byte-of-sections", "pe-section-data", _PE.cut(lambda pe: _last_data_end(pe) - 1)),
    Damage("raw-pointer-past-end", "pe-section-data", _PE.put32(lambda pe: pe.header(1) + 20, 0x7FFFFE00)),
    Damage("raw-size-huge", "pe-section-data", _PE.put32(lambda pe: pe.header(1) + 16, 0xFFFFFE00)),
    Damage("second-section-on-first", "pe-section-overlap", _PE.edit(_second_on_first)),
    Damage("raw-pointer-misaligned", "pe-section-alignment", _PE.edit(_misplaced_raw)),
    Damage("address-misaligned", "pe-section-alignment", _PE.put32(lambda pe: pe.header(1) + 12, 0x1234)),
    Damage("address-of-first", "pe-section-addresses", _PE.put32(lambda pe: pe.header(1) + 12, 0x1000)),
    Damage("address-gap", "pe-section-addresses", _PE.edit(_gap)),
    Damage("virtual-size-huge", "pe-section-addresses", _PE.put32(lambda pe: pe.header(0) + 8, 0x7FFFFFFF)),
    Damage("image-size-small", "pe-image-size", _optional(56, 0x2000)),
    Damage("image-size-zero", "pe-image-size", _optional(56, 0)),
    Damage("no-entry-point", "pe-entry-point", _optional(16, 0)),
    Damage("entry-in-headers", "pe-entry-point", _optional(16, 0x100)),
    Damage(
        "entry-in-data", "pe-entry-point", _PE.edit(lambda pe: pe.put32(pe.optional + 16, pe.u32(pe.header(1) + 12)))
    ),
    Damage("entry-past-image", "pe-entry-point", _optional(16, 0x7FFFFFFF)),
    Damage("entry-without-bytes", "pe-entry-point", _PE.edit(_entry_unbacked)),
    Damage(
        "code-not-executable",
        "pe-entry-point",
        _PE.edit(lambda pe: pe.put32(pe.section_of(pe.entry) + 36, 0x40000040)),
    ),
    Damage("entry-zeroed", "pe-entry-bytes", _PE.edit(lambda pe: pe.zero(_entry_offset(pe), 16))),
    Damage("code-page-zeroed", "pe-code", _PE.edit(lambda pe: pe.zero(_code_page(pe), _PAGE))),
    Damage("code-zeroed", "pe-code", _PE.edit(_all_code)),
    Damage("imports-past-image", "pe-directories", _directory(1, 0x7FFF0000, 40)),
    Damage("imports-too-large", "pe-directories", _directory(1, 0x1000, 0x7FFF0000)),
    Damage("imports-at-zero", "pe-directories", _directory(1, 0, 40)),
    Damage("imports-zeroed", "pe-directory-data", _blank_directory(1)),
    Damage("relocations-zeroed", "pe-directory-data", _blank_directory(5)),
    Damage("imports-in-bss", "pe-directory-data", _PE.edit(_imports_in_bss)),
    Damage("certificates-past-end", "pe-certificates", _directory(4, 0x7FFFFFF0, 16)),
    Damage("certificates-misaligned", "pe-certificates", _directory(4, 0x201, 16)),
    Damage("cut-in-symbols", "pe-symbol-table", _PE.cut(lambda pe: _symbols(pe) + 20)),
    Damage("cut-before-strings", "pe-symbol-table", _PE.cut(_strings)),
    Damage("cut-in-strings", "pe-symbol-table", _PE.cut(lambda pe: _strings(pe) + 10)),
    Damage("strings-zeroed", "pe-symbol-table", _PE.edit(lambda pe: pe.put32(_strings(pe), 0))),
    Damage("symbols-past-end", "pe-symbol-table", _PE.put32(lambda pe: pe.coff + 8, 0x7FFFFFFF)),
    Damage(
        "symbols-without-end", "pe-symbol-table", _PE.edit(lambda pe: pe.put32(_symbols(pe) and pe.coff + 12, 1 << 31))
    ),
]
