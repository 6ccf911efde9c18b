"""The suite: one test per claim and build. `tests/verify` and every collected `buildproof.toml` run these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildproof.verdict.claims import Claim

if TYPE_CHECKING:  # what a proof imports is for a run, not for collecting
    from buildproof.plugin_baseline import BaselineGate
    from buildproof.proof import Proof


def test_measured(proof: Proof) -> None:
    """The limits were in force and the probe was there from start to end: what follows can be trusted."""
    proof.of(Claim.MEASURED)


def test_builds(proof: Proof) -> None:
    """The build command exited 0."""
    proof.of(Claim.BUILDS)


def test_no_sigbus(proof: Proof) -> None:
    """No process of the whole tree died of SIGBUS, not even one whose parent kept quiet about it."""
    proof.of(Claim.NO_SIGBUS)


def test_no_oom_kill(proof: Proof) -> None:
    """No process of the whole tree was killed for lack of memory."""
    proof.of(Claim.NO_OOM_KILL)


def test_peak_memory(proof: Proof) -> None:
    """Peak memory stayed inside the manifest's budget."""
    proof.of(Claim.PEAK_MEMORY)


def test_time_limit(proof: Proof) -> None:
    """The build ended by itself inside its time limit."""
    proof.of(Claim.TIME_LIMIT)


def test_artifacts_valid(proof: Proof) -> None:
    """Every output is a sound PE or ELF executable for its machine."""
    proof.of(Claim.ARTIFACTS_VALID)


def test_starts(proof: Proof) -> None:
    """The executable starts in a clean container, and does and says what the manifest expects."""
    proof.of(Claim.STARTS)


def test_baseline(proof: Proof, baseline_gate: BaselineGate) -> None:
    """No figure grew by more than `--fail-on` allows and the runs before lay apart."""
    baseline_gate.check(proof.record, proof.run)
