"""One package against what is expected of it, and every executable in it against the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from buildproof.artifacts import Expectation, examine
from buildproof.artifacts.content import read_through
from buildproof.artifacts.neighbours import kind_of, neighbours
from buildproof.artifacts.rule import CUT, Problem, Rule, judge
from buildproof.bundles.contents import Contents, read_contents, suffix_of
from buildproof.evidence import Artifact, CheckStatus
from buildproof.ownership import scratch_folder


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A package as it was read. `unreadable` says why there is nothing to read."""

    expected: Expectation
    contents: Contents
    size: int = 0
    unreadable: str | None = None


def is_bundle(name: str) -> bool:
    """Whether a file of this name is a package that is opened here."""
    return suffix_of(name) is not None


def examine_bundle(path: Path, expected: Expectation, name: str) -> tuple[Artifact, ...]:
    """The package, then each executable in it as `name!member`. Nothing is raised for a bad file."""
    suffix = suffix_of(name)
    if suffix is None:
        raise ValueError(f"{name} is no package")
    with scratch_folder() as folder:
        size: int | None = None
        digest: str | None = None
        try:
            with path.open("rb") as file:
                content = read_through(file)
            size, digest = content.size, content.sha256
            contents = read_contents(path, suffix, expected.target, Path(folder))
            bundle = Bundle(expected=expected, contents=contents, size=size)
        except (OSError, ValueError) as error:
            bundle = Bundle(expected=expected, contents=Contents(), unreadable=f"it cannot be read: {error}")
        package = Artifact(
            path=name,
            size=size,
            sha256=digest,
            format=expected.target.binary_format,
            machine=expected.target.machine,
            checks=judge(RULES, bundle),
        )
        return (package, *_inside(bundle, name))


def _inside(bundle: Bundle, name: str) -> Iterator[Artifact]:
    found = bundle.contents.executables
    beside = neighbours(list(found.items()))
    for member, path in found.items():
        folder, _, own = member.rpartition("/")
        others = beside.get(folder or ".", {})
        expected = replace(
            bundle.expected,
            kind=kind_of(member),
            beside={other: names for other, names in others.items() if other not in (own, own.lower())},
        )
        yield examine(path, expected, f"{name}!{member}")


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
    elif not bundle.contents.files:
        yield Problem(message="there is no file in the package", expected="at least one", actual="none")


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
    return None if bundle.expected.contains else "the project declares no contents"


def _executables(bundle: Bundle) -> Iterator[Problem]:
    if not bundle.contents.executables:
        yield Problem(
            message=f"there is no {bundle.expected.target.binary_format} executable in the package",
            expected=f"an executable for {bundle.expected.target}",
            actual=f"{bundle.contents.files} other files",
            status=CheckStatus.WARNING,
        )


def _examined(bundle: Bundle) -> Iterator[Problem]:
    for what in bundle.contents.unexamined:
        yield Problem(
            message=f"not examined: {what}",
            expected="packages of programs for one target, not in each other",
            actual=what.split(" ", maxsplit=1)[0],
            status=CheckStatus.WARNING,
        )


RULES: tuple[Rule[Bundle], ...] = (
    Rule(
        id="bundle-present",
        title="the package is a file that can be read and holds something",
        source="buildproof.toml, [[build]] artifacts",
        mend="Compare the path with what the build's log says it wrote.",
        judge=_present,
    ),
    Rule(
        id="bundle-whole",
        title="the package can be read to its end, and every member's checksum is right",
        source="PKWARE APPNOTE.TXT; POSIX pax; RFC 1952 and 8878; the .xz file format; deb(5); RPM package format",
        mend=CUT,
        judge=_whole,
        needs=("bundle-present",),
    ),
    Rule(
        id="bundle-safe",
        title="unpacking the package writes nothing outside of its folder",
        source="CWE-22, path traversal; CWE-59, link following",
        mend="Pack relative paths alone, from the folder that holds them: zip -r out.zip . or tar -C folder -c .",
        judge=_safe,
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
