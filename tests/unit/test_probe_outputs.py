"""Looking up what artifact patterns match, on real folders: nothing is followed, and a hostile pattern costs little."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildproof.probe import outputs
from buildproof.probe.outputs import Pattern, look, main, matches


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("target/app.exe", "target/app.exe", True),
        ("target/app.exe", "./target//app.exe", True),
        ("target/app.exe", "target/*.exe", True),
        ("target/app.EXE", "target/*.exe", False),
        ("target/sub/app.exe", "target/*.exe", False),
        ("target/sub/app.exe", "target/*/app.exe", True),
        ("target/sub/app.exe", "target/**/*.exe", True),
        ("target/app.exe", "target/**/*.exe", True),
        ("target/a/b/app.exe", "**/app.exe", True),
        ("app.exe", "**/app.exe", True),
        ("target/a/b/app.exe", "target/**", True),
        ("other/app.exe", "target/**", False),
        ("a/x/b/y/c", "a/**/b/**/c", True),
        ("a/b/c", "a/**/b/**/c", True),
        ("a/c", "a/**/b/**/c", False),
        ("a/b", "**/**/**/b", True),
        ("app-1.exe", "app-[0-9].exe", True),
        ("app-x.exe", "app-[!0-9].exe", True),
        ("app1", "app?", True),
        ("app", "app?", False),
        ("app", "ap", False),
        ("ap", "app", False),
        ("a/b", "a", False),
        ("a", "a/b", False),
    ],
)
def test_globs_match_part_by_part(name: str, pattern: str, expected: bool) -> None:
    assert matches(name, pattern) is expected


@pytest.mark.fuzz
def test_a_glob_matches_as_its_definition_says(rounds: Callable[[int], int]) -> None:
    chance = random.Random(3)  # noqa: S311
    for _ in range(rounds(20_000)):
        name = "/".join(chance.choices("ab", k=chance.randint(1, 6)))
        pattern = "/".join(chance.choices(["a", "b", "*", "**"], k=chance.randint(1, 5)))
        parts = [
            r"(?:[^/]+/)*" if part == "**" else (r"[^/]+" if part == "*" else part) + "/" for part in pattern.split("/")
        ]
        assert matches(name, pattern) is (re.fullmatch("".join(parts), f"{name}/") is not None), (name, pattern)


def test_a_pattern_made_to_be_matched_for_long_is_not() -> None:
    """Part by part with going back this takes longer than the world is old."""
    assert not matches("/".join("a" * 200), "/".join([*["**", "a"] * 60, "b"]))
    assert not matches("a" * 200, "*a" * 60 + "b")


def test_what_has_to_come_next_is_known_where_no_wildcard_stands() -> None:
    glob = Pattern("target/*/app")
    assert glob.only_name(glob.first) == "target"
    after = glob.after(glob.first, "target")
    assert glob.only_name(after) is None
    assert glob.only_name(glob.after(after, "x")) == "app"
    assert glob.after(glob.first, "other") == frozenset()
    assert Pattern("**/app").only_name(Pattern("**/app").first) is None


def found(root: Path, pattern: str) -> set[tuple[str, str]]:
    return {(name, kind) for name, kind, _ in look(str(root), pattern)}


def test_files_are_found_with_their_sizes(tmp_path: Path) -> None:
    (tmp_path / "target" / "sub").mkdir(parents=True)
    (tmp_path / "target" / "app.exe").write_bytes(b"123")
    (tmp_path / "target" / "sub" / "lib.dll").write_bytes(b"")
    assert list(look(str(tmp_path), "target/app.exe")) == [("target/app.exe", "file", 3)]
    assert found(tmp_path, "target/**") == {("target/app.exe", "file"), ("target/sub/lib.dll", "file")}
    assert found(tmp_path, "**/*.dll") == {("target/sub/lib.dll", "file")}
    assert found(tmp_path, "target") == found(tmp_path, "nothing/*") == found(tmp_path, "target/app.exe/x") == set()


def test_links_are_told_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "app").symlink_to(outside / "secret")
    (root / "dir").symlink_to(outside)
    (root / "loop").symlink_to(".")
    assert found(root, "app") == {("app", "link")}
    assert found(root, "dir/secret") == {("dir", "link above")}
    assert found(root, "*/secret") == set()
    assert found(root, "**/secret") == set()
    assert found(root, "*") == {("app", "link"), ("dir", "link"), ("loop", "link")}


def test_what_is_no_file_is_told_by_its_kind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(Path(os.path.relpath(tmp_path)) / "socket"))
    assert found(tmp_path, "*") == {("pipe", "pipe"), ("socket", "socket")}
    assert next(look("/dev", "null")) == ("null", "device", 0)


def test_a_sparse_file_has_the_size_that_it_says(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert list(look(str(tmp_path), "sparse")) == [("sparse", "file", 1 << 40)]


def test_folders_deeper_than_any_path_end_the_walk_and_nothing_else(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    name = "d" * 200
    for _ in range(60):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    (tmp_path / "app").write_text("x")
    assert found(tmp_path, "**/app") == {("app", "file")}
    subprocess.run(["rm", "-rf", str(tmp_path / name)], check=True)


def test_folders_are_walked_down_to_a_bound(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (outputs.DEEPEST + 5))
    deep.mkdir(parents=True)
    (deep / "app").touch()
    (tmp_path.joinpath(*["d"] * outputs.DEEPEST) / "app").touch()
    assert len(found(tmp_path, "**/app")) == 1


def answered(root: Path, most: int, patterns: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    main(str(root), most, patterns)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_answer_is_lines_of_json_whatever_the_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {b"a\nb", b"\xff", b'{"too_many": false}', b"\x1b[31m"}
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    first, *lines, last = answered(tmp_path, 10, ["nothing", "*"], capsys)
    assert (first, last) == ({"pattern": 0, "too_many": False}, {"pattern": 1, "too_many": False})
    assert {os.fsencode(line["name"]) for line in lines} == names
    assert {line["pattern"] for line in lines} == {1}


def test_no_more_is_told_than_is_asked_for_and_the_other_patterns_still_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(100):
        (tmp_path / str(number)).touch()
    lines = answered(tmp_path, 12, ["*", "1?", "2?", "77"], capsys)
    assert [line["too_many"] for line in lines if "too_many" in line] == [True, False, True, False]
    assert sum("name" in line for line in lines) == 11
    assert len(answered(tmp_path, 100, ["*"], capsys)) == 101


def test_of_very_many_files_only_what_may_match_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million inodes are a gigabyte of the kernel's memory, and the container that looks has a quarter of that."""
    (tmp_path / "out" / "deep").mkdir(parents=True)
    for name in ("a", "b", "app", "deep/c", "deep/app"):
        (tmp_path / "out" / name).touch()
    asked: list[str] = []
    lstat = os.lstat

    def listened(path: str) -> os.stat_result:
        asked.append(os.path.relpath(path, tmp_path))
        return lstat(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", listened)
        found = sorted(name for name, _, _ in look(str(tmp_path), "**/app"))
    assert found == ["out/app", "out/deep/app"]
    assert sorted(asked) == ["out", "out/app", "out/deep", "out/deep/app"]
