"""Symbols: the dynamic ones with their hash tables, which ld.so uses, and those that only debuggers read."""

from __future__ import annotations

from collections.abc import Iterator

from buildproof.artifacts.elf.dynamic import no_dynamic
from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.sections import no_sections
from buildproof.artifacts.elf.structures import CLASS_32, DynamicTag, SectionType
from buildproof.artifacts.reader import U32, MisplacedError
from buildproof.artifacts.rule import REBUILD, Problem, Rule

# One bucket's symbols: a handful, where the hash is any good.
_LONGEST_CHAIN = 1 << 17


def symbol_size(image: ElfImage) -> int:
    """Bytes of Elf32_Sym or Elf64_Sym."""
    return 16 if image.ident[4] == CLASS_32 else 24


def symbol_count(image: ElfImage) -> int:
    """How many dynamic symbols there are.

    The format nowhere says so. DT_HASH has one chain entry for each; a DT_GNU_HASH knows the last that is defined; the
    section header of the same address tells; and linkers put the strings behind the symbols.
    Raises MisplacedError where a table that should tell is damaged.
    """
    symbols, strings = image.tags.get(DynamicTag.SYMTAB, 0), image.tags.get(DynamicTag.STRTAB, 0)
    if DynamicTag.HASH in image.tags:
        at = image.backed(image.tags[DynamicTag.HASH], 8, "the hash table (DT_HASH)")
        return image.reader.words(U32, at, 2, "the hash table (DT_HASH)")[1]
    for section in image.sections if image.header.shoff else ():
        if section.type == SectionType.DYNSYM and section.address == symbols:
            return section.size // symbol_size(image)
    if strings > symbols:
        return (strings - symbols) // symbol_size(image)
    return _gnu_hash_end(image)


def _gnu_hash_end(image: ElfImage) -> int:
    """One more than the largest index of a symbol that DT_GNU_HASH leads to; 0 without such a table."""
    if DynamicTag.GNU_HASH not in image.tags:
        return 0
    address, what = image.tags[DynamicTag.GNU_HASH], "the hash table (DT_GNU_HASH)"
    at = image.backed(address, 16, what)
    buckets, first, blooms, _ = image.reader.words(U32, at, 4, what)
    tables = address + 16 + blooms * image.word
    at = image.backed(tables, 4 * buckets, f"the {buckets} buckets of {what}")
    last = max(image.reader.words(U32, at, buckets, what), default=0)
    if last < first:
        return first if last else 0
    chains = tables + 4 * buckets
    at = image.backed(chains, 4 * (last - first + 1), f"the chains of {what}")
    words = image.reader.words(U32, at, image.backed_size(chains) // 4, what)
    for index in range(last - first, min(len(words), last - first + _LONGEST_CHAIN)):
        if words[index] & 1:
            return first + index + 1
    raise MisplacedError(what, address, 0, "and its last chain has no end")


def undefined_names(image: ElfImage) -> list[str]:
    """The dynamic symbols that other files have to define, cut to 64 bytes: for those who look for short ones."""
    count, size = symbol_count(image), symbol_size(image)
    if not count:
        return []
    what = "the dynamic symbol table"
    at = image.backed(image.tags.get(DynamicTag.SYMTAB, 0), count * size, what)
    words = image.reader.words(U32, at, count * size // 4, what)
    # st_shndx: the upper half of the word behind st_info and st_other, which is the second in ELF64, the last in ELF32.
    places = words[(1 if size == 24 else 3) :: size // 4]
    start, length = image.strings
    table = image.reader.read(start, length, "the dynamic string table")
    at_names = [words[index * size // 4] for index, word in enumerate(places) if index and word >> 16 == 0]
    return [table[name : name + 64].partition(b"\0")[0].decode("ascii", "replace") for name in at_names]


def _hash(image: ElfImage) -> Iterator[Problem]:
    if DynamicTag.HASH in image.tags:
        address, what = image.tags[DynamicTag.HASH], "the hash table (DT_HASH)"
        at = image.backed(address, 8, what)
        buckets, chains = image.reader.words(U32, at, 2, what)
        image.backed(address, 8 + 4 * (buckets + chains), f"{what} of {buckets} buckets and {chains} symbols")
        words = image.reader.words(U32, at + 8, buckets + chains, what)
        if buckets == 0 or max(words, default=0) >= max(chains, 1):
            yield Problem(
                message=f"{what} has {buckets} buckets and leads to symbol {max(words, default=0)} of {chains}",
                offset=at,
                expected=f"at least one bucket, and symbols below {chains}",
                actual=f"{buckets} buckets, symbol {max(words, default=0)}",
            )
    if DynamicTag.GNU_HASH in image.tags:
        address, what = image.tags[DynamicTag.GNU_HASH], "the hash table (DT_GNU_HASH)"
        at = image.backed(address, 16, what)
        buckets, _, blooms, _ = image.reader.words(U32, at, 4, what)
        if buckets == 0 or blooms == 0 or blooms & (blooms - 1):
            yield Problem(
                message=f"{what} has {buckets} buckets and a Bloom filter of {blooms} words",
                offset=at,
                expected="at least one bucket, and a power of two",
                actual=f"{buckets} and {blooms}",
            )
        end, count = _gnu_hash_end(image), symbol_count(image)
        if end > count:
            yield Problem(
                message=f"{what} leads to symbol {end - 1} of {count}",
                offset=at,
                expected=f"symbols below {count}",
                actual=str(end - 1),
            )


def _no_hash(image: ElfImage) -> str | None:
    if no_dynamic(image):
        return no_dynamic(image)
    known = DynamicTag.HASH in image.tags or DynamicTag.GNU_HASH in image.tags
    return None if known else "the file has no table of symbols for others"


def _symbols(image: ElfImage) -> Iterator[Problem]:
    count, size = symbol_count(image), symbol_size(image)
    what = f"the dynamic symbol table ({count} symbols)"
    # There is always one: the null symbol.
    at = image.backed(image.tags[DynamicTag.SYMTAB], max(count, 1) * size, what)
    words = image.reader.words(U32, at, count * size // 4, what)
    yield from _names(words[0 :: size // 4].tolist(), image.strings[1], at, size, "dynamic symbol")


def _names(names: list[int], strings: int, at: int, size: int, kind: str) -> Iterator[Problem]:
    """`names` are the symbols' offsets into a table of `strings` bytes."""
    if names and max(names) >= max(strings, 1):
        index = next(index for index, name in enumerate(names) if name >= strings)
        yield Problem(
            message=f"{kind} {index} has its name at {names[index]:#x} of a string table of {strings:#x} bytes",
            offset=at + index * size,
            expected=f"below {strings:#x}",
            actual=f"{names[index]:#x}",
        )


def _no_symbols(image: ElfImage) -> str | None:
    return no_dynamic(image) or (
        None if DynamicTag.SYMTAB in image.tags else "the dynamic section names no symbol table"
    )


def _section_symbols(image: ElfImage) -> Iterator[Problem]:
    size = symbol_size(image)
    total = 0
    for section in image.sections:
        if section.type != SectionType.SYMTAB:
            continue
        total += section.size
        if total > image.reader.size:
            yield Problem(
                message=f"the symbol tables have {total} bytes, more than the file: they overlap",
                offset=section.position,
                expected="one symbol table",
                actual=f"{total} bytes",
            )
            return
        linked = image.sections[section.link] if section.link < len(image.sections) else None
        if linked is None or linked.type != SectionType.STRTAB or section.size % size:
            yield Problem(
                message=f"the symbols in {section} have {section.size} bytes, with names in section {section.link}",
                offset=section.position,
                expected=f"a multiple of {size}, and a section of type SHT_STRTAB",
                actual=f"{section.size} bytes, section {section.link}",
            )
            continue
        words = image.reader.words(U32, section.offset, section.size // 4, "the symbol table")
        yield from _names(words[0 :: size // 4].tolist(), linked.size, section.offset, size, "symbol")
        if linked.size and image.reader.read(linked.offset + linked.size - 1, 1, "the symbols' names") != b"\0":
            yield Problem(
                message=f"the table of the symbols' names ({linked}) does not end with a zero byte",
                offset=linked.offset + linked.size - 1,
                expected="00",
                actual=image.reader.read(linked.offset + linked.size - 1, 1, "the symbols' names").hex(),
            )


RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-hash",
        title="the hash tables lead to symbols that exist",
        source='System V gABI, ch. 5 "Hash Table"; glibc, elf/dl-lookup.c: DT_GNU_HASH',
        mend=REBUILD,
        judge=_hash,
        applies=_no_hash,
        needs=("elf-dynamic-tables", "elf-section-data"),
    ),
    Rule(
        id="elf-symbols",
        title="every dynamic symbol is in the file and has its name in the string table",
        source='System V gABI, ch. 4 "Symbol Table"',
        mend=REBUILD,
        judge=_symbols,
        applies=_no_symbols,
        needs=("elf-dynamic-strings", "elf-hash"),
    ),
    Rule(
        id="elf-section-symbols",
        title="every symbol for debuggers has its name in the linked string table",
        source='System V gABI, ch. 4 "Symbol Table"',
        mend=REBUILD,
        judge=_section_symbols,
        applies=no_sections,
        needs=("elf-section-data",),
    ),
)
