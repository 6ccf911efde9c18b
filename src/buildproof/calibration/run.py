"""Run the loads: through the session, the runner and the pod that every build goes through."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from buildproof.calibration.loads import LOADS, Load
from buildproof.calibration.trial import Calibration, Trial, compare, truth_in
from buildproof.discovery import load as load_builds
from buildproof.layout import user_cache
from buildproof.record import BuildRecord, EngineRecord
from buildproof.runfolder import RunFolder
from buildproof.session import Session

# Not named `buildproof.toml`: no search of a folder may take it for a project of the user's.
MANIFEST = Path(__file__).with_name("project") / "calibration.toml"
_FOLDER = "calibrations"


def calibrate(
    *,
    repeat: int = 1,
    loads: Sequence[Load] = LOADS,
    ca_bundle: Path | None,
    say: Callable[[str], None],
    root: Path | None = None,
) -> Calibration:
    """Run every load `repeat` times, one after the other.

    Each round leaves a run folder like any run, below `root`: without one in the user's cache, for a calibration is
    about an engine and must not become the last run of a project. Raises what makes every run impossible:
    EngineError, Untrustworthy, ImageError.
    """
    planned = {build.builder.name: build for build in load_builds([MANIFEST])}
    trials: list[Trial] = []
    folders: list[str] = []
    engine: EngineRecord | None = None
    for number in range(repeat):
        if repeat > 1:
            say(f"round {number + 1} of {repeat}")
        folder = _new_folder(root or user_cache() / _FOLDER)
        session = Session(folder, ca_bundle=ca_bundle, say=say)
        try:
            session.prepare([planned[load.name] for load in loads])
            engine = folder.read().engine
            for load in loads:
                record = session.outcome(planned[load.name])
                trials.append(_compare(load, record, folder, engine))
        finally:
            session.close()
        folders.append(str(folder.path))
    return Calibration(engine=engine, trials=tuple(trials), folders=tuple(folders))


def _new_folder(root: Path) -> RunFolder:
    return RunFolder(root / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")


def _compare(load: Load, record: BuildRecord, folder: RunFolder, engine: EngineRecord | None) -> Trial:
    log = (folder.path / record.log).read_text("utf-8", "replace") if record.log else ""
    return compare(load, record, truth_in(log), cgroup_version=engine.cgroup_version if engine else None)
