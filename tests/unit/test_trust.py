"""What a pull request may change at each level of trust, and that each attempt to widen is told with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from buildproof.discovery import load
from buildproof.document.table import keys_of
from buildproof.errors import InputError
from buildproof.manifest_tables import BuildTable
from buildproof.plan import Build
from buildproof.trust import FREE, LOOSENED, Ceiling, Trust

COMPOSE = """\
services:
  linux:
    image: box
    mem_limit: 1g
    x-buildproof: {target: linux-x86_64, time-limit: 20m, profiles: {4g: {mem_limit: 4g}}}
"""
BASE = """\
[project]
name = "app"
compose = "compose.yml"

[fetch]
command = "cargo fetch --locked"
inputs = ["Cargo.lock"]

[[build]]
builder = "linux"
command = "make"
artifacts = ["app", "lib.so"]
peak-memory = "512m"
time-limit = "10m"
silent-limit = "1m"
starts = { args = ["--version"], stdout = "app 1" }
profiles = ["4g"]
libraries = ["a.dll"]
hardening = "full"
symbols = "stripped"
size-limit = "1m"
contains = ["bin/*"]
"""


class Checkouts:
    """A base branch, and a pull request beside it that may differ."""

    def __init__(self, folder: Path) -> None:
        self.base, self.pull = folder / "base", folder / "pull"
        for checkout in (self.base, self.pull):
            (checkout / "sub").mkdir(parents=True)
            (checkout / ".git").mkdir()
            (checkout / "sub" / "buildproof.toml").write_text(BASE)
            (checkout / "sub" / "compose.yml").write_text(COMPOSE)
        self.manifest = self.pull / "sub" / "buildproof.toml"

    def change(self, old: str, new: str) -> None:
        text = self.manifest.read_text()
        assert old in text
        self.manifest.write_text(text.replace(old, new))

    def load(self, trust: Trust) -> tuple[Build, ...]:
        base = None if trust is Trust.FULL else self.base
        return load([self.pull], ceiling=Ceiling(trust=trust, base=base))

    def complaint(self, trust: Trust) -> str:
        with pytest.raises(InputError) as error:
            self.load(trust)
        return str(error.value).replace(f"{self.pull}/", "")


@pytest.fixture
def checkouts(tmp_path: Path) -> Checkouts:
    return Checkouts(tmp_path)


@pytest.mark.parametrize("trust", Trust)
def test_an_unchanged_manifest_is_allowed_at_every_level(checkouts: Checkouts, trust: Trust) -> None:
    builds = checkouts.load(trust)
    assert [build.id for build in builds] == ["app-linux", "app-linux-4g"]
    assert {build.trust for build in builds} == {trust}


WIDER = [
    ('"app", "lib.so"', '"app"', "artifacts: 'lib.so' is gone"),
    ('peak-memory = "512m"', 'peak-memory = "513m"', "peak-memory: 513 MiB is above the base's 512 MiB"),
    ('peak-memory = "512m"\n', "", "peak-memory: the base's 512 MiB is gone"),
    ('time-limit = "10m"', 'time-limit = "11m"', "time-limit: 11 min 00 s is above the base's 10 min 00 s"),
    ('silent-limit = "1m"\n', "", "silent-limit: the base's 1 min 00 s is gone"),
    ('stdout = "app 1"', 'stdout = ""', "starts: it differs from the base's"),
    ('profiles = ["4g"]\n', "", "profiles: '4g' is gone"),
    (
        'contains = ["bin/*"]',
        'contains = ["bin/*"]\nkinds = { "lib.so" = "installer" }',
        "kinds: it differs from the base's",
    ),
    ('libraries = ["a.dll"]', 'libraries = ["a.dll", "*"]', "libraries: '*' is not among the base's"),
    ('hardening = "full"', 'hardening = "basic"', "hardening: basic is weaker than the base's full"),
    ('symbols = "stripped"\n', "", "symbols: the base's 'stripped' is gone"),
    ('size-limit = "1m"', 'size-limit = "2m"', "size-limit: 2 MiB is above the base's 1 MiB"),
    ('contains = ["bin/*"]\n', "", "contains: 'bin/*' is gone"),
    ('profiles = ["4g"]', 'tier = "nightly"\nprofiles = ["4g"]', "tier: it leaves the gate"),
    ("cargo fetch --locked", "sh fetch.sh", "fetch: what runs with network is not what the base has"),
    ('inputs = ["Cargo.lock"]', 'inputs = ["*"]', "fetch: what runs with network is not what the base has"),
]


@pytest.mark.parametrize(("old", "new", "what"), WIDER)
def test_a_promise_that_gets_weaker_is_an_error_at_its_place_where_nothing_is_trusted(
    checkouts: Checkouts, old: str, new: str, what: str
) -> None:
    checkouts.change(old, new)
    said = checkouts.complaint(Trust.NONE).splitlines()
    assert len(said) == 2, said
    assert re.fullmatch(r"sub/buildproof\.toml:\d+:\d+: " + re.escape(what) + ", and --trust none does not .*", said[0])
    assert "change it in the base first" in said[1]
    assert checkouts.load(Trust.LIMITS)


STRICTER = [
    ('peak-memory = "512m"', 'peak-memory = "100m"'),
    ('time-limit = "10m"', 'time-limit = "1m"'),
    ('"app", "lib.so"', '"app", "lib.so", "more"'),
    ('libraries = ["a.dll"]\n', ""),
    ('hardening = "full"', 'hardening = "strict"'),
    ('command = "make"', 'command = "ninja"\nenvironment = { A = "b" }'),
    ('[fetch]\ncommand = "cargo fetch --locked"\ninputs = ["Cargo.lock"]\n', ""),
]


@pytest.mark.parametrize(("old", "new"), STRICTER)
def test_what_is_built_may_change_and_promises_may_become_stricter(checkouts: Checkouts, old: str, new: str) -> None:
    checkouts.change(old, new)
    assert checkouts.load(Trust.NONE)


def test_every_key_of_a_build_is_judged_or_free() -> None:
    assert set(LOOSENED) | FREE == set(keys_of(BuildTable)), "a new key of [[build]] needs its rule in trust.py"


@pytest.mark.parametrize("trust", [Trust.LIMITS, Trust.NONE])
def test_builders_come_from_the_base(checkouts: Checkouts, trust: Trust) -> None:
    (checkouts.pull / "sub" / "compose.yml").write_text(COMPOSE.replace("1g", "64g").replace("20m", "5h"))
    assert checkouts.load(trust)[0].builder.limits.memory == 1 << 30
    assert checkouts.load(Trust.FULL)[0].builder.limits.memory == 64 << 30


@pytest.mark.parametrize("trust", [Trust.LIMITS, Trust.NONE])
def test_a_build_may_not_take_longer_than_its_builder_allows(checkouts: Checkouts, trust: Trust) -> None:
    checkouts.change('time-limit = "10m"', 'time-limit = "21m"')
    assert "buildproof.toml:14:1: time-limit: 21 min 00 s is above the builder's 20 min 00 s" in checkouts.complaint(
        trust
    )
    assert checkouts.load(Trust.FULL)


@pytest.mark.parametrize("trust", [Trust.LIMITS, Trust.NONE])
def test_a_compose_file_that_the_base_does_not_have_is_refused(checkouts: Checkouts, trust: Trust) -> None:
    (checkouts.pull / "sub" / "mine.yml").write_text(COMPOSE)
    checkouts.change('"compose.yml"', '"mine.yml"')
    said = checkouts.complaint(trust)
    assert said.startswith("sub/buildproof.toml:3:1: project.compose: at --trust ")
    assert "'mine.yml'" in said


@pytest.mark.parametrize("trust", [Trust.LIMITS, Trust.NONE])
def test_files_of_the_host_cannot_be_sources(checkouts: Checkouts, trust: Trust) -> None:
    outside = checkouts.pull.parent / "secrets"
    outside.mkdir()
    checkouts.change('name = "app"', 'name = "app"\nsource = "../../secrets"')
    said = checkouts.complaint(trust)
    assert "buildproof.toml:3:1: project.source: " in said
    assert "is outside of the repository" in said
    (checkouts.pull / "link").symlink_to(outside)
    checkouts.change("../../secrets", "../link")
    assert "is outside of the repository" in checkouts.complaint(trust)
    checkouts.change("../link", "..")
    assert checkouts.load(trust)


@pytest.mark.parametrize("trust", [Trust.LIMITS, Trust.NONE])
def test_the_harness_downloads_only_what_the_base_names(checkouts: Checkouts, trust: Trust) -> None:
    archive = 'source = { archive = "https://internal.example/a.tar.gz", sha256 = "' + "0" * 64 + '" }'
    checkouts.change('name = "app"', f'name = "app"\n{archive}')
    assert "what is downloaded is not what the base has" in checkouts.complaint(trust)
    (checkouts.base / "sub" / "buildproof.toml").write_text(checkouts.manifest.read_text())
    assert checkouts.load(trust)


def test_a_removed_build_is_told(checkouts: Checkouts) -> None:
    text = checkouts.manifest.read_text()
    (checkouts.base / "sub" / "buildproof.toml").write_text(
        text + '[[build]]\nbuilder = "other"\ncommand = "m"\nartifacts = ["x"]\n'
    )
    (checkouts.base / "sub" / "compose.yml").write_text(COMPOSE + COMPOSE.replace("services:\n  linux", "  other"))
    assert "the build with builder 'other' is gone" in checkouts.complaint(Trust.NONE)
    assert checkouts.load(Trust.LIMITS)


def test_a_new_project_may_build_but_not_fetch(checkouts: Checkouts) -> None:
    (checkouts.base / "sub" / "buildproof.toml").unlink()
    assert "fetch: what runs with network" in checkouts.complaint(Trust.NONE)
    checkouts.change('[fetch]\ncommand = "cargo fetch --locked"\ninputs = ["Cargo.lock"]\n', "")
    assert checkouts.load(Trust.NONE)


def test_at_the_lowest_level_the_network_belongs_to_the_bases_own_build(checkouts: Checkouts) -> None:
    checkouts.change('command = "make"', 'command = "make all"\nenvironment = { GIT_SSH_COMMAND = "sh evil.sh" }')
    build = checkouts.load(Trust.NONE)[0]
    assert build.base is not None
    assert build.base.manifest.path == checkouts.base / "sub" / "buildproof.toml"
    assert build.base.environment == {}
    assert (build.command, build.base.command) == ("make all", "make")
    assert {build.base for trust in (Trust.FULL, Trust.LIMITS) for build in checkouts.load(trust)} == {None}


def test_a_checkout_inside_of_the_base_is_not_the_base(checkouts: Checkouts) -> None:
    inside = checkouts.base / "pull"
    checkouts.pull.rename(inside)
    with pytest.raises(InputError, match="lies in the base itself"):
        load([checkouts.base / "sub"], ceiling=Ceiling(trust=Trust.NONE, base=checkouts.base))
    assert load([inside], ceiling=Ceiling(trust=Trust.NONE, base=checkouts.base))
    (inside / ".git").rmdir()
    with pytest.raises(InputError, match="lies in the base itself"):
        load([inside], ceiling=Ceiling(trust=Trust.NONE, base=checkouts.base))
