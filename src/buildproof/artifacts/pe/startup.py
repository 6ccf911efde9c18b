"""What the loader works through before the program starts: thread-local storage, the load configuration."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from buildproof.artifacts.pe.image import LOAD_CONFIG, TLS, PeImage
from buildproof.artifacts.reader import U32, U64, span
from buildproof.artifacts.rule import REBUILD, Problem, Rule

_TLS = {64: struct.Struct("<QQQQII"), 32: struct.Struct("<IIIIII")}
_MOST_CALLBACKS = 1024
# Offset and layout of SecurityCookie, GuardCFFunctionTable, GuardCFFunctionCount and GuardFlags.
_COOKIE = {64: (88, struct.Struct("<Q")), 32: (60, struct.Struct("<I"))}
_GUARD = {64: (128, struct.Struct("<QQI")), 32: (80, struct.Struct("<III"))}
_GUARD_STRIDE_SHIFT = 28  # IMAGE_GUARD_CF_FUNCTION_TABLE_SIZE_SHIFT


def _rva(image: PeImage, address: int) -> int:
    return address - image.optional.image_base


def _tls(image: PeImage) -> Iterator[Problem]:
    entry = image.directory(TLS)
    if entry is None:
        return
    layout = _TLS[image.target.machine.bits]
    at = image.backed(entry.rva, layout.size, "the TLS directory")
    begin, end, index, callbacks = layout.unpack(image.reader.read(at, layout.size, "the TLS directory"))[:4]
    width = image.target.machine.bits // 8
    if begin > end:
        yield Problem(
            message=f"the template of thread-local data begins at {begin:#x} and ends at {end:#x}",
            offset=at,
            expected=f"up to {end:#x}",
            actual=f"{begin:#x}",
        )
    elif begin < end:
        section = image.section_at(_rva(image, begin))
        if section is None or _rva(image, end) > section.virtual_address + max(section.memory_size, section.raw_size):
            yield Problem(
                message=f"the template of thread-local data at {span(begin, end)} lies in no section",
                offset=at,
                expected="a range in one section",
                actual=span(begin, end),
            )
    home = image.section_at(_rva(image, index))
    if home is None or not home.writable:
        yield Problem(
            message=f"Windows would write the TLS index to {index:#x}, where no writable section is",
            offset=at + 2 * width,
            expected="an address in a writable section",
            actual=f"{index:#x}",
        )
    if callbacks:
        yield from _callbacks(image, _rva(image, callbacks))


def _callbacks(image: PeImage, rva: int) -> Iterator[Problem]:
    code, width = (U64, 8) if image.target.machine.bits == 64 else (U32, 4)
    start = image.backed(rva, width, "the list of TLS callbacks")
    count = min((image.backed_end(rva) - start) // width, _MOST_CALLBACKS)
    for number, address in enumerate(image.reader.words(code, start, count, "the list of TLS callbacks")):
        if not address:
            return
        section = image.section_at(_rva(image, address))
        if section is None or not section.executable:
            yield Problem(
                message=f"TLS callback {number} is at {address:#x}, where no code is",
                offset=start + number * width,
                expected="an address in an executable section",
                actual=f"{address:#x}",
            )
    yield Problem(
        message="the list of TLS callbacks has no end",
        offset=start,
        expected="a null entry",
        actual=f"{count} entries without one",
    )


def _no_tls(image: PeImage) -> str | None:
    return None if image.directory(TLS) else "the image has no thread-local storage"


def guard_functions(image: PeImage) -> int:
    """How many functions the Control Flow Guard table lists; 0 without a load configuration or a table."""
    guard = _guard(image)
    return guard[1] if guard and guard[0] else 0


def _guard(image: PeImage) -> tuple[int, int, int] | None:
    """GuardCFFunctionTable, GuardCFFunctionCount, GuardFlags."""
    found = _load_config_field(image, *_GUARD[image.target.machine.bits])
    return (found[0], found[1], found[2]) if found else None


def _load_config_field(image: PeImage, offset: int, layout: struct.Struct) -> tuple[int, ...] | None:
    entry = image.directory(LOAD_CONFIG)
    if entry is None:
        return None
    at = image.backed(entry.rva, 4, "the load configuration")
    size = image.reader.words(U32, at, 1, "the load configuration")[0]
    if size < offset + layout.size:
        return None
    image.backed(entry.rva, offset + layout.size, "the load configuration")
    return layout.unpack(image.reader.read(at + offset, layout.size, "the load configuration"))


def _load_config(image: PeImage) -> Iterator[Problem]:
    entry = image.directory(LOAD_CONFIG)
    if entry is None:
        return
    at = image.backed(entry.rva, 4, "the load configuration")
    size = image.reader.words(U32, at, 1, "the load configuration")[0]
    if not 64 <= size <= 4096:
        yield Problem(
            message=f"the load configuration gives its own size as {size}",
            offset=at,
            expected="64 to 4096",
            actual=str(size),
        )
        return
    offset, layout = _COOKIE[image.target.machine.bits]
    cookie = _load_config_field(image, offset, layout)
    if cookie and cookie[0]:
        section = image.section_at(_rva(image, cookie[0]))
        if section is None or not section.writable:
            yield Problem(
                message=f"the security cookie is at {cookie[0]:#x}, where no writable section is: "
                "Windows writes it before the program starts",
                offset=at + offset,
                expected="an address in a writable section",
                actual=f"{cookie[0]:#x}",
            )
    guard = _guard(image)
    if guard and guard[0] and guard[1]:
        stride = 4 + (guard[2] >> _GUARD_STRIDE_SHIFT)
        image.backed(_rva(image, guard[0]), guard[1] * stride, "the table of Control Flow Guard functions")


def _no_load_config(image: PeImage) -> str | None:
    return None if image.directory(LOAD_CONFIG) else "the image has no load configuration"


RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-tls",
        title="thread-local storage: template, index and callbacks lie where Windows can use them",
        source='Microsoft PE format, "The .tls Section"',
        mend=REBUILD,
        judge=_tls,
        applies=_no_tls,
        needs=("pe-directory-data", "pe-entry-point"),
    ),
    Rule(
        id="pe-load-config",
        title="the load configuration has a known size, and what it points to is there",
        source='Microsoft PE format, "The Load Configuration Structure (Image Only)"',
        mend=REBUILD,
        judge=_load_config,
        applies=_no_load_config,
        needs=("pe-directory-data", "pe-entry-point"),
    ),
)
