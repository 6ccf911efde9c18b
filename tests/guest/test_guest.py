"""Both cgroup worlds: what the faults and the calibration show on cgroup v1 they show on v2, over TCP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from tests.guest.conftest import FAULTS, LIGHT, ROOT, TOO_HEAVY, Suite


def build_ids(folder: Path) -> list[str]:
    manifest: dict[str, Any] = tomllib.loads((folder / "buildproof.toml").read_text(encoding="utf-8"))
    return [f"{folder.name}-{build['builder']}" for build in manifest["build"]]


@pytest.mark.parametrize("folder", LIGHT, ids=attrgetter("name"))
def test_fault_gets_its_verdict_on_v2(guest: dict[str, str], faults: Suite, folder: Path) -> None:
    cells = tuple(f"[{build}]" for build in build_ids(folder))
    results = {test: why for test, why in faults.results.items() if test.endswith(cells)}
    assert len(results) >= 4, f"the run in the guest said nothing of {folder.name}:\n{faults.output[-2000:]}"
    failed = {test: why for test, why in results.items() if why}
    assert not failed, "\n\n".join(f"{test}: {why}" for test, why in failed.items())


def test_what_is_left_out_is_a_fault() -> None:
    assert set(TOO_HEAVY) <= {folder.name for folder in FAULTS}


def test_faults_were_run_by_the_guest(guest: dict[str, str], faults: Suite) -> None:
    record = re.search(r"^record: (\S+)$", faults.output, re.MULTILINE)
    assert record
    engine = json.loads((ROOT / record[1]).read_text(encoding="utf-8"))["engine"]
    assert (engine["cgroup_version"], engine["cgroup_driver"]) == (2, "systemd")


def test_calibration_holds_on_v2(guest: dict[str, str]) -> None:
    command = [str(Path(sys.executable).with_name("buildproof")), "doctor", "--calibrate"]
    done = subprocess.run(command, cwd=ROOT, env=guest, text=True, check=False, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
