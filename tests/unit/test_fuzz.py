"""Whatever a file contains: reading it gives a result or an InputError that a person can understand."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buildproof.compose import read_compose
from buildproof.document import KeyPath, read
from buildproof.errors import InputError
from buildproof.manifest import read_manifest

ROUNDS = 300

MANIFEST = """\
[project]
name = "launcher"
source = { crate = "x", version = "1.0.0", sha256 = "@" }
compose = "compose.yml"
[fetch]
command = "cargo fetch"
inputs = ["Cargo.lock"]
time-limit = "20m"
[[build]]
builder = "windows"
command = '''cargo
build'''
artifacts = ["target/*.exe", "x"]
peak-memory = "2g"
time-limit = "15m"
silent-limit = "90s"
starts = { args = ["--version"], stdout = "x\\\\.1", exit-code = 3, artifact = "x" }
tier = "nightly"
profiles = ["4g", "guide"]
environment = { "A" = "1", B = "2" }
""".replace("@", "0a" * 32)

MORE_TOML = """[build.more.dotted]
a.b."c d" = 1
[[build]]
'x' = [[{ y = [1979-05-27 07:32:00, 1] }], '''
[no]''']
"""

COMPOSE = """\
name: x
x-common: &common {image: base, environment: &e {A: "1"}}
services:
  windows:
    <<: *common
    build: {context: ., dockerfile: compose.yml, args: {R: "1"}, target: t}
    mem_limit: 6g
    memswap_limit: 8g
    cpus: "2.0"
    mem_swappiness: 10
    oom_kill_disable: false
    pids_limit: 4096
    ulimits: {memlock: -1, nofile: {soft: 1, hard: 2}}
    tmpfs: ["/tmp:size=64m"]
    user: 1000
    environment: {<<: *e, N: 3}
    x-buildproof:
      target: linux-x86_64
      address-space: 6g
      time-limit: 30m
      starts-in: wine
      glibc-baseline: "2.36"
      profile: guide
      toolchain: {rust: rustc --version}
      profiles: {4g: {mem_limit: 4g, environment: {A: }, ulimits: {core: 0}}}
"""

SPLINTERS = [
    *('"', "'", '"""', "[", "]", "{", "}", "[[", "=", ":", ": ", "- ", "#", "&a ", "*a", "*common", "<<: ", "!!int "),
    *("null", "~", "true", "yes", "inf", "-inf", "nan", ".nan", ".inf", "1e999", "0x" + "f" * 5000, "9" * 5000, "-1"),
    *("1979-05-27", "2024-99-99", "1:30", "[]", "{}", '""', "[[]]", "[{}]", "{a: {a: {}}}", "{a = {a = {}}}", "0"),
    *(r'"\ud800"', r'"\u0000"', "\0", "\t", "\r", "\x7f", "\ufeff", "\u00e9", "\u0661", "\U0001f600", "a" * 300),
    *("/" * 5000, "../..", "..", "/", "$X", "$$", "${X:-y}", '"("', '"a{99999999999}"', '"(?P<a>b"', '"[[a]"'),
    *("x-buildprof", "4g", "1.5", "---", "? ", "|", "> ", "!x ", "[1, 'x', {}]"),
]  # fmt: skip


def mutations(text: str, dice: random.Random, count: int) -> Iterator[bytes]:
    for _ in range(count):
        lines = text.splitlines(keepends=True)
        for _ in range(dice.choice((1, 1, 1, 2, 5))):
            kind, at = dice.randrange(8), dice.randrange(len(lines))
            if kind == 0:
                lines[at] = ""
            elif kind == 1:
                lines.insert(at, dice.choice(lines))
            elif kind == 2:
                spot = dice.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:spot] + dice.choice(SPLINTERS) + lines[at][spot:]
            elif kind == 3:
                spot = dice.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:spot] + lines[at][spot + dice.randrange(4) :]
            elif kind < 6:
                lines[at] = re.sub(r"([=:] )[^=:]*$", lambda match: f"{match[1]}{dice.choice(SPLINTERS)}\n", lines[at])
            else:
                word = r"[\w\"'.*-]+(?=[,\]}])"
                lines[at] = re.sub(word, lambda _: dice.choice(SPLINTERS), lines[at], count=1)
        raw = "".join(lines).encode("utf-8", "surrogatepass")
        if dice.random() < 0.05:
            spot = dice.randrange(len(raw) + 1)
            raw = raw[:spot] + dice.randbytes(dice.randrange(1, 20)) + raw[spot + dice.randrange(50) :]
        yield raw


def noise(dice: random.Random, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield dice.randbytes(dice.randrange(200))
        yield "".join(dice.choices([*SPLINTERS[:40], "a", "b", "\n", " ", ", "], k=dice.randrange(30))).encode()


def outcome(path: Path, reader: Callable[[Path], object], raw: bytes) -> str | None:
    """The message about `raw`, or None where it could be read; any other exception passes through."""
    path.write_bytes(raw)
    try:
        reader(path)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.fuzz
@pytest.mark.parametrize(
    ("name", "text", "reader"),
    [("buildproof.toml", MANIFEST, read_manifest), ("compose.yml", COMPOSE, read_compose)],
)
def test_nothing_but_an_input_error_comes_out_and_it_speaks_to_people(
    tmp_path: Path,
    rounds: Callable[[int], int],
    name: str,
    text: str,
    reader: Callable[[Path], object],
) -> None:
    (tmp_path / "compose.yml").touch()
    dice = random.Random(20260101)  # noqa: S311
    path = tmp_path / name
    good, count = 0, rounds(ROUNDS)
    for raw in (text.encode(), *mutations(text, dice, count), *noise(dice, count // 5)):
        message = outcome(path, reader, raw)
        if message is None:
            good += 1
            continue
        assert message.startswith(str(path)), message
        for jargon in (
            "pydantic",
            "Input should",
            "cannot be used as written",
            "validation error",
            "Traceback",
        ):
            assert jargon not in message, (message, raw)
        assert max(len(line) for line in message.splitlines()) < 6000
    assert good > count / 50


def key_paths(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from key_paths(value, (*path, key))


@pytest.mark.fuzz
@pytest.mark.parametrize(("name", "text"), [("x.toml", MANIFEST + MORE_TOML), ("x.yml", COMPOSE)])
def test_every_key_of_whatever_can_be_read_has_a_place(
    tmp_path: Path, rounds: Callable[[int], int], name: str, text: str
) -> None:
    dice = random.Random(7)  # noqa: S311
    path = tmp_path / name
    good, count = 0, rounds(ROUNDS)
    for raw in (text.encode(), *mutations(text, dice, count)):
        path.write_bytes(raw)
        try:
            document = read(path)
        except InputError:
            continue
        good += 1
        assert set(document.marks) == set(key_paths(document.data)), raw
        lines = raw.decode("utf-8-sig").splitlines()  # YAML's idea of a line is Python's
        for line, column in document.marks.values():
            assert 1 <= line <= len(lines)
            assert 1 <= column <= len(lines[line - 1])
    assert good > count / 5
