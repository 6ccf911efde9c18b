"""What a package has to be: rules over what the pass through it found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from buildproof.artifacts import Expectation, Kind
from buildproof.artifacts.rule import CUT, Problem, Rule
from buildproof.bundles.carriers import Carrier
from buildproof.bundles.contents import LIBRARIES, Contents, is_appimage, suffix_of
from buildproof.evidence import Artifact, CheckStatus


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A package as it was read. `unreadable` says why there is nothing to read; `carrier` is what carries it.

    `told` are the objects of a static library that have something wrong or unusual.
    """

    expected: Expectation
    contents: Contents
    name: str = ""
    size: int = 0
    unreadable: str | None = None
    told: tuple[Artifact, ...] = ()
    carrier: Carrier | None = None


def _present(bundle: Bundle) -> Iterator[Problem]:
    if bundle.unreadable is not None:
        yield Problem(message=bundle.unreadable, expected="a file")
    elif not bundle.size:
        yield Problem(message="the package is empty", expected="a package", actual="0 bytes")


def _whole(bundle: Bundle) -> Iterator[Problem]:
    if bundle.contents.broken is not None:
        yield Problem(
            message=f"the package cannot be read to its end: {bundle.contents.broken}",
            expected="every member whole, with the right checksum",
            actual=f"{len(bundle.contents.names)} members",
        )
    elif not bundle.contents.files and not bundle.contents.unsafe:
        yield Problem(
            message="there is no file in the package",
            expected="at least one",
            actual="none",
            mend="Look at the step that packs: a pattern that matches nothing is often only a warning there.",
            # glibc has an empty libpthread.a and others, for those who still link with them.
            status=CheckStatus.WARNING if suffix_of(bundle.name) in LIBRARIES else CheckStatus.FAIL,
        )


def _safe(bundle: Bundle) -> Iterator[Problem]:
    for trouble in bundle.contents.unsafe:
        yield Problem(
            message=trouble, expected="a place inside of the folder", actual=trouble.split(" ", maxsplit=1)[0]
        )
    for name in bundle.contents.twice:
        yield Problem(
            message=f"{name} is there more than once: which one is unpacked depends on the program that does it",
            expected="once",
            actual="more than once",
            status=CheckStatus.WARNING,
        )


def _not_opened(bundle: Bundle) -> str | None:
    return f"its payload is not opened: {bundle.contents.closed}" if bundle.contents.closed else None


def _contains(bundle: Bundle) -> Iterator[Problem]:
    names = [name.removeprefix("./").rstrip("/") for name in bundle.contents.names]
    for glob in bundle.expected.contains:
        if not any(fnmatchcase(name, glob) for name in names):
            yield Problem(
                message=f"nothing in the package is called {glob}",
                expected=glob,
                actual=", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else ""),
            )
    for name in bundle.contents.empty:
        if any(fnmatchcase(name.removeprefix("./"), glob) for glob in bundle.expected.contains):
            yield Problem(message=f"{name} is empty", expected="content", actual="0 bytes")


def _nothing_declared(bundle: Bundle) -> str | None:
    return _not_opened(bundle) or (None if bundle.expected.contains else "the project declares no contents")


def _executables(bundle: Bundle) -> Iterator[Problem]:
    if not bundle.contents.executables:
        yield Problem(
            message=f"there is no {bundle.expected.target.binary_format} executable in the package",
            expected=f"an executable for {bundle.expected.target}",
            actual=f"{bundle.contents.files} other files",
            status=CheckStatus.WARNING,
        )


def _examined(bundle: Bundle) -> Iterator[Problem]:
    if bundle.contents.closed:
        yield Problem(
            message=f"not examined: {bundle.contents.closed}, which is not opened here",
            expected="what is opened here",
            actual=bundle.contents.closed,
            mend="Judge what goes into it before it is packed: name it among the artifacts as well.",
            status=CheckStatus.WARNING,
        )
    for what in bundle.contents.unexamined:
        yield Problem(
            message=f"not examined: {what}",
            expected="packages of programs for one target, not in each other",
            actual=what.split(" ", maxsplit=1)[0],
            status=CheckStatus.WARNING,
        )


def _no_appimage(bundle: Bundle) -> str | None:
    return None if is_appimage(bundle.name) else "it is not called an AppImage"


def _appimage(bundle: Bundle) -> Iterator[Problem]:
    found = bundle.carrier.head[8:11] if bundle.carrier else b""
    if found != b"AI\2":
        yield Problem(
            message="the file does not say that it is an AppImage of type 2",
            offset=8,
            expected="41 49 02",
            actual=found.hex(" "),
        )


def _no_installer_awaited(bundle: Bundle) -> str | None:
    return None if bundle.expected.kind is Kind.INSTALLER else "no installer is expected"


def _payload(bundle: Bundle) -> Iterator[Problem]:
    if bundle.carrier and bundle.carrier.payload is None:
        yield Problem(
            message=f"there is no known payload behind the executable, but {len(bundle.carrier.rest)} bytes",
            offset=bundle.carrier.rest.start,
            expected="the payload of an installer",
            actual=f"{len(bundle.carrier.rest)} bytes",
        )


def _no_nsis(bundle: Bundle) -> str | None:
    return None if bundle.carrier and bundle.carrier.installer else "it is no NSIS installer"


def _nsis_length(bundle: Bundle) -> Iterator[Problem]:
    if not (bundle.carrier and bundle.carrier.installer):
        return
    installer, rest = bundle.carrier.installer, bundle.carrier.rest
    if installer.end > rest.stop or installer.data_end <= installer.start:
        yield Problem(
            message=f"the installer's data is declared to have {installer.length} bytes from {installer.start:#x} on, "
            f"of which {len(rest)} are there",
            offset=installer.start + 24,
            expected=f"{installer.length} bytes",
            actual=f"{len(rest)} bytes",
        )
    elif rest.stop - installer.end >= _SIGNATURE_ALIGNMENT:
        yield Problem(
            message=f"{rest.stop - installer.end} bytes stand behind the installer's data",
            offset=installer.end,
            expected=f"the end at {installer.end:#x}",
            actual=f"{rest.stop:#x}",
            mend="Something was appended to the installer. To sign it, use a tool that knows PE files.",
            status=CheckStatus.WARNING,
        )


def _no_crc(bundle: Bundle) -> str | None:
    if _no_nsis(bundle):
        return _no_nsis(bundle)
    return None if bundle.carrier and bundle.carrier.crc else "the installer was made without a CRC-32 (CRCCheck off)"


def _nsis_checksum(bundle: Bundle) -> Iterator[Problem]:
    if bundle.carrier and bundle.carrier.crc and bundle.carrier.installer:
        found, declared = bundle.carrier.crc
        if found != declared:
            yield Problem(
                message=f"the installer's CRC-32 is {declared:#x}, but that of the file is {found:#x}: "
                "it will say that it is corrupt, and end",
                offset=bundle.carrier.installer.data_end,
                expected=f"{declared:#x}",
                actual=f"{found:#x}",
            )


def _objects(bundle: Bundle) -> Iterator[Problem]:
    for each in bundle.told:
        for check in each.checks:
            if check.status is CheckStatus.FAIL:
                yield Problem(
                    message=f"{each.path.rpartition('!')[2]} is unsound: {check.message}",
                    expected=f"{len(bundle.contents.executables)} sound objects",
                    actual=check.id,
                )


_SIGNATURE_ALIGNMENT = 8  # bytes to which a PE file is padded in front of its signature
_FILEFORM = "NSIS, Source/exehead/fileform.h"
_PRESENT: tuple[Rule[Bundle], ...] = (
    Rule(
        id="bundle-present",
        title="the package is a file that can be read and holds something",
        source="buildproof.toml, [[build]] artifacts",
        mend="Compare the path with what the build's log says it wrote.",
        judge=_present,
    ),
)
_CARRIED: tuple[Rule[Bundle], ...] = (
    Rule(
        id="appimage-magic",
        title="an AppImage says in its first bytes that it is one",
        source='AppImage specification, "Type 2 image format"',
        mend="Make it with appimagetool, whose runtime has the mark; desktops know an AppImage by it.",
        judge=_appimage,
        applies=_no_appimage,
    ),
    Rule(
        id="installer-payload",
        title="an installer carries what it installs",
        source=_FILEFORM + "; buildproof, artifacts/payload.py",
        mend="The file was cut where the program ends and its data begins, or the wrong file was named an installer.",
        judge=_payload,
        applies=_no_installer_awaited,
    ),
    Rule(
        id="nsis-length",
        title="an NSIS installer has as many bytes as its first header declares",
        source=_FILEFORM + ": firstheader.length_of_all_following_data",
        mend=CUT,
        judge=_nsis_length,
        applies=_no_nsis,
        needs=("installer-payload",),
    ),
    Rule(
        id="nsis-checksum",
        title="the CRC-32 at the end of an NSIS installer is that of the file",
        source="NSIS, Source/exehead/fileform.c: loadHeaders()",
        mend="The installer was changed after makensis wrote it, or was damaged: make it again. A tool that changes it "
        "on purpose has to run before makensis, in !packhdr or !finalize.",
        judge=_nsis_checksum,
        applies=_no_crc,
        needs=("nsis-length",),
    ),
)
_COMMON: tuple[Rule[Bundle], ...] = (
    Rule(
        id="bundle-whole",
        title="the package can be read to its end, and every member's checksum is right",
        source="PKWARE APPNOTE.TXT; POSIX pax; RFC 1952 and 8878; the .xz file format; deb(5); RPM package format",
        mend=CUT,
        judge=_whole,
        applies=_not_opened,
        needs=("bundle-present", "installer-payload", "nsis-length", "nsis-checksum"),
    ),
    Rule(
        id="bundle-safe",
        title="unpacking the package writes nothing outside of its folder",
        source="CWE-22, path traversal; CWE-59, link following",
        mend="Pack relative paths alone, from the folder that holds them: zip -r out.zip . or tar -C folder -c .",
        judge=_safe,
        applies=_not_opened,
        needs=("bundle-whole",),
    ),
    Rule(
        id="bundle-contents",
        title="what the project declares to be in the package is there",
        source="buildproof.toml, [[build]] contains",
        mend="Look at the step that packs: a path that does not exist is often only a warning there.",
        judge=_contains,
        applies=_nothing_declared,
        needs=("bundle-whole",),
    ),
    Rule(
        id="bundle-executables",
        title="there is an executable for the target in the package",
        source="buildproof",
        mend="A package of data alone is no mistake; otherwise look at the step that packs.",
        judge=_executables,
        applies=_not_opened,
        needs=("bundle-whole",),
    ),
    Rule(
        id="bundle-examined",
        title="everything in the package that may be executable was examined",
        source="buildproof",
        mend="Judge it by itself, against its own target: buildproof check FILE --expect TARGET.",
        judge=_examined,
        needs=("bundle-whole",),
    ),
)
_LIBRARY: tuple[Rule[Bundle], ...] = (
    Rule(
        id="library-objects",
        title="every object in a static library is sound",
        source="buildproof: the rules for objects",
        mend="Each such object is told of by itself; remove the library and make it again, from objects made again.",
        judge=_objects,
        applies=_not_opened,
        needs=("bundle-whole",),
    ),
)
PACKAGE_RULES = (*_PRESENT, *_COMMON)
EXAMINED_RULES = tuple(rule for rule in _COMMON if rule.id == "bundle-examined")
CARRIER_RULES = (*_CARRIED, *_COMMON)
LIBRARY_RULES = (*_PRESENT, *(rule for rule in _COMMON if rule.id != "bundle-executables"), *_LIBRARY)
RULES = (*_PRESENT, *_CARRIED, *_COMMON, *_LIBRARY)
