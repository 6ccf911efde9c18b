"""The faults and the calibration against an engine on cgroup v2: slow where emulated, so only when asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.guest import machine
from tests.on_request import OnRequest

from buildproof.ca import ca_bundle
from buildproof.engine import Engine
from buildproof.patience import VARIABLE as PATIENCE
from buildproof.plugin_live import say

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MARKER = "guest"
_EMULATED_IS_SLOWER = "10"

# Faults that are left out where the machine may be emulated, each with the reason.
TOO_HEAVY = {
    "many-processes": "it starts a hundred thousand processes",
    "oom-cc1plus": "the C++ compiler has to work its way up to 150 MiB",
    "oom-rustc": "rustc has to work its way up to 512 MiB",
    "truncated-proc-macro": "rustc compiles two crates before the third meets the fault",
    "thrashing": "the compile and the 192 MiB before it used up its time limit of 8 s, and once ten times as much",
}

FAULTS = sorted(path.parent for path in (ROOT / "fixtures" / "faults").glob("*/buildproof.toml"))
LIGHT = [folder for folder in FAULTS if folder.name not in TOO_HEAVY]


def pytest_configure(config: pytest.Config) -> None:
    """What needs the guest runs on request."""
    OnRequest.register(config, HERE, marker=MARKER, what="an engine on cgroup v2 in a QEMU guest", fixture="guest")


@pytest.fixture(scope="session")
def guest(pytestconfig: pytest.Config) -> Iterator[dict[str, str]]:
    """The environment that points at the guest's engine. A guest that was up before stays up."""
    with Engine.connect() as engine:
        was_up = machine.find(engine) is not None
        bundle = ca_bundle(pytestconfig.getoption("buildproof_ca_bundle"))
        found = machine.up(engine, ca_bundle=bundle, say=lambda text: say(pytestconfig, f"guest: {text}"))
        try:
            yield {**os.environ, "DOCKER_HOST": found.docker_host, PATIENCE: _EMULATED_IS_SLOWER}
        finally:
            if not was_up:
                machine.down(engine)


@dataclass(frozen=True)
class Suite:
    """What a run of tests/faults said: test id -> its complaint, None for one that passed."""

    results: dict[str, str | None]
    output: str


@pytest.fixture(scope="session")
def faults(
    guest: dict[str, str],
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> Suite:
    """One run against the guest of those faults that were selected, its lines shown as they come."""
    xml = tmp_path_factory.mktemp("faults") / "results.xml"
    selected = " or ".join(f"[{name}-" for name in _selected(request.session.items))
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pytest.ini"), "--rootdir", str(ROOT)]
    command += ["tests/faults/test_faults.py", "-k", selected, f"--junitxml={xml}"]
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, env=guest, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                say(pytestconfig, f"guest: {line.rstrip()}")
        except BaseException:
            process.terminate()  # its builds end with it, for their lease closes
            raise
    results = {case.attrib["name"]: _complaint(case) for case in ET.parse(xml).iter("testcase")}  # noqa: S314
    return Suite(results, "".join(lines))


def _selected(items: list[pytest.Item]) -> list[str]:
    """The faults that a test of this session is about; all that are light enough when none is."""
    params = [item.callspec.params for item in items if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    folders = [Path(str(known["folder"])) for known in params if "folder" in known]
    return [folder.name for folder in folders or LIGHT]


def _complaint(case: ET.Element) -> str | None:
    found = [child for child in case if child.tag in {"failure", "error", "skipped"}]
    return "\n".join(f"{child.get('message')}\n{child.text}" for child in found) or None
