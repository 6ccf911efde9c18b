"""What a failed claim says where pytest shows it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from tests.unit.test_summary import BAD

from buildproof.evidence import Memory
from buildproof.plan import Build
from buildproof.proof import Proof
from buildproof.record import BuildRecord, RunRecord
from buildproof.verdict.claims import Claim


def failure(record: BuildRecord, claim: Claim, width: int) -> str:
    def run() -> RunRecord:
        raise NotImplementedError

    proof = Proof(cast("Build", SimpleNamespace(id=record.id)), lambda _build: record, run, width)
    with pytest.raises(pytest.fail.Exception) as failed:
        proof.of(claim)
    return str(failed.value)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_failed_claim_is_told_in_rows_that_fit_a_terminal_and_loses_no_word(width: int) -> None:
    told = failure(replace(BAD, memory=Memory(oom_kills=1, limit=6 << 30)), Claim.NO_OOM_KILL, width)
    assert all(len(row) <= min(width, 79) for row in told.splitlines())
    words = " ".join(told.split())
    assert BAD.verdict
    assert "verdict: out-of-memory (own-limit, grade kernel)" in words
    assert words.count(BAD.verdict.summary) == 1, "once is enough"
    assert all(f"next: {advice}" in words for advice in BAD.verdict.advice)
