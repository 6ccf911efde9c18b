"""What a rule is, and how a list of rules becomes a list of checks.

A rule asks one small thing of a file. It has a stable id, says where its claim is written, and keeps three questions
apart: can it be asked (`needs`: other rules have to hold first, since nobody can judge the sections of a file whose
section table is cut off), does it apply (`applies`), does it hold (`judge`). So one damage is reported once, by the
rule that it broke; what rests on it is "not applicable", and says so.

Ids read `<format>-<subject>`: `file-...` for any artifact, `pe-...`, `elf-...`. They are kept for ever: an id is never
renamed, and never used again for another thing, because baselines, allow-lists and reports refer to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Generic, TypeVar

from buildproof.artifacts.reader import MisplacedError, OutOfFileError, span
from buildproof.evidence import Check, CheckStatus
from buildproof.hardening import Hardening

Subject = TypeVar("Subject")


class Aspect(StrEnum):
    """What a rule is about: is the file whole, does it find what it needs, is it hard to attack?"""

    STRUCTURE = "structure"
    DEPENDENCIES = "dependencies"
    HARDENING = "hardening"


CUT = (
    "The file was cut short, typically by a full disk or by a link or copy that was interrupted; "
    "less often the header that says so was overwritten. See that there is space, remove the file and build again."
)
REBUILD = (
    "The file was damaged after it was linked, or the linker did not finish: remove it and link it again; "
    "if it comes back, look at what post-processes it (strip, objcopy, a packer, a resource editor)."
)
_MOST_PROBLEMS = 1000


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One way in which a file breaks a rule: what is wrong and where; `mend` where the rule's own would mislead."""

    message: str
    offset: int | None = None
    expected: str | None = None
    actual: str | None = None
    mend: str | None = None
    status: CheckStatus = CheckStatus.FAIL


def always(_: object) -> str | None:
    """The applicability of a rule that can be asked of every file of its format."""
    return None


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[Subject]):
    """One thing that a file must be, told as a claim in `title`, with the place where `source` says so.

    `judge` yields what breaks the rule, and nothing where it holds. It may read outside the file, or at addresses that
    nothing backs: those are problems like any other. `applies` gives the reason why the rule has nothing to say about
    this file, or None. `mend` is the next step for the person who built the file: one or two sentences.
    """

    id: str
    title: str
    source: str
    mend: str
    judge: Callable[[Subject], Iterable[Problem]]
    applies: Callable[[Subject], str | None] = always
    needs: tuple[str, ...] = ()
    aspect: Aspect = Aspect.STRUCTURE
    level: Hardening | None = None  # the first that asks for it, of a rule about hardening


def judge(rules: Sequence[Rule[Subject]], subject: Subject, *, broken_by: str | None = None) -> tuple[Check, ...]:
    """Ask every rule, in order: one check each. Never raises, whatever the file's bytes.

    `broken_by` is the id of a rule that failed before and on which all of these rest.
    """
    if broken_by is not None:
        return tuple(_not_applicable(rule, f"not judged, because {broken_by} failed") for rule in rules)
    checks: list[Check] = []
    broken: dict[str, str] = {}  # id of a rule that failed or could not be asked -> the rule that failed
    for rule in rules:
        culprit = next((broken[need] for need in rule.needs if need in broken), None)
        if culprit is not None:
            broken[rule.id] = culprit
            checks.append(_not_applicable(rule, f"not judged, because {culprit} failed"))
        elif (reason := rule.applies(subject)) is not None:
            checks.append(_not_applicable(rule, reason))
        else:
            checks.append(_ask(rule, subject))
            if checks[-1].status is CheckStatus.FAIL:
                broken[rule.id] = rule.id
    return tuple(checks)


def _ask(rule: Rule[Subject], subject: Subject) -> Check:
    problems: list[Problem] = []
    try:
        problems.extend(islice(rule.judge(subject), _MOST_PROBLEMS))
    except OutOfFileError as error:
        problems.insert(0, _outside(error))
    except MisplacedError as error:
        problems.insert(0, _misplaced(error))
    if not problems:
        return Check(id=rule.id, status=CheckStatus.PASS, message=rule.title)
    worst = next((problem for problem in problems if problem.status is CheckStatus.FAIL), problems[0])
    others = f" ({len(problems) - 1} more of this kind)" if len(problems) > 1 else ""
    return Check(
        id=rule.id,
        status=worst.status,
        message=f"{worst.message}{others}",
        mend=worst.mend or rule.mend,
        offset=worst.offset,
        expected=worst.expected,
        actual=worst.actual,
    )


def _outside(error: OutOfFileError) -> Problem:
    where = span(error.offset, error.offset + error.length)
    return Problem(
        message=f"{error.what} is declared at {where}, but the file has only {error.size} bytes ({error.size:#x})",
        offset=error.offset,
        expected=f"at least {error.offset + error.length} bytes",
        actual=f"{error.size} bytes",
        mend=CUT,
    )


def _misplaced(error: MisplacedError) -> Problem:
    where = span(error.address, error.address + error.length)
    return Problem(
        message=f"{error.what} is declared at {where} in memory, {error.trouble}",
        expected="an address for which the file has the bytes",
        actual=where,
        mend=REBUILD,
    )


def _not_applicable(rule: Rule[Subject], reason: str) -> Check:
    return Check(id=rule.id, status=CheckStatus.NOT_APPLICABLE, message=reason)
