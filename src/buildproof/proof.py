"""What a test of the suite holds in its hand: one build, run when it is first asked about."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from buildproof.hostile import harmless
from buildproof.plan import Build
from buildproof.record import BuildRecord, RunRecord
from buildproof.verdict.claims import Answer, Claim, Decision, decide

_WIDTH = 79  # columns; what is wider reads badly, and a log has no width


class Proof:
    """One build of the matrix; however many claims are asked, it is built once."""

    def __init__(
        self, build: Build, outcome: Callable[[Build], BuildRecord], run: Callable[[], RunRecord], width: int = _WIDTH
    ) -> None:
        self.build = build
        self._width = min(width, _WIDTH)
        self._outcome, self._run = outcome, run

    @property
    def record(self) -> BuildRecord:
        """The build's record, with everything that was measured."""
        return self._outcome(self.build)

    @property
    def run(self) -> RunRecord:
        """The record of the whole run as it stands."""
        return self._run()

    def decide(self, claim: Claim) -> Decision:
        """The answer to one claim."""
        return decide(claim, self.record.case())

    def of(self, claim: Claim) -> None:
        """Pass when the claim is held, fail when it is broken, skip with the reason when it cannot be decided."""
        __tracebackhide__ = True
        decision = self.decide(claim)
        if decision.answer is Answer.BROKEN:
            pytest.fail(self._told(claim, decision), pytrace=False)
        if decision.answer is Answer.UNDECIDED:
            pytest.skip(harmless(f"{self.build.id}: “{claim}” cannot be decided: {decision.why}"))

    def _told(self, claim: Claim, decision: Decision) -> str:
        record = self.record
        lines = [f"{self.build.id}: “{claim}” does not hold: {decision.why}"]
        verdict = record.verdict
        if verdict:
            said = "" if verdict.summary in decision.why else f": {verdict.summary}"
            lines += [f"verdict: {verdict.outcome} ({verdict.cause}, grade {verdict.grade}){said}"]
            lines += [f"next: {advice}" for advice in verdict.advice]
        lines = [row for line in lines for row in _wrapped(line, self._width)]
        if claim in {Claim.BUILDS, Claim.MEASURED} and record.last_lines:
            lines += ["last lines of the log:", *(f"    {line}" for line in record.last_lines[-15:])]
        return harmless("\n".join(lines))


def _wrapped(text: str, width: int) -> list[str]:
    """One paragraph in rows that fit the terminal: pytest shows them as they are, and a terminal cuts words."""
    rows = [
        textwrap.wrap(row, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) or [""]
        for row in text.splitlines()
    ]
    return [row for some in rows for row in some]
