"""A timeline as it is drawn: what was written is read again, and a damaged file loses its damaged lines alone."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from tests.unit.test_timeline import LIMITS, SAMPLE

from buildproof.report.trace import Sample, read_trace
from buildproof.timeline import VERSION, Timeline


def written(*events: dict[str, Any]) -> list[str]:
    file = io.StringIO()
    timeline = Timeline(file)
    for event in events:
        timeline.take(event)
    timeline.close()
    return file.getvalue().splitlines()


def test_what_was_written_is_read_again() -> None:
    process = {"event": "process", "pid": 60, "comm": "rustc", "cmdline": "rustc --crate-name a"}
    trace = read_trace(written(LIMITS, process, SAMPLE))
    assert trace.mounts == ("/", "/dev/shm")
    assert trace.samples == (Sample(0.125, 10, 5, None, 3, ("rustc", "rustc --crate-name a"), 4, (7, None)),)


def test_a_sample_is_held_by_the_process_that_was_told_last_before_it() -> None:
    shell, compiler = ({"event": "process", "pid": 60, "comm": name, "cmdline": None} for name in ("sh", "cc1"))
    trace = read_trace(written(LIMITS, SAMPLE, shell, SAMPLE, compiler, SAMPLE))
    assert [sample.holder for sample in trace.samples] == [None, ("sh", None), ("cc1", None)]


def test_columns_are_found_by_the_headers_names() -> None:
    header = {"timeline": VERSION, "columns": ["demand", "at_s", "newer"], "mounts": ["/"]}
    (sample,) = read_trace([json.dumps(header), "[5, 1.5, 9]"]).samples
    assert sample == Sample(1.5, None, 5, None, None, None, None, (None,))


@pytest.mark.parametrize(
    "line",
    ["", "[0.1,", "null", "7", '"text"', '["now",1,1,1,1,1,1,[]]', "[NaN,1,1,1,1,1,1,[]]", "[" * 100_000,
     '{"event":"process"}', '{"event":"process","pid":60,"comm":7}'],
)  # fmt: skip
def test_what_is_no_line_of_a_timeline_is_passed_over(line: str) -> None:
    assert len(read_trace([*written(LIMITS, SAMPLE), line, *written(SAMPLE)]).samples) == 2


def test_a_number_that_measures_nothing_is_unknown() -> None:
    row = '[0.5,1e999,"many",true,NaN,null,[],{}]'
    (sample,) = read_trace([*written(LIMITS), row]).samples
    assert sample == Sample(0.5, None, None, 1, None, None, None, (None, None))


@pytest.mark.parametrize("newer", [{"timeline": VERSION + 1, "rows": "of the future"}, {"event": "header"}])
def test_a_newer_timeline_is_refused(newer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"this buildproof reads {VERSION}"):
        read_trace([json.dumps(newer)])
