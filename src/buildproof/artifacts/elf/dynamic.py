"""What the dynamic section points to, found by PT_DYNAMIC alone: strings, tables, functions to start and to end."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import CLASS_32, DynamicTag, SegmentType
from buildproof.artifacts.reader import span
from buildproof.artifacts.rule import REBUILD, Problem, Rule

_NAMES = (DynamicTag.NEEDED, DynamicTag.SONAME, DynamicTag.RPATH, DynamicTag.RUNPATH)
_MOST_NAMES = 2000  # the largest desktop programs name some 300
_TABLES = (
    (DynamicTag.RELA, DynamicTag.RELASZ, "the relocation table"),
    (DynamicTag.REL, DynamicTag.RELSZ, "the relocation table"),
    (DynamicTag.RELR, DynamicTag.RELRSZ, "the table of packed relocations"),
    (DynamicTag.JMPREL, DynamicTag.PLTRELSZ, "the relocation table of the PLT"),
    (DynamicTag.PREINIT_ARRAY, DynamicTag.PREINIT_ARRAYSZ, "the list of functions before all others"),
    (DynamicTag.INIT_ARRAY, DynamicTag.INIT_ARRAYSZ, "the list of functions to start with"),
    (DynamicTag.FINI_ARRAY, DynamicTag.FINI_ARRAYSZ, "the list of functions to end with"),
)


def no_dynamic(image: ElfImage) -> str | None:
    """Why rules about the dynamic section do not apply, or None."""
    return None if image.segment(SegmentType.DYNAMIC) else "the file has no dynamic section: it is linked statically"


def needed(image: ElfImage) -> list[str]:
    """The shared libraries that the file needs, in order; MisplacedError where a name is not there."""
    return [image.string(index, "the name of a needed library") for index in image.values(DynamicTag.NEEDED)]


def _strings(image: ElfImage) -> Iterator[Problem]:
    start, size = image.strings
    if size == 0 or image.reader.read(start + size - 1, 1, "the dynamic string table") != b"\0":
        yield Problem(
            message=f"the dynamic string table at {span(start, start + size)} does not end with a zero byte",
            offset=start,
            expected="a zero byte at its end",
            actual=f"{size} bytes without one",
        )
        return
    names = [entry for entry in image.dynamic_entries if entry[0] in _NAMES]
    if len(names) > _MOST_NAMES:
        yield Problem(
            message=f"the dynamic section names {len(names)} libraries and folders",
            offset=start,
            expected=f"up to {_MOST_NAMES}",
            actual=str(len(names)),
        )
        return
    for tag, index in names:
        if tag in _NAMES:
            kind = DynamicTag(tag).name
            text = image.string(index, f"the string of DT_{kind}")
            if not text.isprintable() or (not text and tag == DynamicTag.NEEDED):
                yield Problem(
                    message=f"DT_{kind} names {text!r}",
                    offset=start + index,
                    expected="printable text",
                    actual=text,
                )


def _entry_sizes(image: ElfImage) -> Iterator[tuple[DynamicTag, int]]:
    wide = image.ident[4] != CLASS_32
    yield DynamicTag.SYMENT, 24 if wide else 16
    yield DynamicTag.RELAENT, 24 if wide else 12
    yield DynamicTag.RELENT, 16 if wide else 8
    yield DynamicTag.RELRENT, image.word


def _tables(image: ElfImage) -> Iterator[Problem]:
    segment = image.segment(SegmentType.DYNAMIC)
    place = segment.offset if segment else None
    for tag, size in _entry_sizes(image):
        actual = image.tags.get(tag, size)
        if actual != size:
            yield Problem(message=f"DT_{tag.name} is {actual}", offset=place, expected=str(size), actual=str(actual))
    for address, length, what in _TABLES:
        if address in image.tags:
            size = image.tags.get(length, 0)
            unit = image.word
            if size % unit:
                yield Problem(
                    message=f"{what} has {size} bytes (DT_{length.name})",
                    offset=place,
                    expected=f"a multiple of {unit}",
                    actual=str(size),
                )
            if size:
                image.backed(image.tags[address], size, f"{what} (DT_{address.name})")
    if image.tags.get(DynamicTag.PLTGOT):
        got = image.tags[DynamicTag.PLTGOT]
        if not any(start <= got < end for start, end in image.spans()):
            yield Problem(
                message=f"the global offset table (DT_PLTGOT) is declared at {got:#x}, where no PT_LOAD segment is",
                offset=place,
                expected="an address in a PT_LOAD segment",
                actual=f"{got:#x}",
            )


def _functions(image: ElfImage) -> Iterator[Problem]:
    segment = image.segment(SegmentType.DYNAMIC)
    for tag in (DynamicTag.INIT, DynamicTag.FINI):
        address = image.tags.get(tag, 0)
        if address and not any(start <= address < end for start, end in image.spans(executable=True)):
            yield Problem(
                message=f"DT_{tag.name} is {address:#x}, where no code is",
                offset=segment.offset if segment else None,
                expected="an address in an executable segment",
                actual=f"{address:#x}",
            )


_SPEC = 'System V gABI, ch. 5 "Dynamic Section"'
RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-dynamic-strings",
        title="the dynamic string table is in the file, and so are the names that the dynamic section asks of it",
        source=_SPEC + ' and ch. 4 "String Table"',
        mend=REBUILD,
        judge=_strings,
        applies=no_dynamic,
        needs=("elf-dynamic", "elf-load-alignment"),
    ),
    Rule(
        id="elf-dynamic-tables",
        title="the tables that the dynamic section declares are in the file, with entries of the right size",
        source=_SPEC,
        mend=REBUILD,
        judge=_tables,
        applies=no_dynamic,
        needs=("elf-dynamic", "elf-load-alignment"),
    ),
    Rule(
        id="elf-dynamic-functions",
        title="the functions to start and to end with are code",
        source='System V gABI, ch. 5 "Initialization and Termination Functions"',
        mend=REBUILD,
        judge=_functions,
        applies=no_dynamic,
        needs=("elf-dynamic-tables",),
    ),
)
