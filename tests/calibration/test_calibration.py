"""`buildproof doctor --calibrate` here: every load comes out as expected, and the run is kept like any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from buildproof.ca import ca_bundle
from buildproof.calibration import LOADS, calibrate
from buildproof.calibration.loads import Load
from buildproof.calibration.trial import Calibration
from buildproof.record import load as load_record
from buildproof.verdict import Outcome


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calibration]:
    yield calibrate(ca_bundle=ca_bundle(None), say=print, root=tmp_path_factory.mktemp("calibration"))


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_a_load_comes_out_as_expected(calibration: Calibration, load: Load) -> None:
    (trial,) = [trial for trial in calibration.trials if trial.load.name == load.name]
    assert trial.wrong == ()


def test_a_calibration_leaves_a_record_like_any_run(calibration: Calibration) -> None:
    (folder,) = calibration.folders
    record = load_record(Path(folder) / "record.json")
    assert record.ended is not None
    assert [build.id for build in record.builds] == [f"calibrate-{load.name}" for load in LOADS]


def test_a_false_expectation_is_found_out(tmp_path: Path) -> None:
    (load,) = (load for load in LOADS if load.name == "no-space")
    wished = replace(load, outcome=Outcome.PASSED, cause=None)
    found = calibrate(loads=[wished], ca_bundle=ca_bundle(None), say=print, root=tmp_path)
    assert not found.holds
    assert "the verdict is no-space, not passed" in found.trials[0].wrong[0]
