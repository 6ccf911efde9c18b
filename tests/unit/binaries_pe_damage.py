"""Ways to break a PE program, and the one rule that each must trip; applied to every seed that has what they damage."""

from __future__ import annotations

from tests.unit.binaries_damage import Damage, Edits, Mutation, UnsuitedError
from tests.unit.binaries_pe import Pe

from buildproof.evidence import CheckStatus

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
    if at is None or pe.u32(at + 8) < pe.directory(1)[1]:
        raise UnsuitedError
    pe.put32(pe.directories + 8, pe.u32(at + 12))


def _word(index: int, offset: int, value: int) -> Mutation:
    """Overwrite four bytes of what a data directory leads to."""
    return _PE.put32(lambda pe: _at(pe, index, offset), value)


def _at(pe: Pe, index: int, offset: int = 0) -> int:
    """Offset in the file of what a data directory leads to."""
    rva, size = pe.directory(index)
    if size <= offset:
        raise UnsuitedError
    return pe.offset_of(rva) + offset


def _import_names(pe: Pe) -> int:
    """Offset of the first DLL's list of names."""
    at = _at(pe, 1)
    return pe.offset_of(pe.u32(at) or pe.u32(at + 16))


def _endless_names(pe: Pe) -> None:
    """A list of names that runs up to the end of its section without a null entry."""
    at = _import_names(pe)
    section = pe.section_of(pe.u32(_at(pe, 1)) or pe.u32(_at(pe, 1) + 16))
    width = 8 if pe.plus else 4
    end = pe.u32(section + 20) + pe.u32(section + 16)
    # A list of its own at the end of the section, where padding is.
    place = end - 4 * width
    if any(pe.data[place:end]):
        raise UnsuitedError
    pe.data[place:end] = bytes(pe.data[at : at + width]) * 4
    pe.put32(_at(pe, 1) + (0 if pe.u32(_at(pe, 1)) else 16), pe.u32(section + 12) + place - pe.u32(section + 20))


def _name_of_nothing(pe: Pe) -> None:
    """The first DLL's name becomes control characters."""
    at = pe.offset_of(pe.u32(_at(pe, 1) + 12))
    pe.data[at : at + 4] = b"\1\2\3\4"


def _exported_names(pe: Pe) -> int:
    at = _at(pe, 0)
    if pe.u32(at + 24) < 2:
        raise UnsuitedError
    return pe.offset_of(pe.u32(at + 32))


def _swap_exports(pe: Pe) -> None:
    at = _exported_names(pe)
    first, second = pe.u32(at), pe.u32(at + 4)
    pe.put32(at, second)
    pe.put32(at + 4, first)


def _broken_forwarder(pe: Pe) -> None:
    rva, size = pe.directory(0)
    at = pe.offset_of(rva) if size else 0
    for index in range(pe.u32(at + 20) if at else 0):
        function = pe.u32(pe.offset_of(pe.u32(at + 28)) + 4 * index)
        if rva <= function < rva + size:
            name = pe.offset_of(function)
            pe.data[pe.data.index(b".", name)] = 0x5F
            return
    raise UnsuitedError


def _first_relocation(value: int) -> Mutation:
    """Overwrite the first entry of the first block."""
    return _PE.put16(lambda pe: _at(pe, 5, 8), value)


def _relocation_page_zeroed(pe: Pe) -> None:
    """The tail of the relocations, from its second block on, as a full disk leaves it."""
    rva, size = pe.directory(5)
    first = pe.u32(_at(pe, 5) + 4)
    if first + 8 >= size:
        raise UnsuitedError
    pe.zero(pe.offset_of(rva) + first, 6)  # page and half of the size
    pe.put32(pe.offset_of(rva) + first + 4, 0)
    if not any(pe.data[pe.offset_of(rva) + first : pe.offset_of(rva) + size]):
        raise UnsuitedError


def _functions(pe: Pe) -> int:
    """Offset of the exception table of an x86_64 program with at least two functions."""
    if pe.u16(pe.coff) != 0x8664 or pe.directory(3)[1] < 24:
        raise UnsuitedError
    return _at(pe, 3)


def _last_function(pe: Pe) -> int:
    return _functions(pe) + pe.directory(3)[1] - 12


def _swap_functions(pe: Pe) -> None:
    at = _functions(pe)
    pe.data[at : at + 24] = pe.data[at + 12 : at + 24] + pe.data[at : at + 12]


def _unwind_version(pe: Pe) -> None:
    pe.data[pe.offset_of(pe.u32(_functions(pe) + 8))] = 5


def _tls(field: int, value: int) -> Mutation:
    """Overwrite an address of the TLS directory."""

    def change(pe: Pe) -> None:
        at = _at(pe, 9)
        (pe.put64 if pe.plus else pe.put32)(at + field * (8 if pe.plus else 4), value)

    return _PE.edit(change)


def _callback(pe: Pe) -> int:
    """Offset of the first TLS callback."""
    at = _at(pe, 9)
    if not pe.plus or not pe.u64(at + 24):
        raise UnsuitedError
    return pe.offset_of(pe.u64(at + 24) - pe.u64(pe.optional + 24))


def _guard(pe: Pe, offset: int) -> int:
    """Offset of a field of the load configuration of a 64-bit program that has it."""
    at = _at(pe, 10)
    if not pe.plus or pe.u32(at) < offset + 8 or not pe.u64(at + offset):
        raise UnsuitedError
    return at + offset


def _cyclic_resources(pe: Pe) -> None:
    """The first entry of the root leads to the root."""
    pe.put32(_at(pe, 2) + 16 + 4, 0x80000000)


def _resource(pe: Pe) -> int:
    """Offset of the description of the first resource."""
    root = _at(pe, 2)
    at = root
    for _level in range(3):  # type, name, language: more is damage already, and may be a circle
        if not pe.u32(at + 20) & 0x80000000:
            return root + pe.u32(at + 20)
        at = root + (pe.u32(at + 20) & 0x7FFFFFFF)
    raise UnsuitedError


def _append(data: bytes) -> Mutation:
    return lambda image: image.extend(data)


def _bit_flipped_behind_checksum(pe: Pe) -> None:
    """A checksum of the whole file, and then one bit of data that no header describes."""
    pe.put32(pe.optional + 64, 0)
    total = sum(int.from_bytes(pe.data[at : at + 2], "little") for at in range(0, len(pe.data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    pe.put32(pe.optional + 64, total + len(pe.data))
    pe.data[_entry_offset(pe) + 20] ^= 0x10


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
    Damage("import-descriptors-without-end", "pe-imports", _PE.put32(lambda pe: _at(pe, 1) + 12, 0x7FFFFFFF)),
    Damage("import-name-not-text", "pe-imports", _PE.edit(_name_of_nothing)),
    Damage("imported-name-past-image", "pe-imports", _PE.put32(_import_names, 0x7FFFFFF0)),
    Damage("import-names-empty", "pe-imports", _PE.edit(lambda pe: pe.zero(_import_names(pe), 8 if pe.plus else 4))),
    Damage("import-names-without-end", "pe-imports", _PE.edit(_endless_names)),
    Damage("import-addresses-past-image", "pe-imports", _word(1, 16, 0x7FFFFFF0)),
    Damage("delay-import-name-past-image", "pe-delay-imports", _word(13, 4, 0x7FFFFFF0)),
    Damage("delay-import-names-past-image", "pe-delay-imports", _word(13, 16, 0x7FFFFFF0)),
    Damage("delay-import-addresses-past-image", "pe-delay-imports", _word(13, 12, 0x7FFFFFF0)),
    Damage("delay-import-not-by-rva", "pe-delay-imports", _word(13, 0, 0)),
    Damage("export-name-past-image", "pe-exports", _word(0, 12, 0x7FFFFFF0)),
    Damage("export-functions-past-image", "pe-exports", _word(0, 28, 0x7FFFFFF0)),
    Damage("exports-too-many", "pe-exports", _word(0, 20, 0x7FFFFFF0)),
    Damage("export-ordinal-too-high", "pe-exports", _PE.put16(lambda pe: pe.offset_of(pe.u32(_at(pe, 0, 36))), 0x7FFF)),
    Damage("export-names-swapped", "pe-exports", _PE.edit(_swap_exports)),
    Damage("exported-name-past-image", "pe-exports", _PE.put32(_exported_names, 0x7FFFFFF0)),
    Damage(
        "exported-function-past-image",
        "pe-exports",
        _PE.put32(lambda pe: pe.offset_of(pe.u32(_at(pe, 0) + 28)), 0x7FFFFFF0),
    ),
    Damage("forwarder-without-dll", "pe-exports", _PE.edit(_broken_forwarder)),
    Damage("relocation-block-odd", "pe-relocations", _word(5, 4, 9)),
    Damage("relocation-block-huge", "pe-relocations", _word(5, 4, 0x7FFFFFF0)),
    Damage("relocation-page-past-image", "pe-relocations", _word(5, 0, 0x7FFFF000)),
    Damage("relocation-of-unknown-type", "pe-relocations", _first_relocation(0xE001)),
    Damage("relocations-end-in-zeros", "pe-relocations", _PE.edit(_relocation_page_zeroed)),
    Damage("functions-swapped", "pe-exceptions", _PE.edit(_swap_functions)),
    Damage("function-past-image", "pe-exceptions", _PE.put32(_last_function, 0x7FFFFFF0)),
    Damage("function-ends-before-it-begins", "pe-exceptions", _PE.put32(lambda pe: _functions(pe) + 4, 0)),
    Damage("unwind-information-past-image", "pe-exceptions", _PE.put32(lambda pe: _functions(pe) + 8, 0x7FFFFFF0)),
    Damage("unwind-information-of-unknown-version", "pe-exceptions", _PE.edit(_unwind_version)),
    Damage(
        "exception-table-size-odd",
        "pe-exceptions",
        _PE.put32(lambda pe: _functions(pe) and pe.directories + 28, 20),
    ),
    Damage("first-function-zeroed", "pe-exceptions", _PE.edit(lambda pe: pe.zero(_functions(pe), 12))),
    Damage("tls-index-past-image", "pe-tls", _tls(2, 0x7FFFFFF0)),
    Damage("tls-template-ends-before-it-begins", "pe-tls", _tls(1, 1)),
    Damage("tls-template-past-image", "pe-tls", _tls(0, 1)),
    Damage("tls-callbacks-past-image", "pe-tls", _tls(3, 1)),
    Damage("tls-callback-past-image", "pe-tls", _PE.put32(_callback, 0x1000)),
    Damage("load-configuration-size-zero", "pe-load-config", _word(10, 0, 0)),
    Damage("load-configuration-size-huge", "pe-load-config", _word(10, 0, 0x7FFFFFFF)),
    Damage("security-cookie-past-image", "pe-load-config", _PE.put32(lambda pe: _guard(pe, 88), 0x1000)),
    Damage("guard-table-past-image", "pe-load-config", _PE.put32(lambda pe: _guard(pe, 128), 0x1000)),
    Damage("resource-tree-in-a-circle", "pe-resources", _PE.edit(_cyclic_resources)),
    Damage("resource-past-image", "pe-resources", _PE.put32(_resource, 0x7FFFFFF0)),
    Damage("resource-size-huge", "pe-resources", _PE.put32(lambda pe: _resource(pe) + 4, 0x7FFFFFF0)),
    Damage("debug-data-past-end", "pe-debug", _word(6, 24, 0x7FFFFFF0)),
    Damage("symbol-name-past-end", "pe-symbols", _PE.edit(lambda pe: pe.put64(_symbols(pe), 0x7FFFFFF0 << 32))),
    Damage("symbol-in-no-section", "pe-symbols", _PE.put16(lambda pe: _symbols(pe) + 12, 0x7000)),
    Damage("symbol-records-past-end", "pe-symbols", _PE.put8(lambda pe: pe.strings - 1 if _symbols(pe) else 0, 200)),
    Damage("rest-of-a-longer-file", "pe-overlay", _append(b"what was there before" * 100), CheckStatus.WARNING),
    Damage("one-byte-appended", "pe-overlay", _append(b"x"), CheckStatus.WARNING),
    Damage("bit-flipped-in-code", "pe-checksum", _PE.edit(_bit_flipped_behind_checksum), CheckStatus.WARNING),
]
