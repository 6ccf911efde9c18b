"""What other tools would have said about the calibration's loads, beside the truth and beside buildproof.

.venv/bin/python -m benchmarks.other_tools --repeat 3
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import bare, measured, report

from buildproof.ca import ca_bundle
from buildproof.calibration import LOADS, MANIFEST, calibrate
from buildproof.calibration.loads import Interval, Load
from buildproof.calibration.trial import Trial, truth_in
from buildproof.discovery import load as load_builds
from buildproof.errors import BuildproofError
from buildproof.layout import SOURCE
from buildproof.plan import Build
from buildproof.record import BuildRecord, EngineRecord
from buildproof.record import load as load_record
from buildproof.units import parse_size

_LONGEST_S = 60.0
_MEM_USAGE = re.compile(r"([0-9.]+ ?[KMGT]?i?B) / ")
_WRAPPER = "measured.py"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the tools said about one run of one load, sizes in bytes; `stats` is the largest of its lines."""

    truth: int | None
    stats: int
    max_rss: int | None
    kernel_mark: int | None
    exit_code: int | None
    oom_flag: bool


@contextlib.contextmanager
def docker_stats(container: str) -> Iterator[list[int]]:
    """The memory column of a running `docker stats`, in bytes, as long as the context lasts."""
    seen: list[int] = []
    process = subprocess.Popen(
        ("docker", "stats", "--format", "{{.MemUsage}}", container),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def read() -> None:
        for line in process.stdout or ():
            seen.extend(parse_size(found) for found in _MEM_USAGE.findall(line) if found != "0B")

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        # Its first line comes after about a second, and the load must not be over before it. Then it samples once a
        # second: a load that always came at the same moment between two samples would prove nothing.
        time.sleep(1.5 + random.random())  # noqa: S311
        yield seen
    finally:
        process.kill()  # the client of 20.10 does not end at SIGTERM
        process.wait()
        reader.join(5)


def wrapper() -> bytes:
    """The wrapper as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(Path(measured.__file__), _WRAPPER)
    return buffer.getvalue()


def ask(build: Build, record: BuildRecord, cgroup_version: int | None) -> Told:
    """Run a load in a bare container, and ask the tools."""
    argv = ("python3", "-B", _WRAPPER, *build.command.split())
    with tempfile.TemporaryDirectory() as folder, bare.bare_container(build, record, argv) as container:
        bare.put(container, SOURCE, wrapper())
        with docker_stats(container) as seen:
            found = bare.run(container, Path(folder) / "log", timeout_s=_LONGEST_S)
    told = [line for line in found.output.splitlines() if line.startswith(measured.MARK)]
    facts = json.loads(told[-1].removeprefix(measured.MARK)) if told else {}
    truth = truth_in(found.output)
    return Told(
        truth=truth.demand(cgroup_version) if truth else None,
        stats=max(seen, default=0),
        max_rss=facts.get("max_rss"),
        kernel_mark=facts.get("kernel_mark"),
        exit_code=found.exit_code,
        oom_flag=found.oom_flag,
    )


def sizes(values: Sequence[int | None]) -> str:
    """A cell: the least to the largest of what was said."""
    known = [value for value in values if value is not None]
    return report.mib(known) if len(known) == len(values) else "unknown"


def memory_row(load: Load, trials: Sequence[Trial], told: Sequence[Told]) -> list[str]:
    """What everyone says of a load that holds memory."""
    interval = sizes([*(trial.demand_peak for trial in trials), *(trial.charged_peak for trial in trials)])
    return [
        load.says,
        sizes([trial.truth for trial in trials]),
        interval,
        sizes([each.truth for each in told]),
        sizes([each.stats for each in told]),
        sizes([each.max_rss for each in told]),
        sizes([each.kernel_mark for each in told]),
    ]


def ending_row(load: Load, trials: Sequence[Trial], told: Sequence[Told]) -> list[str]:
    """What everyone says of how a load ended."""
    codes = dict.fromkeys(
        f"still running after {_LONGEST_S:.0f} s" if each.exit_code is None else f"exit code {each.exit_code}"
        for each in told
    )
    flags = dict.fromkeys(str(each.oom_flag).lower() for each in told)
    verdicts = dict.fromkeys(t.outcome + (f" ({t.cause})" if t.cause else "") for t in trials)
    return [load.says, " / ".join(verdicts), " / ".join(codes), " / ".join(flags)]


def main() -> None:
    """Run all loads both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--output", type=Path, help="a Markdown file (default: benchmarks/results/other-tools.md)")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    found = calibrate(repeat=options.repeat, ca_bundle=ca_bundle(None), say=lambda line: print(line, file=sys.stderr))
    record = load_record(Path(found.folders[-1]) / "record.json")
    builds = {build.builder.name: build for build in load_builds([MANIFEST])}
    told: dict[str, list[Told]] = {load.name: [] for load in LOADS}
    version = found.engine.cgroup_version if found.engine else None
    for number in range(options.repeat):
        for load in LOADS:
            print(f"other tools, round {number + 1}: {load.name}", file=sys.stderr)
            build = builds[load.name]
            its_record = record.build(build.id)
            if its_record:
                told[load.name].append(ask(build, its_record, version))
    by_load = found.by_load()
    memory = [
        memory_row(load, trials, told[load.name]) for load, trials in by_load if load.interval is not Interval.ANY
    ]
    endings = [
        ending_row(load, trials, told[load.name])
        for load, trials in by_load
        if load.interval is Interval.ANY or load.saturated
    ]
    report.write("other-tools.md", document(found.engine, load_before, options.repeat, memory, endings), options.output)


def document(
    engine: EngineRecord | None, load_before: float, repeat: int, memory: list[list[str]], endings: list[list[str]]
) -> list[str]:
    """The result."""
    kernel_mark = "`memory.peak` alone" if engine and engine.cgroup_version == 2 else "`max_usage_in_bytes` alone"
    tools = ["truth there", "`docker stats`", "`time -v`, max RSS", kernel_mark]
    return [
        "# What other tools would have said",
        "",
        *report.facts(engine, load_before),
        "",
        f"{repeat} rounds; where they differ, the least and the largest.",
        "The tools watched the same loads in bare containers with the same limits.",
        "There a second Python, the one that asks the kernel, is part of the truth.",
        "",
        *report.table(["load", "truth", "buildproof: the interval", *tools], memory),
        "",
        *report.table(["load", "buildproof's verdict", "`docker run` ends with", "`OOMKilled` of inspect"], endings),
    ]


if __name__ == "__main__":
    try:
        main()
    except BuildproofError as error:
        raise SystemExit(str(error)) from None
