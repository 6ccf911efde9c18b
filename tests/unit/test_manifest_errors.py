from __future__ import annotations

from pathlib import Path

import pytest

from buildproof.errors import InputError, InputErrors
from buildproof.manifest import read_manifest

SHA = "0123456789abcdef" * 4
HEAD = '[project]\nname = "x"\n'
BUILD = '[[build]]\nbuilder = "linux"\ncommand = "make"\nartifacts = ["x"]\n'


def complaints(folder: Path, text: str) -> list[str]:
    path = folder / "buildproof.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_manifest(path)
    raised = error.value
    errors = raised.errors if isinstance(raised, InputErrors) else [raised]
    return [str(one).replace(f"{folder}/", "").removeprefix("buildproof.toml:") for one in errors]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"nope"', "3:1: project.source.path: there is no folder nope"),
        ('"buildproof.toml"', "3:1: project.source.path: there is no folder buildproof.toml"),
        (
            '"/tmp"',
            "3:1: project.source.path: '/tmp' must be relative to this file, not absolute",
        ),
        ('""', "3:1: project.source.path: is empty"),
        ('"a\\u0000b"', "3:1: project.source.path: contains the control character U+0000"),
        ("3", "3:1: project.source: must be a table of keys and values, not the number 3"),
        ("{}", "3:1: project.source: needs one of 'path', 'crate' and 'archive'"),
        (
            f'{{ path = ".", crate = "x", sha256 = "{SHA}" }}',
            "3:1: project.source: needs one of 'path', 'crate' and 'archive', not several",
        ),
        (f'{{ path = ".", sha256 = "{SHA}" }}', "3:24: project.source.sha256: has no meaning beside 'path'"),
        (f'{{ crate = "x", sha256 = "{SHA}" }}', "3:1: project.source: 'version' is missing beside 'crate'"),
        ('{ crate = "x", version = "1.0.0" }', "3:1: project.source: 'sha256' is missing beside 'crate'"),
        (
            f'{{ crate = "x", version = "^1.0", sha256 = "{SHA}" }}',
            "3:25: project.source.version: '^1.0' must be one exact version, such as 1.2.3",
        ),
        (
            f'{{ crate = "x/y", version = "1.0.0", sha256 = "{SHA}" }}',
            "3:12: project.source.crate: 'x/y' cannot be the name of a crate",
        ),
        (
            '{ crate = "x", version = "1.0.0", sha256 = "abc" }',
            "3:44: project.source.sha256: must be the 64 hexadecimal digits of a SHA-256, not 'abc'",
        ),
        ('{ archive = "https://a/x.tar" }', "3:1: project.source: 'sha256' is missing beside 'archive'"),
        (
            f'{{ archive = "https://a/x.zip", sha256 = "{SHA}" }}',
            "3:12: project.source.archive: 'https://a/x.zip' must end in one of .tar, .tar.gz, .tgz, .tar.xz, .txz",
        ),
        (
            f'{{ archive = "http://a/x.tar", sha256 = "{SHA}" }}',
            "3:12: project.source.archive: 'http://a/x.tar' must be an https:// address or a relative path",
        ),
        (
            f'{{ archive = "x.tar", sha256 = "{SHA}" }}',
            "3:12: project.source.archive: there is no file x.tar",
        ),
        (
            '{ create = "x" }',
            "3:12: project.source: unknown key 'create', did you mean 'crate'?",
        ),
    ],
)
def test_a_source_that_cannot_be_used_is_an_error_in_its_line(tmp_path: Path, source: str, expected: str) -> None:
    assert expected in complaints(tmp_path, f"{HEAD}source = {source}\n{BUILD}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'peak-memory = "12x"',
            "build.peak-memory: '12x' is not a size: write a number with b, k, m or g, such as 512m",
        ),
        ('peak-memory = "0"', "build.peak-memory: '0' is no usable size: it must be above zero"),
        ("peak-memory = -1", "build.peak-memory: -1 is no usable size: it must be above zero"),
        ("peak-memory = 1.5", "build.peak-memory: must be a size such as 512m, not the number 1.5"),
        ("peak-memory = []", "build.peak-memory: must be a size such as 512m, not a list"),
        (
            'time-limit = "soon"',
            "build.time-limit: 'soon' is not a duration: write it like 90s, 15m or 1h30m",
        ),
        ("time-limit = inf", "build.time-limit: inf is no usable duration: nobody waits longer than a month"),
        ("time-limit = 1979-05-27", "build.time-limit: must be a duration such as 15m, not a date or time"),
        ('silent-limit = "0s"', "build.silent-limit: '0s' is no usable duration: it must be above zero"),
        ('tier = "gates"', "build.tier: 'gates' is unknown, did you mean 'gate'?"),
        ("tier = 1", "build.tier: must be one of gate, nightly, not the number 1"),
        ('hardening = "fill"', "build.hardening: 'fill' is unknown, did you mean 'full'?"),
        ('symbols = "none"', "build.symbols: 'none' is unknown; known here: any, stripped"),
        (
            'size-limit = "much"',
            "build.size-limit: 'much' is not a size: write a number with b, k, m or g, such as 512m",
        ),
        ("libraries = [1]", "build.libraries: must be text, not the number 1: put it in quotes"),
        (
            'kinds = { "x" = "setup" }',
            "build.kinds.x: 'setup' is unknown; known here: program, library, installer, object",
        ),
        ('kinds = { "y" = "installer" }', "build.kinds.y: 'y' is none of 'artifacts'"),
        ('contains = "a"', "build.contains: must be a list, not the text 'a'"),
        ('tear = "gate"', "build: unknown key 'tear', did you mean 'tier'?"),
        ('time_limit = "1h"', "build: unknown key 'time_limit', did you mean 'time-limit'?"),
        ('profiles = "4g"', "build.profiles: must be a list, not the text '4g'"),
        ('environment = { "A-B" = "1" }', "build.environment.A-B: 'A-B' cannot be the name of a variable"),
        (
            "environment = { A = 1.5 }",
            "build.environment.A: must be text, not the number 1.5: put it in quotes",
        ),
        ("environment = { A = true }", "build.environment.A: must be text, not true: put it in quotes"),
        ("environment = { A = [] }", "build.environment.A: must be text, not a list"),
        ("environment = 1", "build.environment: must be a table of names and values, not the number 1"),
        (
            'starts = "--version"',
            "build.starts: must be a table of keys and values, not the text '--version'",
        ),
        ('starts = { args = "-v" }', "build.starts.args: must be a list, not the text '-v'"),
        ("starts = { args = [1] }", "build.starts.args: must be text, not the number 1: put it in quotes"),
        (
            'starts = { stdout = "(" }',
            "build.starts.stdout: '(' is not a regular expression: missing ), unterminated subpattern",
        ),
        ("starts = { exit-code = -1 }", "build.starts.exit-code: must be 0 or more, not -1"),
        ("starts = { exit-code = 256 }", "build.starts.exit-code: must be 255 or less, not 256"),
        ("starts = { exit-code = true }", "build.starts.exit-code: must be a whole number, not true"),
        ('starts = { artifact = "y" }', "build.starts.artifact: 'y' is none of 'artifacts'"),
        (
            'starts = { artifact = "../x" }',
            "build.starts.artifact: '../x' must stay inside of the project: '..' leads out",
        ),
        ('starts = { argv = ["x"] }', "build.starts: unknown key 'argv', did you mean 'args'?"),
    ],
)
def test_a_wrong_value_is_an_error_in_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (found,) = complaints(tmp_path, HEAD + BUILD + text + "\n")
    line, _, rest = found.partition(":")
    assert line == "7"
    assert rest.partition(": ")[2] == expected


@pytest.mark.parametrize(
    ("artifacts", "expected"),
    [
        ("[]", "4:1: build.artifacts: must have at least one entry"),
        ('"x"', "4:1: build.artifacts: must be a list, not the text 'x'"),
        ('["/x"]', "4:14: build.artifacts: '/x' must be relative to the project, not absolute"),
        ('["C:/x"]', "4:14: build.artifacts: 'C:/x' must be relative to the project, not absolute"),
        (
            '["x", "a/../../x"]',
            "4:19: build.artifacts: 'a/../../x' must stay inside of the project: '..' leads out",
        ),
        ('["a\\\\b"]', "4:14: build.artifacts: 'a\\\\b' must use / between folders"),
        ('["x", ""]', "4:19: build.artifacts: is empty"),
        ('["a/"]', "4:14: build.artifacts: 'a/' names a folder: name files, such as a/*"),
        ('["x", "x"]', "4:19: build.artifacts: 'x' stands here twice"),
    ],
)
def test_artifacts_are_files_inside_of_the_project(tmp_path: Path, artifacts: str, expected: str) -> None:
    text = f'[[build]]\nbuilder = "linux"\ncommand = "make"\nartifacts = {artifacts}\n{HEAD}'
    assert complaints(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BUILD, [" 'project' is missing"]),
        (HEAD, [" 'build' is missing"]),
        ("[project]\n" + BUILD, ["1:1: project: 'name' is missing"]),
        (
            HEAD + "[[build]]\n",
            [f"3:1: build: '{key}' is missing" for key in ("builder", "command", "artifacts")],
        ),
        (
            HEAD + BUILD.replace("[[build]]", "[build]"),
            ["3:1: build: must be a list, not a table of keys and values"],
        ),
        (HEAD + "[fetch]\n" + BUILD, ["3:1: fetch: 'command' is missing"]),
        (HEAD + '[fetsh]\ncommand = "x"\n' + BUILD, ["3:1: unknown key 'fetsh', did you mean 'fetch'?"]),
        (
            '[project]\nname = "My App"\n' + BUILD,
            [
                (
                    "2:1: project.name: 'My App' must be lower-case letters, digits and dashes, "
                    "63 at most, not starting with a dash"
                )
            ],
        ),
        (HEAD + 'compose = "none.yml"\n' + BUILD, ["3:1: project.compose: there is no file none.yml"]),
        (HEAD + BUILD.replace('"make"', '" "'), ["5:1: build.command: is empty"]),
    ],
)
def test_a_manifest_without_the_necessary_is_an_error(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert complaints(tmp_path, text) == expected


def test_all_errors_of_a_manifest_come_together_in_the_order_of_lines(tmp_path: Path) -> None:
    text = '[project]\nname = "X"\nsource = "nope"\n[[build]]\nbuilder = 1\ncommand = "x"\nartefacts = ["y"]\n'
    found = complaints(tmp_path, text)
    assert [line.split(":")[0] for line in found] == ["2", "3", "4", "5", "7"]
    assert found[2:] == [
        "4:1: build: 'artifacts' is missing",
        "5:1: build.builder: must be text, not the number 1: put it in quotes",
        "7:1: build: unknown key 'artefacts', did you mean 'artifacts'?",
    ]
