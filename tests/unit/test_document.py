from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildproof.document import Document, KeyPath, did_you_mean, read


def reading(path: Path, content: str | bytes) -> Document:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)


def key_paths(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from key_paths(value, (*path, key))


TRICKY_TOML = r'''# a comment with [brackets] and key = "value"
top = 1
"quoted # key" = '#'
'literal.key' = "a \"quoted\" # value"
a.b.c = 1
a . "b" . d = 2

[table]   # comment
text = """
[not.a.table]
key = "no key"
ends with quotes \""""""
literal = \'\'\'
x = 1 'quoted'\'\'\'\'
array = [1, 2, # comment with ]
  [3, "]"], { x = 1, y.z = [ { deep = true } ] },
  1979-05-27 07:32:00,
]
date = 1979-05-27T07:32:00Z
empty = {}
none = []

  [table.below]
  key="value"

[[build]]
builder = "windows"
[build.starts]
args = []
[[build.step]]
n = 1
[[build.step]]
n = 2
[build.step.inner]
m = 3

[[build]]
builder = "linux"
starts = { args = ["--version"], "exit-code" = 0 }
[[build.step]]
n = 4
'''.replace(r"\'", "'")


def test_every_key_and_item_of_a_toml_file_has_a_place(tmp_path: Path) -> None:
    document = reading(tmp_path / "x.toml", TRICKY_TOML)
    assert set(document.marks) == set(key_paths(document.data))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_toml_key_is_found_in_the_line_where_a_person_sees_it(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "x.toml"
    document = reading(path, TRICKY_TOML.replace("\n", newline))
    lines = TRICKY_TOML.splitlines()
    for key, start in {
        ("top",): "top = 1",
        ("quoted # key",): '"quoted # key"',
        ("a", "b", "d"): '"b" . d = 2',
        ("table", "array", 2, 1): '"]"], { x',
        ("table", "array", 3, "y", "z", 0, "deep"): "deep = true",
        ("table", "array", 4): "1979-05-27 07",
        ("table", "date"): "date =",
        ("table", "below", "key"): 'key="value"',
        ("build", 0, "builder"): 'builder = "windows"',
        ("build", 0, "starts", "args"): "args = []",
        ("build", 0, "step", 1, "inner", "m"): "m = 3",
        ("build", 1, "builder"): 'builder = "linux"',
        ("build", 1, "starts", "exit-code"): '"exit-code" = 0',
        ("build", 1, "step", 0, "n"): "n = 4",
    }.items():
        place = document.place(*key)
        assert place.line and place.column
        if key == ("a", "b", "d"):
            assert lines[place.line - 1][place.column - 1 :] == "d = 2"
        elif key == ("table", "array", 2, 1):
            assert lines[place.line - 1][place.column - 1 :].startswith('"]"]')
        else:
            assert lines[place.line - 1][place.column - 1 :].startswith(start)


def test_a_key_that_the_file_does_not_have_is_placed_at_its_parent(tmp_path: Path) -> None:
    document = reading(tmp_path / "x.toml", "[a]\n[a.b]\nc = 1\n")
    assert document.place("a", "b", "missing").line == 2
    assert str(document.place("missing")) == str(tmp_path / "x.toml")


YAML = """\
base: &base
  one: 1
  two: &two [a, b]
list:
  - x
  - {y: 1}
merged:
  <<: *base
  one: overridden
  three: *two
both:
  <<: [{p: 1, q: 1}, {q: 2, r: 2}]
"""


def test_anchors_aliases_and_merges_keep_the_places_where_keys_are_written(tmp_path: Path) -> None:
    document = reading(tmp_path / "x.yml", YAML)
    assert document.data["merged"] == {"one": "overridden", "two": ["a", "b"], "three": ["a", "b"]}
    assert document.data["both"] == {"p": 1, "q": 1, "r": 2}
    assert set(document.marks) == set(key_paths(document.data))
    lines = {key: document.place(*key).line for key in document.marks}
    assert lines["merged", "one"] == 9
    assert lines["merged", "two"] == 3
    assert lines["merged", "three"] == 10
    assert lines["list", 1, "y"] == 6
    assert not document.problems


def test_a_merge_does_not_count_as_a_duplicate_but_a_key_written_twice_does(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    document = reading(path, "a: 1\nb: {c: 1,\n  c: 2}\na: 2\n")
    assert sorted(str(problem) for problem in document.problems) == [
        f"{path}:3:3: 'c' is a duplicate: it stands in line 2 already",
        f"{path}:4:1: 'a' is a duplicate: it stands in line 1 already",
    ]


def test_dates_and_colons_stay_text(tmp_path: Path) -> None:
    document = reading(tmp_path / "x.yml", "a: 2024-01-02\nb: 1:30\nc: 0x10\nd: 2.50\ne: ~\nf: 'yes'\ng: =\n")
    assert document.data == {
        "a": "2024-01-02",
        "b": "1:30",
        "c": 16,
        "d": 2.5,
        "e": None,
        "f": "yes",
        "g": "=",
    }


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    assert reading(tmp_path / "x.toml", b"\xef\xbb\xbfa = 1\n").data == {"a": 1}
    assert reading(tmp_path / "x.yml", b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("artefacts", ", did you mean 'artifacts'?"),
        ("time_limit", ", did you mean 'time-limit'?"),
        ("Builder", ", did you mean 'builder'?"),
        ("zzz", "; known here: artifacts, time-limit, builder"),
    ],
)
def test_the_nearest_known_word_is_suggested(word: str, end: str) -> None:
    assert did_you_mean(word, ["artifacts", "time-limit", "builder"]) == end


def test_the_beginning_of_several_words_suggests_them_all() -> None:
    assert did_you_mean("win", ["windows-a", "windows-b", "linux"]) == ", did you mean one of windows-a, windows-b?"
    assert did_you_mean("win", []) == "; there are none"
