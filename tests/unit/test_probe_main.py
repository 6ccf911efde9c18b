"""The probe's own life: when it ends."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from buildproof.probe import __main__ as room


def test_the_deadline_counts_anew_when_the_build_is_let_go_for_its_sources_may_take_long_to_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, told = [100.0], list[str]()

    def wait(seconds: float) -> list[dict[str, object]]:
        now[0] += seconds
        return [{"do": "go"}] if now[0] == 108.0 else []

    commands: Any = SimpleNamespace(open=True, wait=wait)
    watch: Any = SimpleNamespace(pause_s=1.0, obey=lambda _command: None, tick=lambda: None)
    monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(room, "shut_the_doors", lambda: None)
    monkeypatch.setattr(room, "reap", lambda: None)
    monkeypatch.setattr(room, "switch_accounting_on", lambda: (None, "not here"))
    monkeypatch.setattr(room, "emit", lambda event, **_facts: told.append(event))
    monkeypatch.setattr(room, "Watch", lambda *_: watch)
    monkeypatch.setattr(room, "Commands", lambda: commands)
    assert room.main(10.0) == 3
    assert now[0] == 118.0
    assert told == ["hello", "deadline"]


def test_samples_are_told_with_the_next_event_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BufferedWriter(cast("Any", written)), "utf-8"))
    room.emit("sample", at_s=1.0)
    assert written.getvalue() == b""
    room.emit("state", at_s=1.1)
    assert [json.loads(line)["at_s"] for line in written.getvalue().splitlines()] == [1.0, 1.1]
