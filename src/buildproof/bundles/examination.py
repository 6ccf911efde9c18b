"""One output against what is expected of it, and every executable that it has in it against the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from buildproof.artifacts import RULES, Expectation, Kind, examine
from buildproof.artifacts.content import Content, read_through
from buildproof.artifacts.examination import reason_of, regular_file
from buildproof.artifacts.file import RULES as FILE_RULES
from buildproof.artifacts.file import Candidate
from buildproof.artifacts.neighbours import Neighbours, beside_of, is_dll, kind_of, neighbours
from buildproof.artifacts.rule import Aspect, judge
from buildproof.bundles.carriers import Carrier, carried_members, carrier_of
from buildproof.bundles.contents import LIBRARIES, READERS, Contents, is_appimage, read_contents, suffix_of
from buildproof.bundles.rules import CARRIER_RULES, EXAMINED_RULES, LIBRARY_RULES, PACKAGE_RULES, Bundle
from buildproof.evidence import Artifact, CheckStatus
from buildproof.ownership import scratch_folder
from buildproof.targets import Machine, Target

_PLUGINS = "$PLUGINSDIR/"
_TOLD = (CheckStatus.FAIL, CheckStatus.WARNING)
_DAMAGE = {rule.id for rules in RULES.values() for rule in rules if rule.aspect is Aspect.STRUCTURE}


def examine_output(path: Path, expected: Expectation, name: str) -> tuple[Artifact, ...]:
    """The file at `path`, which the build calls `name`, then each executable in it as `name!member`.

    A package is known by its name; an executable is judged as such, and then what it carries behind its end, if
    anything. Nothing is raised for a bad file.
    """
    suffix = suffix_of(name)
    with scratch_folder() as folder:
        if suffix is not None:
            return _package(path, suffix, expected, name, Path(folder))
        return _executable(path, expected, name, Path(folder))


def _package(path: Path, suffix: str, expected: Expectation, name: str, folder: Path) -> tuple[Artifact, ...]:
    content: Content | None = None
    kind = Kind.OBJECT if suffix in LIBRARIES else None
    try:
        with regular_file(path) as file:
            content = read_through(file)
        contents = read_contents(READERS[suffix](path), content.size, expected.target, folder, kind)
        bundle = Bundle(expected=expected, contents=contents, name=name, size=content.size)
    except (OSError, ValueError) as error:
        bundle = Bundle(expected=expected, contents=Contents(), unreadable=reason_of(error))
    inside = tuple(_inside(bundle, name, kind))
    rules = PACKAGE_RULES
    if suffix in LIBRARIES:
        # Of the thousand objects that a library may have those are told that have something wrong.
        inside = tuple(each for each in inside if any(check.status in _TOLD for check in each.checks))
        bundle, rules = replace(bundle, told=inside), LIBRARY_RULES
    limits = [rule for rule in FILE_RULES if rule.aspect is Aspect.HARDENING]
    package = Artifact(
        path=name,
        size=content.size if content else None,
        sha256=content.sha256 if content else None,
        format=expected.target.binary_format,
        machine=expected.target.machine,
        checks=(*judge(rules, bundle), *judge(limits, Candidate(expected=expected, content=content))),
    )
    return (package, *inside)


def _executable(path: Path, expected: Expectation, name: str, folder: Path) -> tuple[Artifact, ...]:
    carrier = carrier_of(path, expected.target)
    own = examine(path, _shell(expected, carrier), name)
    awaited = expected.kind is Kind.INSTALLER or is_appimage(name)
    if not awaited and (carrier is None or carrier.payload is None):
        return (own,)
    failed = (check.id for check in own.checks if check.status is CheckStatus.FAIL)
    broken_by = next((rule for rule in failed if rule in _DAMAGE), None)
    if carrier is None or broken_by:
        # What cannot be read that far has broken a rule; should none say so, the payload is what cannot be found.
        bundle = Bundle(expected=expected, contents=Contents(broken="the executable cannot be read"), name=name)
    else:
        contents = read_contents(carried_members(path, carrier), own.size or 0, expected.target, folder)
        bundle = Bundle(expected=expected, contents=contents, name=name, carrier=carrier)
    checks = judge(CARRIER_RULES, bundle, broken_by=broken_by)
    return (replace(own, checks=own.checks + checks), *_inside(bundle, name))


def _shell(expected: Expectation, carrier: Carrier | None) -> Expectation:
    """What is expected of an installer itself: every Windows starts programs for i686, and most installers are such."""
    if expected.kind is Kind.INSTALLER and carrier and carrier.machine is Machine.I686:
        return replace(expected, target=Target.WINDOWS_I686)
    return expected


def _inside(bundle: Bundle, name: str, kind: Kind | None = None) -> Iterator[Artifact]:
    found = bundle.contents.executables
    beside = neighbours(list(found.items()))
    for member, path in found.items():
        expected = _expected_inside(bundle, member, beside, kind)
        artifact = examine(path, expected, f"{name}!{member}")
        carrier = carrier_of(path, expected.target) if expected.kind is not Kind.OBJECT else None
        if carrier and carrier.payload:  # opened in a file of its own, not in a package
            closed = Bundle(expected=expected, contents=Contents(closed=f"{carrier.payload} in a package"))
            artifact = replace(artifact, checks=artifact.checks + judge(EXAMINED_RULES, closed))
        yield artifact


def _expected_inside(bundle: Bundle, member: str, beside: Neighbours, kind: Kind | None) -> Expectation:
    expected = replace(bundle.expected, kind=kind or kind_of(member), beside=beside_of(member, beside))
    if bundle.carrier and bundle.carrier.machine is Machine.I686 and member.startswith(_PLUGINS) and is_dll(member):
        return replace(expected, target=Target.WINDOWS_I686)  # loaded into the installer, not installed
    return expected
