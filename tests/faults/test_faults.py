"""Positive controls: every fault gets exactly its verdict, and breaks the claims that it has to break and no other.

A fault is a folder of fixtures/faults: a project with an `expected.toml` beside its manifest.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter
from tests.faults import golden

from buildproof.proof import Proof
from buildproof.record import BuildRecord
from buildproof.verdict import Family, Outcome, Verdict
from buildproof.verdict.claims import Answer, Claim

FAULTS = Path(__file__).parents[2] / "fixtures" / "faults"
BUILDPROOF_PROJECTS = [FAULTS]
_RECORD = TypeAdapter(BuildRecord)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """An expected.toml. Texts of the verdict are regular expressions; a claim that is not listed has to be held.

    `record` looks into the build's record.json by dotted path: a text is a regular expression for the value's JSON,
    anything else has to be equal.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    outcome: Outcome
    grade: str
    summary: str
    cause: str | None = None
    culprit: str | None = None
    advice: str = ""
    broken: frozenset[Claim]
    undecided: frozenset[Claim]
    record: dict[str, str | bool | int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Expected:
        text = (folder / "expected.toml").read_text(encoding="utf-8")
        return TypeAdapter(cls).validate_python(tomllib.loads(text))

    @classmethod
    def of(cls, proof: Proof) -> Expected:
        return cls.read(proof.build.manifest.path.parent)


def verdict_of(proof: Proof) -> Verdict:
    verdict = proof.record.verdict
    assert verdict is not None
    return verdict


def test_verdict(proof: Proof) -> None:
    expected, verdict = Expected.of(proof), verdict_of(proof)
    assert (verdict.outcome, verdict.cause, verdict.grade) == (expected.outcome, expected.cause, expected.grade), (
        verdict.summary
    )


def test_words(proof: Proof) -> None:
    expected, verdict = Expected.of(proof), verdict_of(proof)
    assert re.search(expected.summary, verdict.summary)
    assert re.search(expected.advice, "\n".join(verdict.advice))
    if expected.culprit is None:
        assert verdict.culprit is None
    else:
        assert verdict.culprit is not None
        assert re.search(expected.culprit, verdict.culprit)


def test_claims(proof: Proof) -> None:
    expected = Expected.of(proof)
    answers = {claim: proof.decide(claim) for claim in Claim}

    def are(answer: Answer) -> set[Claim]:
        return {claim for claim, decision in answers.items() if decision.answer is answer}

    assert are(Answer.BROKEN) == expected.broken, answers
    assert are(Answer.UNDECIDED) == expected.undecided, answers


def test_record(proof: Proof) -> None:
    expected = Expected.of(proof)
    record = _RECORD.dump_python(proof.record, mode="json")
    for path, wanted in expected.record.items():
        found: Any = record
        for name in path.split("."):
            found = found[name]
        if isinstance(wanted, str):
            text = TypeAdapter(Any).dump_json(found).decode()
            assert re.search(wanted, text), f"{path}: {text}"
        else:
            assert found == wanted, path


def test_the_verdict_is_told_as_in_the_golden_file(proof: Proof) -> None:
    name, verdict = proof.build.project, verdict_of(proof)
    if verdict.outcome is Outcome.PASSED:
        assert name not in golden.read()
        return
    if golden.UPDATE:
        golden.update(name, proof.record)
    wanted = golden.fitting(proof.record, golden.read().get(name, ""))
    assert golden.told(proof.record).splitlines() == wanted, f"{golden.FILE.name}: {name}"


FOLDERS = sorted(path.parent for path in FAULTS.glob("*/buildproof.toml"))


@pytest.mark.parametrize("folder", FOLDERS, ids=attrgetter("name"))
def test_a_fault_is_named_like_its_folder(folder: Path) -> None:
    manifest = tomllib.loads((folder / "buildproof.toml").read_text(encoding="utf-8"))
    assert manifest["project"]["name"] == folder.name


def test_every_claim_and_every_outcome_of_a_build_has_its_fault() -> None:
    faults = [Expected.read(folder) for folder in FOLDERS]
    assert frozenset[Claim]().union(*(fault.broken for fault in faults)) == set(Claim)
    of_a_build = {outcome for outcome in Outcome if outcome.family is not Family.INFRASTRUCTURE}
    assert {fault.outcome for fault in faults} == of_a_build
