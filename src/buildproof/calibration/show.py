"""A calibration as a table for people, and as data for programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from rich.console import Group, RenderableType
from rich.table import Table

from buildproof.calibration.loads import Interval, Load
from buildproof.calibration.trial import CLOSE, Calibration, Trial, errors_of
from buildproof.terminal import line

_MIB = 1 << 20
_TRIAL = TypeAdapter(Trial)


def expected(load: Load, trials: Sequence[Trial]) -> str:
    """What has to come out of a load: the verdict, and what its box held."""
    parts = [load.outcome + (f" ({load.cause})" if load.cause else "")]
    parts += ["saturated"] if load.saturated and load.interval is not Interval.ANY else []
    parts += [f"{load.leftover} found alive"] if load.leftover else []
    if load.interval is not Interval.ANY:
        held = _span([trial.truth for trial in trials])
        parts.append(f"{held} ±{CLOSE:.0%}" if load.interval is Interval.CLOSE else f"{held} inside")
    return ", ".join(parts)


def observed(load: Load, trials: Sequence[Trial]) -> str:
    """What came out: the verdicts, and the interval from the least demand peak to the largest charged peak."""
    verdicts = dict.fromkeys(trial.outcome + (f" ({trial.cause})" if trial.cause else "") for trial in trials)
    text = " / ".join(verdicts)
    found = dict.fromkeys(name for trial in trials for name in trial.leftover)
    text += f", {', '.join(found)} found alive" if found else ""
    if load.interval is Interval.ANY:
        return text
    return f"{text}, {_span([peak for trial in trials for peak in (trial.demand_peak, trial.charged_peak)])}"


def _span(sizes: Sequence[int | None]) -> str:
    """One size, or the least and the largest, in MiB with one decimal: `size` would hide what is to be seen here."""
    known = [value for value in sizes if value is not None]
    if len(known) < len(sizes) or not known:
        return "unknown"
    low, high = (f"{value / _MIB:.1f}" for value in (min(known), max(known)))
    return f"{low} MiB" if low == high else f"{low} to {high} MiB"


def table(calibration: Calibration) -> RenderableType:
    """One row per load, and below it what is wrong."""
    repeated = len(calibration.folders) > 1
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("")
    for name in ("load", "expected", "observed"):
        drawn.add_column(name)
    drawn.add_column("error: median, worst" if repeated else "error", justify="right")
    wrong: list[RenderableType] = []
    for load, trials in calibration.by_load():
        bad = [trial for trial in trials if trial.wrong]
        mark = line("OFF", "bold red") if bad else line("ok", "green")
        errors = errors_of(trials) if load.interval is not Interval.ANY else None
        shown = " ".join(f"{error:+.2%}" for error in (errors or ())[0 if repeated else 1 :])
        cells = (load.says, expected(load, trials), observed(load, trials), shown)
        drawn.add_row(mark, *map(line, cells))
        wrong += [line(f"{load.says}: {why}", "red") for trial in bad for why in trial.wrong]
    return Group(drawn, *([line(""), *wrong] if wrong else []), line(""), line(summary(calibration)))


def summary(calibration: Calibration) -> str:
    """One sentence."""
    bad = sum(bool(trial.wrong) for trial in calibration.trials)
    of = f"{len(calibration.trials)} trials of {len(calibration.by_load())} loads"
    engine = calibration.engine
    where = (
        f"engine {engine.version}, cgroup v{engine.cgroup_version}, kernel {engine.kernel}" if engine else "no engine"
    )
    gaps = [trial.longest_gap_ms for trial in calibration.trials if trial.longest_gap_ms is not None]
    gap = f"; the longest gap between two samples was {max(gaps):.0f} ms" if gaps else ""
    return f"{f'{bad} of {of} are off' if bad else f'{of}: all as expected'} ({where}{gap})"


def data(calibration: Calibration) -> dict[str, Any]:
    """The calibration for programs: sizes in bytes, errors as parts of the truth."""
    loads = []
    for load, trials in calibration.by_load():
        errors = errors_of(trials)
        rows = []
        for trial in trials:
            row = _TRIAL.dump_python(trial, mode="json")
            del row["load"]
            rows.append({**row, "error": trial.error})
        loads.append(
            {
                "name": load.name,
                "says": load.says,
                "expected": expected(load, trials),
                "observed": observed(load, trials),
                "holds": not any(trial.wrong for trial in trials),
                "median_error": errors[0] if errors else None,
                "worst_error": errors[1] if errors else None,
                "trials": rows,
            }
        )
    engine = calibration.engine
    return {
        "holds": calibration.holds,
        "engine": None if engine is None else {name: getattr(engine, name) for name in engine.__dataclass_fields__},
        "loads": loads,
        "folders": list(calibration.folders),
    }
