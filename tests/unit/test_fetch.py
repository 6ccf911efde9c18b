"""The name of a fetch volume: what could change what is fetched is in it, and a stranger's fetch is nobody else's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildproof.discovery import load
from buildproof.fetch import volume_name
from buildproof.images.store import Image
from buildproof.plan import Build
from buildproof.sources import open_source
from buildproof.trust import Trust

MANIFEST = """\
[project]
name = "app"

[fetch]
command = "sh fetch.sh"
inputs = ["Cargo.lock"]

[[build]]
builder = "linux"
command = "make"
artifacts = ["app"]
"""


@pytest.fixture
def build(tmp_path: Path) -> Build:
    for name, text in (("buildproof.toml", MANIFEST), ("Cargo.lock", "1"), ("fetch.sh", "cargo fetch")):
        (tmp_path / name).write_text(text)
    return load([tmp_path])[0]


def name(build: Build, image: str = "sha256:1") -> str:
    fetch, project = build.manifest.fetch, build.manifest.project
    assert fetch
    tree = open_source(project.source, ca_bundle=None, where=project.source_place)
    return volume_name(build, Image("box", image), fetch, tree)


def test_the_same_inputs_mean_the_same_volume(build: Build) -> None:
    assert name(build) == name(build)
    assert name(build).startswith("buildproof-fetch-app-")


def test_image_environment_user_and_inputs_are_in_the_name(build: Build, tmp_path: Path) -> None:
    names = [
        name(build),
        name(build, "sha256:2"),
        name(replace(build, environment={**build.environment, "HTTPS_PROXY": "http://elsewhere"})),
        name(replace(build, builder=replace(build.builder, user="1234"))),
    ]
    (tmp_path / "Cargo.lock").write_text("2")
    names.append(name(build))
    assert len(set(names)) == len(names)


def test_a_script_that_is_no_input_makes_a_strangers_volume_another_one(build: Build, tmp_path: Path) -> None:
    trusted, stranger = name(build), name(replace(build, trust=Trust.LIMITS))
    (tmp_path / "fetch.sh").write_text("cp /poison $BUILDPROOF_CACHE")
    assert name(build) == trusted
    assert len({trusted, stranger, name(replace(build, trust=Trust.LIMITS))}) == 3
