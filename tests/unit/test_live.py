"""What is going on: told by the process that builds, drawn by the one that has the terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import select
from dataclasses import replace
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


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_figures_are_never_cut(width: int) -> None:
    full = replace(STATE, id="lld-full-tmpfs-linux-tmpfs", at_work="ld.lld " + "x" * 80, tightest=("/scratch", 4096))
    for state in (STATE, full):
        text = drawn(width, state, LiveState(id="other", phase="fetch"))
        assert "1:02/15:00" in text
        assert "3 GiB of 6 GiB" in text
        assert "fetch" in text
        assert "2 of 6 builds done" in text


def test_a_row_stays_where_it_is_while_its_figures_change() -> None:
    now, then = (
        drawn(80, replace(STATE, demand=demand, running_s=s)) for demand, s in ((1023 << 20, 1.0), (4096, 700))
    )
    assert now.index(" of 6 GiB") == then.index(" of 6 GiB")
    assert now.index("/15:00") == then.index("/15:00")


def on_a_screen(said: str, width: int) -> list[str]:
    """The lines that a terminal shows: text, line feeds, and the cursor movements that a board is made of."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.|\n", said.replace("\r\n", "\n\r"), re.DOTALL):
        amount = int(re.sub(r"\D", "", piece.partition(";")[0]) or 1) if piece[0] == "\x1b" else 0
        if piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece == "\r":
            column = 0
        elif piece[0] != "\x1b":
            lines[row] = lines[row].ljust(column)[:column] + piece + lines[row][column + 1 :]
            column += 1
            assert column < width, "a line of this test wraps"
        elif piece[-1] == "A":
            row -= amount
        elif piece[-1] == "G":
            column = amount - 1
        elif piece[-1] == "K":
            lines[row] = ""
        else:
            assert piece[-1] in "mhl", piece
    return lines


def test_pytests_line_goes_on_where_it_was_after_the_board_stood_below_it() -> None:
    ours, theirs = pty.openpty()
    begun = "tests/verify/test_matrix.py "
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        view = View.on(terminal, lambda: Board(states=[STATE], done=0, of=1), lambda: len(begun))
        terminal.write(begun)
        terminal.flush()
        view._draw(view._look())
        view._draw(view._look())
        with view.aside():
            terminal.write(".F")
            terminal.flush()
        shown = read(ours)
    os.close(ours)
    assert "launcher-windows" in shown
    assert [line for line in on_a_screen(shown, 100) if line.strip()] == [f"{begun}.F"]


def read(terminal: int) -> str:
    said = b""
    while select.select([terminal], [], [], 0.2)[0]:
        said += os.read(terminal, 1 << 16)
    return said.decode()


def test_the_board_leaves_nothing_on_the_screen_and_stands_aside() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        view = View.on(terminal, lambda: Board(states=[STATE], done=0, of=1))
        view._draw(view._look())
        with view.aside():
            assert view._live is None
        view.stop()
        said = read(ours)
    os.close(ours)
    assert "launcher-windows" in said
    assert said.rpartition("builds done")[2].count("\x1b[2K") >= 2
