"""What is going on: told by the process that builds, drawn by the one that has the terminal."""

from __future__ import annotations

import io
import os
import pty
import select
from pathlib import Path

import pytest
from rich.console import Console

from buildproof.live import Board, LiveFile, LiveState, board, calm_line, read_all
from buildproof.live.view import View

GIB = 1 << 30
STATE = LiveState(
    id="launcher-windows", phase="build", running_s=62.0, time_limit_s=900.0, demand=3 * GIB, high_water=4 * GIB,
    memory_limit=6 * GIB, at_work="rustc --crate-name tauri_utils", tightest=("/tmp", 12 * GIB),
)  # fmt: skip


def drawn(width: int, *states: LiveState, unicode: bool = True) -> str:
    out = io.StringIO()
    shown = board(Board(states=states, done=2, of=6), width=width, unicode=unicode)
    Console(file=out, width=width).print(shown)
    return out.getvalue()


def test_what_a_build_tells_is_read_by_another_process_and_gone_when_it_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / ".live"
    assert read_all(folder) == []
    live = LiveFile(folder, LiveState(id="a", phase="image"))
    live.tell(phase="build", running_s=1.5)
    (found,) = read_all(folder)
    assert (found.id, found.phase, found.running_s) == ("a", "build", 1.5)
    live.close()
    assert read_all(folder) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"id": "x"}', '{"id": "x", "phase": "y", "new": 1}'])
def test_a_file_that_is_none_of_ours_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert [state.id for state in read_all(tmp_path)] in ([], ["x"])


def test_a_folder_that_cannot_be_written_stops_no_build(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    live = LiveFile(tmp_path / "file" / "live", STATE)
    live.tell(phase="check")
    live.close()


def test_a_row_says_phase_time_memory_and_who_is_at_work() -> None:
    text = drawn(140, STATE)
    for said in (
        "launcher-windows",
        "build",
        "1:02/15:00",
        "3 GiB of 6 GiB",
        "rustc --crate-name tauri_utils",
        "12 GiB free",
    ):
        assert said in text
    assert "2 of 6 builds done" in text


def test_the_bar_shows_the_limit_and_the_high_water_mark() -> None:
    assert "███████··▏····" in drawn(140, STATE)
    assert "#######..|...." in drawn(140, STATE, unicode=False)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_row_is_wider_than_the_terminal_or_takes_two_lines(width: int) -> None:
    lines = drawn(width, STATE, STATE).splitlines()
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)


def test_a_build_that_has_not_begun_is_its_phase_alone() -> None:
    assert drawn(120, LiveState(id="a", phase="image")).split("\n")[0].split() == ["a", "image"]


def test_text_of_a_build_moves_no_cursor() -> None:
    assert "\x1b" not in drawn(140, LiveState(id="a", phase="build", at_work="evil \x1b[2J\x1b]0;x\x07"))


def test_a_line_for_a_log_has_the_same_figures() -> None:
    assert calm_line(STATE) == (
        "launcher-windows: 1 min 02 s of 15 min 00 s, 3 GiB of 6 GiB, rustc --crate-name tauri_utils"
    )
    assert calm_line(LiveState(id="a", phase="fetch")) == "a: fetch"


def test_the_board_leaves_nothing_on_the_screen_and_stands_aside() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        view = View.on(terminal, lambda: Board(states=[STATE], done=0, of=1))
        view._draw(view._look())
        with view.aside():
            assert view._live is None
        view.stop()
        said = b""
        while select.select([ours], [], [], 0.2)[0]:
            said += os.read(ours, 1 << 16)
    os.close(ours)
    assert b"launcher-windows" in said
    assert said.rpartition(b"builds done")[2].count(b"\x1b[2K") >= 2
