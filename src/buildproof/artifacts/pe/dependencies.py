"""Which Windows the image starts on: the DLLs that it needs, and the version that it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from buildproof.artifacts import policy
from buildproof.artifacts.pe.image import DELAY_IMPORT, IMPORT, PeImage
from buildproof.artifacts.pe.imports import Imported, delay_imports, imports
from buildproof.artifacts.rule import Aspect, Problem, Rule


def _all_imports(image: PeImage) -> list[Imported]:
    return list(chain(imports(image), delay_imports(image)))


def _windows(image: PeImage) -> str:
    return image.expected.windows or policy.windows().default


def _dlls(image: PeImage) -> Iterator[Problem]:
    known, windows = policy.windows(), _windows(image)
    for imported in _all_imports(image):
        name = imported.dll.lower()
        if known.has(name, windows) or name in image.expected.beside or image.expected.allows(name):
            continue
        how = "needs (when it is first called)" if imported.delayed else "needs"
        yield Problem(
            message=f"the program {how} {imported.dll}, which {_where(name, windows)}",
            offset=imported.offset,
            expected=f"a DLL of Windows {windows}, one beside the program, or one under `libraries`",
            actual=imported.dll,
            mend=_mend(name),
        )


def _where(name: str, windows: str) -> str:
    known = policy.windows()
    if name in known.since:
        return f"Windows has from version {known.since[name]} on, and {windows} is the oldest that is promised"
    left = policy.leftover(name, known.leftovers)
    if left:
        return f"is no part of Windows but {left.origin}"
    return f"is no DLL of Windows {windows} that is known here"


def _mend(name: str) -> str | None:
    known = policy.windows()
    left = policy.leftover(name, known.leftovers)
    if name in known.since:
        return "Load it with LoadLibrary where it is there, or raise `windows-baseline` of the builder."
    return f"{left.mend} Or ship the DLL beside the program." if left else None


def _beside(image: PeImage) -> Iterator[Problem]:
    for imported in _all_imports(image):
        offered = image.expected.beside.get(imported.dll.lower())
        for name in imported.names if offered is not None else ():
            if offered is not None and name not in offered:
                yield Problem(
                    message=f"the program needs {name} of {imported.dll}, which lies beside it and does not export it",
                    offset=imported.offset,
                    expected=f"an export {name}",
                    actual=f"{len(offered)} other exports",
                )


def _nothing_imported(image: PeImage) -> str | None:
    known = image.directory(IMPORT) or image.directory(DELAY_IMPORT)
    return None if known else "the image imports nothing"


def _nothing_beside(image: PeImage) -> str | None:
    return _nothing_imported(image) or (None if image.expected.beside else "nothing lies beside the image")


def _windows_version(image: PeImage) -> Iterator[Problem]:
    windows = _windows(image)
    most, found = policy.windows().versions[windows], image.optional.subsystem_version
    if found > most:
        yield Problem(
            message=f"the image asks for Windows {found[0]}.{found[1]} (the subsystem version), and Windows {windows} "
            f"is {most[0]}.{most[1]}",
            offset=image.optional_offset + 48,
            expected=f"up to {most[0]}.{most[1]}",
            actual=f"{found[0]}.{found[1]}",
        )


_STRUCTURE = ("pe-imports", "pe-delay-imports")
RULES: tuple[Rule[PeImage], ...] = (
    Rule(
        id="pe-windows-version",
        title="the Windows that the image asks for is not newer than the oldest that is promised",
        source='Microsoft PE format, "Optional Header Windows-Specific Fields": MajorSubsystemVersion',
        mend="Link with -Wl,--major-subsystem-version,6 or raise `windows-baseline` of the builder.",
        judge=_windows_version,
        needs=("pe-optional-header",),
        aspect=Aspect.DEPENDENCIES,
    ),
    Rule(
        id="pe-dlls",
        title="every DLL that the image needs is part of Windows, lies beside it or is allowed",
        source="buildproof, policies/windows.toml",
        mend="Ship the DLL beside the program (list it under `artifacts`), link its library statically, or say under "
        "`libraries` that the user's machine has it.",
        judge=_dlls,
        applies=_nothing_imported,
        needs=_STRUCTURE,
        aspect=Aspect.DEPENDENCIES,
    ),
    Rule(
        id="pe-dll-exports",
        title="the DLLs beside the image export what it needs of them",
        source='Microsoft PE format, "Import Lookup Table"',
        mend="The program was linked against another version of the DLL than the one that is shipped: use one of both.",
        judge=_beside,
        applies=_nothing_beside,
        needs=_STRUCTURE,
        aspect=Aspect.DEPENDENCIES,
    ),
)
