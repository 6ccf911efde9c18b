"""What is tried again when a build's surroundings fail, and what never is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.evidence_sample import BUDGET, end, found

from buildproof.errors import EngineError, FetchError, ImageError, SurroundingsError, Trouble
from buildproof.evidence import Evidence, Memory, Processes
from buildproof.record import Attempt, BuildRecord, Phase
from buildproof.retries import after_loss
from buildproof.verdict import Outcome, Verdict

RECORD = BuildRecord(
    id="app-linux", project="app", builder="linux", profile="default", tier="gate", target="linux-x86_64",
    budget=BUDGET, phase=Phase.BUILD,
)  # fmt: skip
SEEN = Evidence(stopped_at_s=12.0, memory=Memory(demand_peak=1 << 20, oom_kills=0))


def engine(trouble: Trouble) -> EngineError:
    return EngineError("it is not there", trouble=trouble)


def follows(
    error: SurroundingsError,
    evidence: Evidence = SEEN,
    *earlier: Attempt,
    ran_s: float | None = 12.0,
    chance: float = 0.5,
) -> Attempt | Verdict:
    return after_loss(error, evidence, replace(RECORD, attempts=earlier), ran_s=ran_s, random=lambda: chance)


def waits(error: SurroundingsError) -> list[float]:
    """The waits between all tries of a build that always fails in this way before its command was let go."""
    earlier: list[Attempt] = []
    while isinstance(attempt := follows(error, Evidence(), *earlier, ran_s=None), Attempt):
        earlier.append(attempt)
    assert attempt.outcome.family == "infrastructure"
    return [attempt.waited_s for attempt in earlier]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (engine(Trouble.UNREACHABLE), [1.0, 4.0, 16.0]),
        (engine(Trouble.HANGS), [1.0]),
        (engine(Trouble.IMAGE_GONE), [0.0]),
        (engine(Trouble.CONTAINER_GONE), [0.0]),
        (FetchError("reset", trouble=Trouble.NETWORK), [2.0, 8.0, 32.0]),
        (engine(Trouble.REFUSED), []),
        (engine(Trouble.ENGINE_DISK), []),
        (SurroundingsError("full", trouble=Trouble.OWN_DISK), []),
        (FetchError("no such crate"), []),
        (ImageError("step 3 failed"), []),
    ],
    ids=lambda value: str(value.trouble) if isinstance(value, SurroundingsError) else None,
)
def test_before_the_command_tries_are_bounded_and_further_and_further_apart(
    error: SurroundingsError, expected: list[float]
) -> None:
    assert waits(error) == pytest.approx(expected)


def test_every_trouble_has_an_answer() -> None:
    for trouble in Trouble:
        assert len(waits(engine(trouble))) <= 3


def test_failures_of_different_kinds_are_bounded_together() -> None:
    kinds = [Trouble.UNREACHABLE, Trouble.HANGS, Trouble.IMAGE_GONE, Trouble.CONTAINER_GONE, Trouble.NETWORK]
    earlier = [Attempt(phase=Phase.FETCH, trouble=kind.value, what="") for kind in kinds]
    assert isinstance(follows(engine(Trouble.UNREACHABLE), Evidence(), *earlier[:4], ran_s=None), Attempt)
    assert isinstance(follows(engine(Trouble.UNREACHABLE), Evidence(), *earlier, ran_s=None), Verdict)


def test_workers_that_failed_at_once_come_back_apart() -> None:
    error = engine(Trouble.UNREACHABLE)
    first, last = (follows(error, Evidence(), ran_s=None, chance=chance) for chance in (0.0, 1.0))
    assert isinstance(first, Attempt)
    assert isinstance(last, Attempt)
    assert (first.waited_s, last.waited_s) == (0.5, 1.5)


@pytest.mark.parametrize("trouble", [Trouble.UNREACHABLE, Trouble.HANGS, Trouble.CONTAINER_GONE])
def test_a_build_that_was_lost_on_its_way_is_tried_again_once(trouble: Trouble) -> None:
    once = follows(engine(trouble))
    assert isinstance(once, Attempt)
    assert (once.phase, once.trouble, once.ran_s) == (Phase.BUILD, trouble.value, 12.0)
    twice = follows(engine(trouble), SEEN, once)
    assert isinstance(twice, Verdict)
    assert (twice.outcome, twice.cause) == (Outcome.ENGINE_ERROR, trouble.value)
    assert "lost 12.0 s into the build" in twice.summary
    assert "tried 2 times" in twice.summary


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.ENGINE_DISK, Trouble.OWN_DISK, Trouble.IMAGE_GONE])
def test_a_build_on_its_way_is_not_tried_again_for_what_would_be_the_same(trouble: Trouble) -> None:
    assert isinstance(follows(engine(trouble)), Verdict)


@pytest.mark.parametrize(
    "seen",
    [
        replace(SEEN, memory=Memory(oom_kills=1, demand_peak=1 << 20)),
        replace(SEEN, processes=Processes(signalled=(end(7),))),
        replace(SEEN, processes=Processes(signalled=(end(11),))),
        replace(SEEN, memory=Memory(demand_peak=3 << 30)),
        replace(SEEN, findings=(found("no-space", "No space left on device"),)),
    ],
    ids=["oom-kill", "sigbus", "crash", "over-budget", "log"],
)
def test_a_build_that_something_speaks_against_is_not_tried_again_and_that_is_told(seen: Evidence) -> None:
    verdict = follows(engine(Trouble.UNREACHABLE), seen)
    assert isinstance(verdict, Verdict)
    assert verdict.outcome is Outcome.ENGINE_ERROR
    assert verdict.evidence
    assert "speaks against the build" in verdict.contradictions[0]


def test_processes_that_the_engine_ended_with_itself_speak_against_nobody() -> None:
    seen = replace(SEEN, processes=Processes(signalled=(end(9), end(15))))
    assert isinstance(follows(engine(Trouble.UNREACHABLE), seen), Attempt)


def test_a_build_that_had_failed_before_its_engine_was_lost_has_failed() -> None:
    verdict = follows(engine(Trouble.UNREACHABLE), replace(SEEN, exit_code=2))
    assert isinstance(verdict, Verdict)
    assert (verdict.outcome, verdict.cause) == (Outcome.BUILD_ERROR, "exit-status")


def test_a_build_whose_outputs_were_lost_is_not_run_again_and_what_it_did_is_told() -> None:
    verdict = follows(engine(Trouble.UNREACHABLE), replace(SEEN, exit_code=0))
    assert isinstance(verdict, Verdict)
    assert verdict.outcome is Outcome.ENGINE_ERROR
    assert "had exited 0 by then; its outputs were not examined" in verdict.summary


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (engine(Trouble.ENGINE_DISK), Outcome.HOST_NO_SPACE),
        (SurroundingsError("full", trouble=Trouble.OWN_DISK), Outcome.HOST_NO_SPACE),
        (ImageError("full", trouble=Trouble.ENGINE_DISK), Outcome.HOST_NO_SPACE),
        (FetchError("exited 1"), Outcome.FETCH_ERROR),
        (ImageError("step 3"), Outcome.ENGINE_ERROR),
    ],
)
def test_each_trouble_has_its_outcome_its_cause_and_a_next_step(error: SurroundingsError, outcome: Outcome) -> None:
    verdict = follows(error, Evidence(), ran_s=None)
    assert isinstance(verdict, Verdict)
    assert (verdict.outcome, verdict.cause) == (outcome, error.trouble.value)
    assert verdict.advice
    assert verdict.summary == error.what
