"""What a CI service shows of a record: a summary in Markdown, and annotations at the manifest's line. Pure.

GitHub: job summaries are GitHub-flavoured Markdown of up to 1 MiB for each step; an annotation is a workflow command
on a line of its own (docs.github.com, "Workflow commands for GitHub Actions").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from buildproof import cells
from buildproof.hostile import harmless, markdown, markdown_advice, markdown_prose
from buildproof.record import BuildRecord, RunRecord
from buildproof.units import size
from buildproof.verdict import Family, Outcome, Verdict

_LARGEST = 900_000  # bytes; what is over GitHub's limit is not shown at all
_SIGNS = {
    Family.PASSED: "✅",
    Family.PROJECT: "❌",
    Family.RESOURCE: "❌",
    Family.INFRASTRUCTURE: "⚠️",
    Family.MEASUREMENT: "⚠️",
}
_HEADER = ("", "build", "verdict", "peak", "budget", "limit", "time", "artifacts")


def summary(record: RunRecord, *, is_green: bool = False) -> str:
    """The table of all builds and the failing verdicts in full, as Markdown; of a green run, that no test minds."""
    run = [build for build in record.builds if build.verdict]
    failing = [build for build in run if build.verdict and build.verdict.outcome is not Outcome.PASSED]
    title = f"{len(run) - len(failing)} of {len(record.builds)} builds passed"
    note = ["", "Every test passed: none of them minds a verdict below."] if failing and is_green else []
    lines = [f"### buildproof: {title}", *note, "", _row(_HEADER), _row(["---"] * len(_HEADER))]
    lines += [_row(_cells(build)) for build in run]
    planned = [build.id for build in record.builds if not build.verdict]
    if planned:
        lines += ["", f"Not run: {', '.join(map(markdown, planned))}"]
    text = "\n".join(lines) + "\n"
    told = 0
    for build in failing:
        section = "\n".join(_section(build)) + "\n"
        if len((text + section).encode()) > _LARGEST:
            break
        text, told = text + section, told + 1
    text += "".join(f"{row}\n" for row in _limits(run))
    if told < len(failing):
        text += f"\n{len(failing) - told} more verdicts are in the report: they are too long for this page.\n"
    return text


def _cells(build: BuildRecord) -> Iterator[str]:
    verdict = build.verdict
    yield _SIGNS[verdict.outcome.family] if verdict else ""
    yield markdown(build.id)
    yield markdown_prose(verdict.outcome) if verdict else ""
    yield _whole(cells.peak(build))
    yield _whole(cells.budget(build))
    yield _whole(size(build.memory.limit))
    yield _whole(cells.time(build))
    yield "<br>".join(_artifacts(build)) or "none"


def _artifacts(build: BuildRecord) -> Iterator[str]:
    for artifact in build.artifacts or ():
        yield f"{markdown(artifact.path.rpartition('/')[2])} {_whole(cells.size_and_start(artifact))}"


def _whole(figures: str) -> str:
    """Figures that no narrow column tears from their units: a no-break space stands between them."""
    return re.sub(r"(?<=\d) (?=[KMGT]?i?B\b)|(?<=\d) (?=of )|(?<=of) (?=\d)", "&nbsp;", figures)


def _section(build: BuildRecord) -> Iterator[str]:
    verdict = build.verdict
    if verdict is None:
        return
    yield ""
    yield f"#### {markdown(build.id)}: {markdown_prose(cells.verdict(verdict))}"
    yield ""
    yield markdown_prose(verdict.summary)
    yield ""
    yield from _evidence(verdict)
    if build.last_lines:
        yield from _folded("last lines of the log", [_as_it_is(build.last_lines[-15:])])
    if build.reproduce:
        yield from _folded("run it by hand", [_as_it_is([build.reproduce])])


def _limits(run: list[BuildRecord]) -> Iterator[str]:
    unmet = cells.unmet(run)
    if unmet:
        rows = [
            f"- {markdown_prose(asked)}: {markdown_prose(why)} ({_whose(ids, run)})"
            for (asked, why), ids in unmet.items()
        ]
        yield from _folded(f"limits not in force: {len(unmet)}", rows)


def _whose(ids: list[str], run: list[BuildRecord]) -> str:
    return "all builds" if len(ids) == len(run) else ", ".join(map(markdown, ids))


def _folded(title: str, body: Iterable[str]) -> Iterator[str]:
    """What is there for who asks."""
    yield ""
    yield f"<details><summary>{title}</summary>"
    yield ""
    yield from body
    yield ""
    yield "</details>"


def _as_it_is(rows: Iterable[str]) -> str:
    return "<pre>" + "<br>".join(map(markdown_prose, rows)) + "</pre>"


def _evidence(verdict: Verdict) -> Iterator[str]:
    for clue in verdict.evidence:
        moment = "" if clue.at_s is None else f", {clue.at_s:.1f} s"
        yield f"- **{clue.grade.value}{moment}**: {markdown_prose(clue.text)}"
    for contradiction in verdict.contradictions:
        yield f"- **but**: {markdown_prose(contradiction)}"
    for advice in verdict.advice:
        yield f"- **next**: {markdown_advice(advice)}"


def _row(row: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(row)} |"


def github_annotations(record: RunRecord, root: Path) -> list[str]:
    """A workflow command of GitHub for each failing build, at the line of the manifest that declares it.

    Files are named as seen from `root`, where the repository was checked out.
    """
    return [
        _annotation(build, build.verdict, root)
        for build in record.builds
        if build.verdict and build.verdict.outcome is not Outcome.PASSED
    ]


def _annotation(build: BuildRecord, verdict: Verdict, root: Path) -> str:
    level = "error" if verdict.outcome.family in {Family.PROJECT, Family.RESOURCE} else "warning"
    file, _, line = (build.declared_at or "").rpartition(":")
    parts = {"file": _seen_from(root, file), "line": line, "title": f"{build.id}: {verdict.outcome.value}"}
    properties = ",".join(f"{name}={_property(value)}" for name, value in parts.items() if value)
    said = " ".join([verdict.summary, *(f"Next: {advice}" for advice in verdict.advice[:1])])
    return f"::{level} {properties}::{_data(said)}"


def _seen_from(root: Path, file: str) -> str:
    return str(Path(file).relative_to(root)) if file and Path(file).is_relative_to(root) else file


def _data(text: str) -> str:
    """The message of a workflow command, as actions/toolkit escapes it."""
    return harmless(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def figures(build: BuildRecord) -> dict[str, str]:
    """Every figure of a build by its name, for properties of JUnit: bytes and seconds as plain numbers."""
    memory, time, processes = build.memory, build.time, build.processes
    found: dict[str, object] = {
        "build": build.id,
        "builder": build.builder,
        "profile": build.profile,
        "target": build.target,
        "image": build.image.reference if build.image else None,
        "memory_limit_bytes": memory.limit,
        "memory_budget_bytes": build.budget.peak_memory,
        "memory_charged_peak_bytes": memory.charged_peak,
        "memory_demand_peak_bytes": memory.demand_peak,
        "memory_swap_peak_bytes": memory.swap_peak,
        "memory_saturated": memory.saturated,
        "memory_oom_kills": memory.oom_kills,
        "memory_sample_interval_ms": memory.sample_interval_ms,
        "wall_seconds": time.wall_s,
        "cpu_seconds": time.cpu_s,
        "time_limit_seconds": time.limit_s,
        "probe_cpu_seconds": build.ended.probe_cpu_s,
        "exit_code": build.ended.exit_code,
        "processes_exited": processes.exited,
        "processes_signalled": len(processes.signalled),
        "processes_peak": processes.peak_pids,
    }
    if build.verdict:
        found |= {
            "outcome": build.verdict.outcome.value,
            "cause": build.verdict.cause,
            "grade": build.verdict.grade.value,
        }
    for artifact in build.artifacts or ():
        found[f"artifact_bytes:{artifact.path}"] = artifact.size
    return {name: harmless(str(value)) for name, value in found.items() if value is not None}
