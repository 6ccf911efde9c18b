"""Ways to break an ELF64 program, and the one rule that each must trip; applied to every seed that suits them."""

from __future__ import annotations

from tests.unit.binaries_damage import Damage, Edits, Mutation, UnsuitedError
from tests.unit.binaries_elf import Elf

from buildproof.evidence import CheckStatus

_ELF = Edits(Elf)
_PAGE = 4096
_LOAD, _DYNAMIC, _INTERP, _NOTE, _TLS = 1, 2, 3, 4, 7
_EH_FRAME, _RELRO = 0x6474E550, 0x6474E552
_NEEDED, _PLTGOT, _HASH, _STRTAB, _SYMTAB, _RELA, _STRSZ, _SYMENT, _INIT = 1, 3, 4, 5, 6, 7, 10, 11, 12
_RELASZ, _RELAENT, _INIT_ARRAY, _INIT_ARRAYSZ, _RELRSZ, _RELR = 8, 9, 25, 27, 35, 36
_GNU_HASH, _VERSYM, _RELACOUNT = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFF9
_VERNEED = 0x6FFFFFFE


def _one(elf: Elf, kind: int) -> int:
    """Offset of the only program header of this type."""
    found = elf.segments(kind)
    if not found:
        raise UnsuitedError
    return found[0]


def _table(elf: Elf) -> int:
    """Offset of the section header table."""
    if not elf.u64(40):
        raise UnsuitedError
    return elf.u64(40)


def _last_load(elf: Elf) -> int:
    return elf.segments(_LOAD)[-1]


def _file_end(elf: Elf, at: int) -> int:
    return elf.u64(at + 8) + elf.u64(at + 32)


def _interpreter(text: bytes) -> Mutation:
    """Overwrite the interpreter's path, at the same length."""

    def change(elf: Elf) -> None:
        at = _one(elf, _INTERP)
        start, size = elf.u64(at + 8), elf.u64(at + 32)
        elf.data[start : start + size] = text.ljust(size, b"\0")[:size]

    return _ELF.edit(change)


def _no_interpreter_but_needs(elf: Elf) -> None:
    """PT_INTERP becomes PT_NULL in a program that needs a library."""
    elf.put32(_one(elf, _INTERP), 0)
    if not elf.tag(1):
        raise UnsuitedError


def _library(elf: Elf) -> None:
    """Neither an interpreter, nor DT_NEEDED, nor versions of what it names, nor DT_FLAGS_1: they become DT_DEBUG."""
    dynamic = _one(elf, _DYNAMIC)
    elf.put32(_one(elf, _INTERP), 0)
    for tag in range(elf.u64(dynamic + 8), _file_end(elf, dynamic), 16):
        if elf.u64(tag) in (_NEEDED, _VERNEED, _VERSYM, 0x6FFFFFFB):
            elf.put64(tag, 21)


def _endless_dynamic(elf: Elf) -> None:
    dynamic = _one(elf, _DYNAMIC)
    for tag in range(elf.u64(dynamic + 8), _file_end(elf, dynamic), 16):
        if elf.u64(tag) == 0:
            elf.put64(tag, 21)


def _huge_dynamic(elf: Elf) -> None:
    """A whole MiB and one entry of DT_DEBUG at the end of the file, mapped by the last PT_LOAD."""
    start, size = len(elf.data), (1 << 20) + 16
    elf.data.extend((21).to_bytes(16, "little") * (size // 16))
    for at in (_one(elf, _DYNAMIC), _last_load(elf)):
        elf.put64(at + 8, start - start % _PAGE if at == _last_load(elf) else start)
        elf.put64(at + 32, size + (start % _PAGE if at == _last_load(elf) else 0))
    elf.put64(_last_load(elf) + 40, size + _PAGE)
    elf.put64(_last_load(elf) + 16, elf.u64(_last_load(elf) + 16) & -_PAGE)


def _too_many_sections(elf: Elf) -> None:
    """Extended numbering: none in e_shnum, and 2**32 in the first header."""
    table = _table(elf)
    elf.put16(60, 0)
    elf.put64(table + 32, 1 << 32)


def _blank_dynamic(elf: Elf) -> None:
    at = _one(elf, _DYNAMIC)
    elf.zero(elf.u64(at + 8), elf.u64(at + 32))


def _swap_loads(elf: Elf) -> None:
    first, second = elf.segments(_LOAD)[:2]
    a, b = elf.data[first : first + 56], elf.data[second : second + 56]
    elf.data[first : first + 56], elf.data[second : second + 56] = b, a


def _no_loads(elf: Elf) -> None:
    for at in elf.segments(_LOAD):
        elf.put32(at, 0)


def _shift_offset(elf: Elf) -> None:
    at = elf.code()
    elf.put64(at + 8, elf.u64(at + 8) + 1)
    elf.put64(at + 32, elf.u64(at + 32) - 1)


def _entry_in_headers(elf: Elf) -> None:
    """An address in the file's first segment, where older linkers put the code as well."""
    if elf.code() == elf.segments(_LOAD)[0]:
        raise UnsuitedError
    elf.put64(24, elf.u64(elf.segments(_LOAD)[0] + 16) + 16)


def _entry_unbacked(elf: Elf) -> None:
    """The end of the code segment loses its bytes in the file, and the entry point goes there."""
    at = elf.code()
    elf.put64(at + 32, elf.u64(at + 32) - 64)
    elf.put64(24, elf.u64(at + 16) + elf.u64(at + 32) + 16)


def _zero_page(elf: Elf) -> None:
    at = elf.text()
    start, end = elf.u64(at + 24), elf.u64(at + 24) + elf.u64(at + 32)
    entry = elf.offset_of(elf.entry)
    page = next((p for p in range(-(-start // _PAGE) * _PAGE, end - _PAGE, _PAGE) if not p <= entry < p + _PAGE), None)
    if page is None:
        raise UnsuitedError
    elf.zero(page, _PAGE)


def _zero_text(elf: Elf) -> None:
    at = elf.text()
    elf.zero(elf.u64(at + 24), elf.u64(at + 32))


def _value(elf: Elf, tag: int) -> int:
    """Offset of the value of a dynamic tag."""
    at = elf.tag(tag)
    if not at:
        raise UnsuitedError
    return at


def _tag(tag: int, value: int) -> Mutation:
    """Overwrite the value of a dynamic tag."""
    return _ELF.put64(lambda elf: _value(elf, tag), value)


def _table_at(elf: Elf, tag: int, offset: int = 0) -> int:
    """Offset in the file of what a dynamic tag leads to."""
    return elf.offset_of(elf.u64(_value(elf, tag))) + offset


def _strings_unended(elf: Elf) -> None:
    start, size = _table_at(elf, _STRTAB), elf.u64(_value(elf, _STRSZ))
    elf.data[start + size - 1] = 0x41


def _gnu_buckets(elf: Elf) -> int:
    """Offset of the buckets of DT_GNU_HASH."""
    at = _table_at(elf, _GNU_HASH)
    return at + 16 + 8 * elf.u32(at + 8)


def _gnu_hash_too_far(elf: Elf) -> None:
    elf.put32(_gnu_buckets(elf), 0x00FFFFFF)


def _no_gnu_buckets(elf: Elf) -> None:
    elf.put32(_table_at(elf, _GNU_HASH), 0)


def _version_hash(elf: Elf) -> None:
    """The hash of the first needed version."""
    at = _table_at(elf, _VERNEED)
    at += elf.u32(at + 8)
    elf.put32(at, elf.u32(at) ^ 0x100)


def _version_of_other_library(elf: Elf) -> None:
    """The first library with versions gets the name of its first version."""
    at = _table_at(elf, _VERNEED)
    elf.put32(at + 4, elf.u32(at + elf.u32(at + 8) + 8))


def _symbol_version(elf: Elf) -> None:
    elf.put16(_table_at(elf, _VERSYM) + 2, 0x7FF)


def _relocation(elf: Elf, offset: int = 0) -> int:
    """Offset of a field of the first relocation of DT_RELA."""
    return _table_at(elf, _RELA, offset)


def _relocation_tail_zeroed(elf: Elf) -> None:
    """The first relocation becomes zeros, which ld.so would take for one that writes to the start of the program."""
    if not elf.tag(_RELACOUNT):
        raise UnsuitedError
    elf.zero(_relocation(elf), 24)


def _relocates_code(elf: Elf) -> None:
    elf.put64(_relocation(elf), elf.entry)


def _shift_address(elf: Elf, kind: int) -> None:
    """A segment of this type describes the next word of memory, and still the same place in the file."""
    at = _one(elf, kind)
    elf.put64(at + 16, elf.u64(at + 16) + 8)


def _section_shifted(elf: Elf) -> None:
    at = elf.text()
    elf.put64(at + 24, elf.u64(at + 24) + 16)


def _sections_share_bytes(elf: Elf) -> None:
    """The table of section names is said to stand where the code is."""
    names = elf.sections()[elf.u16(62)]
    text = elf.text()
    if elf.u64(names + 32) > elf.u64(text + 32):
        raise UnsuitedError
    start, size = elf.u64(names + 24), elf.u64(names + 32)
    code = elf.u64(text + 24) + elf.u64(text + 32) - size
    entry = elf.offset_of(elf.entry)
    if code <= entry + 16 and entry < code + size:
        raise UnsuitedError
    elf.data[code : code + size] = elf.data[start : start + size]
    elf.put64(names + 24, code)


def _older_rest(elf: Elf) -> None:
    """What a longer program leaves behind a shorter one: some data, and its section headers at the very end."""
    table = bytes(elf.data[_table(elf) + 64 : _table(elf) + 64 * elf.u16(60)])
    elf.data.extend(b"data of the longer program" * 40 + table)


def _append(data: bytes) -> Mutation:
    return lambda image: image.extend(data)


def _debug_symbol(elf: Elf) -> int:
    """Offset of the first symbol for debuggers."""
    return elf.u64(_symbol_section(elf) + 24)


def _unwind_table(elf: Elf) -> int:
    return elf.u64(_one(elf, _EH_FRAME) + 8)


def _symbol_section(elf: Elf) -> int:
    """Offset of the section header of the symbols for debuggers."""
    at = next((at for at in elf.sections() if elf.u32(at + 4) == 2), None)
    if at is None:
        raise UnsuitedError
    return at


DAMAGES = [
    Damage("head-of-zeros", "file-format", _ELF.edit(lambda elf: elf.zero(0, 64))),
    Damage("cut-in-identification", "elf-header", _ELF.cut(10)),
    Damage("cut-in-header", "elf-header", _ELF.cut(40)),
    Damage("big-endian", "elf-data", _ELF.put8(5, 2)),
    Damage("no-byte-order", "elf-data", _ELF.put8(5, 0)),
    Damage("other-machine", "elf-machine", _ELF.edit(lambda elf: elf.put16(18, 183 if elf.u16(18) == 62 else 62))),
    Damage("no-machine", "elf-machine", _ELF.put16(18, 0)),
    Damage("class-32", "elf-class", _ELF.put8(4, 1)),
    Damage("no-class", "elf-class", _ELF.put8(4, 0)),
    Damage("identification-version-zero", "elf-version", _ELF.put8(6, 0)),
    Damage("version-zero", "elf-version", _ELF.put8(20, 0)),
    Damage("header-size-zero", "elf-version", _ELF.put16(52, 0)),
    Damage("freebsd", "elf-os-abi", _ELF.put8(7, 9)),
    Damage("abi-version", "elf-os-abi", _ELF.put8(8, 7)),
    Damage("object-file", "elf-type", _ELF.put16(16, 1)),
    Damage("core-dump", "elf-type", _ELF.put16(16, 4)),
    Damage("no-type", "elf-type", _ELF.put16(16, 0)),
    Damage("cut-behind-header", "elf-program-headers", _ELF.cut(64)),
    Damage("cut-in-program-headers", "elf-program-headers", _ELF.cut(lambda elf: elf.u64(32) + 100)),
    Damage("program-headers-past-end", "elf-program-headers", _ELF.put64(32, 1 << 40)),
    Damage("no-program-headers", "elf-program-headers", _ELF.put16(56, 0)),
    Damage("too-many-program-headers", "elf-program-headers", _ELF.put16(56, 0xFFFE)),
    Damage("program-header-size", "elf-program-headers", _ELF.put16(54, 32)),
    Damage("nothing-to-map", "elf-program-headers", _ELF.edit(_no_loads)),
    Damage("cut-in-code", "elf-load-data", _ELF.cut(lambda elf: elf.offset_of(elf.entry) + 1)),
    Damage("cut-last-byte-of-segments", "elf-load-data", _ELF.cut(lambda elf: _file_end(elf, _last_load(elf)) - 1)),
    Damage("load-offset-past-end", "elf-load-data", _ELF.put64(lambda elf: _last_load(elf) + 8, 1 << 40)),
    Damage("load-size-huge", "elf-load-data", _ELF.put64(lambda elf: elf.code() + 32, 1 << 60)),
    Damage("more-file-than-memory", "elf-load-size", _ELF.put64(lambda elf: elf.code() + 40, 16)),
    Damage("debug-information-alone", "elf-load-code", _ELF.put64(lambda elf: elf.code() + 32, 0)),
    Damage("loads-swapped", "elf-load-order", _ELF.edit(_swap_loads)),
    Damage("loads-overlap", "elf-load-order", _ELF.put64(lambda elf: _last_load(elf) + 16, 0)),
    Damage("load-past-address-space", "elf-load-order", _ELF.put64(lambda elf: _last_load(elf) + 40, (1 << 64) - 1)),
    Damage("load-incongruent", "elf-load-alignment", _ELF.edit(_shift_offset)),
    Damage("load-alignment-odd", "elf-load-alignment", _ELF.put64(lambda elf: elf.code() + 48, 0x1800)),
    Damage("interpreter-past-end", "elf-segment-data", _ELF.put64(lambda elf: _one(elf, _INTERP) + 8, 1 << 40)),
    Damage("cut-in-section-headers", "elf-section-table", _ELF.cut(lambda elf: len(elf.data) - 1)),
    Damage("cut-before-section-headers", "elf-section-table", _ELF.cut(_table)),
    Damage("section-headers-past-end", "elf-section-table", _ELF.put64(40, 1 << 62)),
    Damage(
        "section-headers-zeroed", "elf-section-table", _ELF.edit(lambda elf: elf.zero(_table(elf), 64 * elf.u16(60)))
    ),
    Damage("too-many-sections", "elf-section-table", _ELF.edit(_too_many_sections)),
    Damage("section-header-size", "elf-section-table", _ELF.put16(58, 40)),
    Damage("section-names-past-end", "elf-section-table", _ELF.put16(62, 0xFE00)),
    Damage("section-names-in-code", "elf-section-table", _ELF.put16(62, 1)),
    Damage("section-past-end", "elf-section-data", _ELF.put64(lambda elf: elf.text() + 24, 1 << 40)),
    Damage("section-size-huge", "elf-section-data", _ELF.put64(lambda elf: elf.text() + 32, 1 << 60)),
    Damage("other-interpreter", "elf-interpreter", _interpreter(b"/lib/ld-uClibc.so.0\0")),
    Damage("interpreter-zeroed", "elf-interpreter", _interpreter(b"\0")),
    Damage("interpreter-without-end", "elf-interpreter", _interpreter(b"/" * 64)),
    Damage("dynamic-zeroed", "elf-dynamic", _ELF.edit(_blank_dynamic)),
    Damage("dynamic-without-end", "elf-dynamic", _ELF.edit(_endless_dynamic)),
    Damage("dynamic-size-odd", "elf-dynamic", _ELF.put64(lambda elf: _one(elf, _DYNAMIC) + 32, 24)),
    Damage("dynamic-huge", "elf-dynamic", _ELF.edit(_huge_dynamic)),
    Damage("dynamic-empty", "elf-dynamic", _ELF.put64(lambda elf: _one(elf, _DYNAMIC) + 32, 0)),
    Damage("dynamic-not-mapped", "elf-dynamic", _ELF.edit(lambda elf: elf.put64(_one(elf, _DYNAMIC) + 8, _table(elf)))),
    Damage("libraries-without-interpreter", "elf-program", _ELF.edit(_no_interpreter_but_needs)),
    Damage("shared-library", "elf-program", _ELF.edit(_library)),
    Damage("no-entry-point", "elf-entry-point", _ELF.put64(24, 0)),
    Damage("entry-in-headers", "elf-entry-point", _ELF.edit(_entry_in_headers)),
    Damage("entry-in-data", "elf-entry-point", _ELF.edit(lambda elf: elf.put64(24, elf.u64(_last_load(elf) + 16)))),
    Damage("entry-past-end", "elf-entry-point", _ELF.put64(24, 1 << 40)),
    Damage("entry-without-bytes", "elf-entry-point", _ELF.edit(_entry_unbacked)),
    Damage("code-not-executable", "elf-load-code", _ELF.edit(lambda elf: elf.put32(elf.code() + 4, 4))),
    Damage("entry-zeroed", "elf-entry-bytes", _ELF.edit(lambda elf: elf.zero(elf.offset_of(elf.entry), 16))),
    Damage("code-page-zeroed", "elf-code", _ELF.edit(_zero_page)),
    Damage("code-zeroed", "elf-code", _ELF.edit(_zero_text)),
    Damage("strings-past-image", "elf-dynamic-strings", _tag(_STRTAB, 1 << 40)),
    Damage("strings-size-huge", "elf-dynamic-strings", _tag(_STRSZ, 1 << 40)),
    Damage("strings-size-zero", "elf-dynamic-strings", _tag(_STRSZ, 0)),
    Damage("strings-without-end", "elf-dynamic-strings", _ELF.edit(_strings_unended)),
    Damage("needed-library-without-name", "elf-dynamic-strings", _tag(_NEEDED, 0)),
    Damage("needed-library-past-strings", "elf-dynamic-strings", _tag(_NEEDED, 1 << 30)),
    Damage("relocations-past-image", "elf-dynamic-tables", _tag(_RELA, 1 << 40)),
    Damage("relocations-size-huge", "elf-dynamic-tables", _tag(_RELASZ, 24 << 40)),
    Damage("relocations-size-odd", "elf-dynamic-tables", _tag(_RELASZ, 25)),
    Damage("relocation-entry-size", "elf-dynamic-tables", _tag(_RELAENT, 16)),
    Damage("symbol-entry-size", "elf-dynamic-tables", _tag(_SYMENT, 16)),
    Damage("packed-relocations-past-image", "elf-dynamic-tables", _tag(_RELR, 1 << 40)),
    Damage("packed-relocations-size-huge", "elf-dynamic-tables", _tag(_RELRSZ, 1 << 40)),
    Damage("start-functions-past-image", "elf-dynamic-tables", _tag(_INIT_ARRAY, 1 << 40)),
    Damage("start-functions-size-huge", "elf-dynamic-tables", _tag(_INIT_ARRAYSZ, 1 << 40)),
    Damage("offset-table-past-image", "elf-dynamic-tables", _tag(_PLTGOT, 1 << 40)),
    Damage("start-function-past-image", "elf-dynamic-functions", _tag(_INIT, 1 << 40)),
    Damage(
        "start-function-in-data",
        "elf-dynamic-functions",
        _ELF.edit(lambda elf: elf.put64(_value(elf, _INIT), elf.u64(_last_load(elf) + 16))),
    ),
    Damage("hash-past-image", "elf-hash", _tag(_HASH, 1 << 40)),
    Damage("hash-without-buckets", "elf-hash", _ELF.put32(lambda elf: _table_at(elf, _HASH), 0)),
    Damage("hash-leads-too-far", "elf-hash", _ELF.put32(lambda elf: _table_at(elf, _HASH, 8), 0x7FFFFFFF)),
    Damage("gnu-hash-past-image", "elf-hash", _tag(_GNU_HASH, 1 << 40)),
    Damage("gnu-hash-without-buckets", "elf-hash", _ELF.edit(_no_gnu_buckets)),
    Damage("gnu-hash-leads-too-far", "elf-hash", _ELF.edit(_gnu_hash_too_far)),
    Damage("symbols-past-image", "elf-symbols", _tag(_SYMTAB, 1 << 40)),
    Damage("symbol-name-past-strings", "elf-symbols", _ELF.put32(lambda elf: _table_at(elf, _SYMTAB), 0x7FFFFFFF)),
    Damage(
        "debug-symbol-name-past-strings",
        "elf-section-symbols",
        _ELF.put32(_debug_symbol, 0x7FFFFFFF),
    ),
    Damage("debug-symbols-unnamed", "elf-section-symbols", _ELF.put32(lambda elf: _symbol_section(elf) + 40, 0)),
    Damage("debug-symbols-size-odd", "elf-section-symbols", _ELF.put64(lambda elf: _symbol_section(elf) + 32, 25)),
    Damage("version-hash", "elf-versions", _ELF.edit(_version_hash)),
    Damage("versions-past-image", "elf-versions", _tag(_VERNEED, 1 << 40)),
    Damage("version-of-no-needed-library", "elf-versions", _ELF.edit(_version_of_other_library)),
    Damage("version-revision", "elf-versions", _ELF.put16(lambda elf: _table_at(elf, _VERNEED), 0)),
    Damage("symbol-versions-past-image", "elf-symbol-versions", _tag(_VERSYM, 1 << 40)),
    Damage("symbol-of-unknown-version", "elf-symbol-versions", _ELF.edit(_symbol_version)),
    Damage("relocation-past-image", "elf-relocations", _ELF.put64(_relocation, 1 << 40)),
    Damage("relocation-of-code", "elf-relocations", _ELF.edit(_relocates_code)),
    Damage("relocation-of-unknown-type", "elf-relocations", _ELF.put32(lambda elf: _relocation(elf, 8), 200)),
    Damage("relocation-of-no-symbol", "elf-relocations", _ELF.put32(lambda elf: _relocation(elf, 12), 0x00FFFFFF)),
    Damage("relocation-zeroed", "elf-relocations", _ELF.edit(_relocation_tail_zeroed)),
    Damage("packed-relocation-past-image", "elf-relocations", _ELF.put64(lambda elf: _table_at(elf, _RELR), 1 << 40)),
    Damage("packed-relocation-without-address", "elf-relocations", _ELF.put64(lambda elf: _table_at(elf, _RELR), 3)),
    Damage("dynamic-at-other-address", "elf-segment-places", _ELF.edit(lambda elf: _shift_address(elf, _DYNAMIC))),
    Damage("relro-past-image", "elf-segment-places", _ELF.put64(lambda elf: _one(elf, _RELRO) + 16, 1 << 40)),
    Damage(
        "unwind-table-at-other-address", "elf-segment-places", _ELF.edit(lambda elf: _shift_address(elf, _EH_FRAME))
    ),
    Damage("notes-zeroed", "elf-notes", _ELF.edit(lambda elf: elf.zero(elf.u64(_one(elf, _NOTE) + 8), 12))),
    Damage("note-too-long", "elf-notes", _ELF.put32(lambda elf: elf.u64(_one(elf, _NOTE) + 8) + 4, 0x7FFFFFFF)),
    Damage("unwind-table-version", "elf-unwind", _ELF.put8(_unwind_table, 0)),
    Damage("unwind-table-too-long", "elf-unwind", _ELF.put32(lambda elf: _unwind_table(elf) + 8, 0x7FFFFFFF)),
    Damage("section-at-other-place", "elf-section-places", _ELF.edit(_section_shifted)),
    Damage("sections-share-bytes", "elf-section-overlap", _ELF.edit(_sections_share_bytes)),
    Damage("rest-of-a-longer-file", "elf-overlay", _append(b"was here before" * 100), CheckStatus.WARNING),
    Damage("written-over-a-longer-file", "elf-overlay", _ELF.edit(_older_rest)),
    Damage("one-byte-appended", "elf-overlay", _append(b"x"), CheckStatus.WARNING),
]
