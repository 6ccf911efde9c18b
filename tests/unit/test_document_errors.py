from __future__ import annotations

from pathlib import Path

import pytest

from buildproof.document import Document, read
from buildproof.errors import InputError


def reading(path: Path, content: str | bytes) -> Document:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)


def complaint(path: Path, content: str | bytes) -> str:
    with pytest.raises(InputError) as error:
        reading(path, content)
    return str(error.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "x.toml: is empty"),
        (" \n\n", "x.toml: is empty"),
        ("# only this\n", "x.toml: is empty: it has only comments"),
        (b"a = 1\nb = '\xff'\n", "x.toml:2: is not UTF-8 text: byte 0xff in this line"),
        ("a = 1\nb = \n", "x.toml:2:5: not valid TOML: invalid value"),
        ("a = 1\na = 2\n", "x.toml:2:6: not valid TOML: cannot overwrite a value"),
        ("a = 1\n[b\n", "x.toml:2:3: not valid TOML: expected ']' at the end of a table declaration"),
        ('a = 1\nb = "x', "x.toml:2: not valid TOML: unterminated string at the end of the file"),
    ],
)
def test_a_broken_toml_file_is_an_error_with_its_line(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert complaint(tmp_path / "x.toml", content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "x.yml: is empty"),
        ("# only this\n", "x.yml: is empty: it has only comments"),
        ("{}", "x.yml: is empty"),
        (b"a: \xe9\n", "x.yml:1: is not UTF-8 text: byte 0xe9 in this line"),
        ("a: 1\nb: c: d\n", "x.yml:2:5: not valid YAML: mapping values are not allowed here"),
        (
            "a: 1\n\tb: 2\n",
            (
                "x.yml:2:1: not valid YAML: found character '\\t' that cannot start any token "
                "(while scanning for the next token)"
            ),
        ),
        ("a: *b\n", "x.yml:1:4: not valid YAML: found undefined alias 'b'"),
        (
            "a: 1\n---\nb: 1\n",
            "x.yml:2:1: not valid YAML: but found another document (expected a single document in the stream)",
        ),
        ("a: 1\nb: \x07\n", "x.yml:2: not valid YAML: character U+0007 is not allowed"),
        ("- a\n", "x.yml:1:1: must be a table of keys and values at the top"),
        ("just text\n", "x.yml:1:1: must be a table of keys and values at the top"),
        ("a: &a [*a]\n", "x.yml:1:4: is nested too deeply, or its aliases multiply"),
        ("a: &a\n  <<: *a\n", "x.yml:1:4: is nested too deeply, or its aliases multiply"),
    ],
)
def test_a_broken_yaml_file_is_an_error_with_its_line(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert complaint(tmp_path / "x.yml", content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1: a\n", "x.yml:1:1: a key must be text: put '1' in quotes"),
        ("on: a\n", "x.yml:1:1: a key must be text: put 'on' in quotes"),
        ("? [a]\n: b\n", "x.yml:1:3: a key must be text: put this in quotes"),
        ("a: !env X\n", "x.yml:1:4: the tag !env is not understood here"),
        ("a: !!set {x}\n", "x.yml:1:4: the tag set is not understood here"),
        ("a: !!int x\n", "x.yml:1:4: 'x' is not of the kind int"),
        ("a: !!bool x\n", "x.yml:1:4: 'x' is not of the kind bool"),
        ('a: "\\ud800"\n', "x.yml:1:4: contains half of a surrogate pair, which is no character"),
        ("a:\n  <<: 1\n", "x.yml:2:7: << merges tables of keys and values, and this is none"),
    ],
)
def test_yaml_that_is_read_but_not_understood_is_a_problem_with_its_line(
    tmp_path: Path, content: str, expected: str
) -> None:
    document = reading(tmp_path / "x.yml", content)
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in document.problems] == [expected]


def test_a_monstrous_file_is_an_error_like_any_other(tmp_path: Path) -> None:
    toml, yml = tmp_path / "x.toml", tmp_path / "x.yml"
    assert complaint(toml, "a = " + "[" * 5000) == "x.toml: is nested too deeply"
    assert complaint(toml, "a = " + "9" * 5000) == "x.toml: not valid TOML: it contains a number that is too long"
    assert complaint(toml, "a = 1\n" * 200_000).startswith("x.toml: is larger than 1 MiB")
    assert complaint(yml, "a: " + "[" * 5000) == "x.yml:1:68: is nested too deeply"
    assert complaint(yml, "a: " + "{b: " * 5000) == "x.yml:1:260: is nested too deeply"
    assert complaint(yml, "- " * 2000 + "a") == "x.yml: is nested too deeply"
    assert complaint(yml, "".join(" " * n + "a:\n" for n in range(200))).endswith(
        "is nested too deeply, or its aliases multiply"
    )


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "its aliases multiply" in complaint(tmp_path / "x.yml", "\n".join(lines))


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError) as missing:
        read(tmp_path / "none.toml")
    assert str(missing.value) == f"{tmp_path}/none.toml: no such file"
    with pytest.raises(InputError) as folder:
        read(tmp_path)
    assert str(folder.value) == f"{tmp_path}: is a directory, not a file"
    with pytest.raises(InputError) as below_a_file:
        (tmp_path / "file").touch()
        read(tmp_path / "file" / "x.toml")
    assert str(below_a_file.value) == f"{tmp_path}/file/x.toml: cannot be read: Not a directory"
    with pytest.raises(InputError, match="is no path"):
        read(Path("a\0b.toml"))


def test_brackets_may_be_as_deep_as_anything_else(tmp_path: Path) -> None:
    deep = "[" * 63 + "x" + "]" * 63
    assert reading(tmp_path / "x.yml", f"a: {deep}\nb: {deep}\n").data["b"] is not None
    assert complaint(tmp_path / "x.yml", f"a: [{deep}]\nb: [[{deep}]]") == "x.yml:2:68: is nested too deeply"
