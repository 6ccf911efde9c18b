"""The timeline on disk: a header, samples as rows, the events that matter, and nothing said twice."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from buildproof.timeline import COLUMNS, VERSION, Timeline

LIMITS = {"event": "limits", "found": True, "mounts": [{"mount": "/", "kind": "overlay"}, {"mount": "/dev/shm"}]}
SAMPLE = {
    "event": "sample", "at_s": 0.125, "charged": 10, "demand": 5, "swap": None, "pids": 3, "largest": 60,
    "largest_rss": 4, "free": [7, None],
}  # fmt: skip


def lines(*events: dict[str, Any]) -> list[Any]:
    file = io.StringIO()
    timeline = Timeline(file)
    for event in events:
        timeline.take(event)
    timeline.close()
    text = file.getvalue()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_the_header_names_the_columns_and_the_mounts_and_comes_before_the_limits() -> None:
    header, limits = lines(LIMITS)
    assert header == {"timeline": VERSION, "columns": list(COLUMNS), "mounts": ["/", "/dev/shm"]}
    assert limits == LIMITS


def test_the_header_comes_once_however_often_the_limits_are_told() -> None:
    assert [("timeline" in line) for line in lines(LIMITS, LIMITS)] == [True, False, False]


def test_a_limits_event_without_mounts_has_a_header_all_the_same() -> None:
    assert lines({"event": "limits", "mounts": None})[0]["mounts"] == []
    assert lines({"event": "limits"})[0]["mounts"] == []


def test_a_sample_is_a_row_under_the_headers_columns_unknown_values_as_null() -> None:
    (row,) = lines(SAMPLE)
    assert row == [0.125, 10, 5, None, 3, 60, 4, [7, None]]
    assert dict(zip(COLUMNS, row, strict=True)) == {name: SAMPLE[name] for name in COLUMNS}


def test_a_row_has_all_its_columns_when_the_probe_told_fewer_or_more() -> None:
    assert lines({"event": "sample", "at_s": 1.0, "newer": 9}) == [[1.0, *[None] * (len(COLUMNS) - 1)]]


@pytest.mark.parametrize("final", [True, False])
def test_of_the_states_the_last_one_is_kept_whether_the_command_ended_or_was_stopped(*, final: bool) -> None:
    states = [{"event": "state", "final": False, "exited": count} for count in (1, 2)]
    states.append({"event": "state", "final": final, "exited": 3})
    assert lines(*states) == [states[2]]


def test_events_that_a_newer_probe_sends_are_kept_as_they_are() -> None:
    newer = {"event": "telepathy", "what": {"deep": [1, "ä"]}}
    hello = {"event": "hello", "protocol": 2}
    assert lines(hello, newer, {"no": "event"}) == [hello, newer, {"no": "event"}]


def test_the_start_is_where_times_begin_and_no_line_of_its_own() -> None:
    assert lines({"event": "started"}) == []


def test_lines_are_compact_and_one_per_event() -> None:
    file = io.StringIO()
    timeline = Timeline(file)
    timeline.take(SAMPLE)
    timeline.take({"event": "process", "cmdline": "sh -c 'two\nlines'", "comm": "ä"})
    assert file.getvalue() == (
        '[0.125,10,5,null,3,60,4,[7,null]]\n{"event":"process","cmdline":"sh -c \'two\\nlines\'","comm":"ä"}\n'
    )
