"""Which Linux the program starts on: the libraries that it needs, their versions, and where they are looked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildproof.artifacts import policy
from buildproof.artifacts.elf.dynamic import needed, no_dynamic
from buildproof.artifacts.elf.image import ElfImage
from buildproof.artifacts.elf.structures import DynamicTag
from buildproof.artifacts.elf.versions import Needed, symbols_of, versions_needed
from buildproof.artifacts.rule import Aspect, Problem, Rule

_MOST_NAMES = 5  # symbols that a message names
_MOST_VERSIONS = 20
_FOR_PACKED_RELOCATIONS = ("GLIBC_ABI_DT_RELR", (2, 36))
_RELATIVE = re.compile(r"\$(ORIGIN|\{ORIGIN\})(/|$)")


def _libraries(image: ElfImage) -> Iterator[Problem]:
    known = policy.linux()
    for name in needed(image):
        if name in known.libraries or name in image.expected.beside or image.expected.allows(name):
            continue
        left = policy.leftover(name, known.leftovers)
        yield Problem(
            message=f"the program needs {name}, which is " + (left.origin if left else "not part of every Linux"),
            expected="a base library, one beside the program, or one under `libraries`",
            actual=name,
            mend=left.mend if left else None,
        )


def _none_needed(image: ElfImage) -> str | None:
    return no_dynamic(image) or (None if DynamicTag.NEEDED in image.tags else "the file needs no library")


def _too_new(image: ElfImage, prefix: str, most: policy.Version) -> list[tuple[policy.Version, Needed]]:
    """What is needed beyond `most`, the newest first; private versions are beyond everything."""
    found = []
    for item in versions_needed(image):
        number: policy.Version
        if item.version == _FOR_PACKED_RELOCATIONS[0] and prefix == "GLIBC_":
            number = _FOR_PACKED_RELOCATIONS[1]
        elif not item.version.startswith(prefix):
            continue
        else:
            try:
                number = policy.version(item.version.removeprefix(prefix))
            except ValueError:
                continue  # GLIBC_PRIVATE and the like
        if number > most:
            found.append((number, item))
    return sorted(found, key=lambda pair: (pair[0], pair[1].version), reverse=True)


def _problems(image: ElfImage, prefix: str, most: policy.Version, promised: str) -> Iterator[Problem]:
    beyond = _too_new(image, prefix, most)
    if not beyond:
        return
    told = []
    for _, item in beyond[:_MOST_VERSIONS]:
        names, count = symbols_of(image, item.index, _MOST_NAMES)
        shown = ", ".join(names) + (f" and {count - len(names)} more" if count > len(names) else "")
        told.append(f"{shown or 'the file as a whole'} ({item.version})")
    newest = beyond[0][1]
    yield Problem(
        message=f"the program needs {newest.library} with {newest.version}, but {promised}: {'; '.join(told)}",
        offset=newest.offset,
        expected=f"up to {prefix}{'.'.join(map(str, most))}",
        actual=newest.version,
    )


def _glibc(image: ElfImage) -> Iterator[Problem]:
    baseline = image.expected.glibc
    if baseline is not None:
        promised = f"glibc {baseline} is the oldest that is promised"
        yield from _problems(image, "GLIBC_", policy.version(baseline), promised)


def _libstdcxx(image: ElfImage) -> Iterator[Problem]:
    baseline = image.expected.glibc
    oldest = policy.linux().oldest_from(policy.version(baseline)) if baseline else None
    if oldest is None:
        return
    promised = f"{oldest.name}, which has glibc {'.'.join(map(str, oldest.glibc))}, has an older one"
    yield from _problems(image, "GLIBCXX_", oldest.glibcxx, promised)
    yield from _problems(image, "CXXABI_", oldest.cxxabi, promised)


def _private(image: ElfImage) -> Iterator[Problem]:
    for item in versions_needed(image):
        if item.version == "GLIBC_PRIVATE":
            names, _ = symbols_of(image, item.index, _MOST_NAMES)
            yield Problem(
                message=f"the program uses what glibc keeps to itself: {', '.join(names)}",
                offset=item.offset,
                expected="no GLIBC_PRIVATE",
                actual=item.version,
            )


def _no_baseline(image: ElfImage) -> str | None:
    if image.expected.glibc is None:
        return "no glibc-baseline is declared"
    return _no_versions(image)


def _no_libstdcxx(image: ElfImage) -> str | None:
    why = _no_baseline(image)
    if why is None and policy.linux().oldest_from(policy.version(image.expected.glibc or "0")) is None:
        return f"no distribution with glibc {image.expected.glibc} or newer is known here"
    return why


def _no_versions(image: ElfImage) -> str | None:
    return no_dynamic(image) or (
        None if image.tags.get(DynamicTag.VERNEED) else "the file needs no versions of libraries"
    )


def _runpath(image: ElfImage) -> Iterator[Problem]:
    for tag in (DynamicTag.RPATH, DynamicTag.RUNPATH):
        for index in image.values(tag):
            for place in image.string(index, f"DT_{tag.name}").split(":"):
                if not _RELATIVE.match(place):
                    yield Problem(
                        message=f"libraries are looked for in {place or 'the current folder'!r} (DT_{tag.name}), "
                        "which is a folder of the machine that built it",
                        offset=image.strings[0] + index,
                        expected="$ORIGIN, or a path from there",
                        actual=place,
                    )


def _no_runpath(image: ElfImage) -> str | None:
    known = {DynamicTag.RPATH, DynamicTag.RUNPATH} & image.tags.keys()
    return no_dynamic(image) or (None if known else "the file names no folders of libraries")


_OLDER = (
    "Build on a distribution that has the promised glibc, or raise `glibc-baseline` of the builder, or do without the "
    "functions that are named."
)
RULES: tuple[Rule[ElfImage], ...] = (
    Rule(
        id="elf-libraries",
        title="every library that the file needs is part of every Linux, lies beside it or is allowed",
        source="PEP 600 and auditwheel; buildproof, policies/linux.toml",
        mend="Link it statically, ship it beside the program (list it under `artifacts`, and link with "
        "-Wl,-rpath,'$ORIGIN'), or say under `libraries` that the user's machine has it.",
        judge=_libraries,
        applies=_none_needed,
        needs=("elf-dynamic-strings",),
        aspect=Aspect.DEPENDENCIES,
    ),
    Rule(
        id="elf-glibc",
        title="the file needs no newer glibc than the builder's baseline",
        source='Linux Standard Base, Core, ch. 10 "Symbol Versioning"',
        mend=_OLDER,
        judge=_glibc,
        applies=_no_baseline,
        needs=("elf-symbol-versions",),
        aspect=Aspect.DEPENDENCIES,
    ),
    Rule(
        id="elf-libstdcxx",
        title="the file needs no newer libstdc++ than distributions with the baseline's glibc have",
        source="GCC, libstdc++ manual, ABI Policy and Guidelines; buildproof, policies/linux.toml",
        mend="Link with -static-libstdc++, or build with the compiler of the oldest distribution that is promised.",
        judge=_libstdcxx,
        applies=_no_libstdcxx,
        needs=("elf-symbol-versions",),
        aspect=Aspect.DEPENDENCIES,
    ),
    Rule(
        id="elf-glibc-private",
        title="the file uses nothing that glibc keeps to itself",
        source="glibc, Versions files: GLIBC_PRIVATE changes with every release",
        mend="A library that was linked statically out of glibc does this: link all of glibc dynamically, or nothing.",
        judge=_private,
        applies=_no_versions,
        needs=("elf-symbol-versions",),
        aspect=Aspect.DEPENDENCIES,
    ),
    Rule(
        id="elf-runpath",
        title="libraries are looked for only in places relative to the file",
        source="ld.so(8): DT_RPATH, DT_RUNPATH and $ORIGIN",
        mend="Link with -Wl,-rpath,'$ORIGIN' or without -rpath; CMake: CMAKE_BUILD_WITH_INSTALL_RPATH, "
        "CMAKE_INSTALL_RPATH. patchelf --remove-rpath takes it out afterwards.",
        judge=_runpath,
        applies=_no_runpath,
        needs=("elf-dynamic-strings",),
        aspect=Aspect.DEPENDENCIES,
    ),
)
