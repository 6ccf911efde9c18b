"""What goes into an image decides its tag; what does not, does not."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from buildproof.builder import BuildContext
from buildproof.images.context import CA_BUNDLE, Context

DOCKERFILE = "FROM <debian>\nCOPY files /files\n"


@pytest.fixture
def build(tmp_path: Path) -> BuildContext:
    folder = tmp_path / "context"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "tool").write_text("#!/bin/sh\n")
    (folder / "Dockerfile").write_text("FROM debian\nCOPY files /files\n")
    return BuildContext(context=folder, dockerfile=folder / "Dockerfile", args={"A": "1", "B": "2"}, target=None)


def digest(build: BuildContext, dockerfile: str = DOCKERFILE) -> str:
    return Context(build, dockerfile).digest()


def members(build: BuildContext, ca_bundle: Path | None = None) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with Context(build, DOCKERFILE).tar(ca_bundle) as file, tarfile.open(fileobj=file) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            found[member.name] = content.read() if content else b""
    return found


def test_the_same_inputs_have_the_same_digest(build: BuildContext) -> None:
    before = digest(build)
    os.utime(build.context / "files" / "tool", (1, 1))
    assert digest(build) == before
    assert digest(replace(build, args={"B": "2", "A": "1"})) == before


def test_every_input_changes_the_digest(build: BuildContext) -> None:
    tool = build.context / "files" / "tool"
    digests = {
        "as it is": digest(build),
        "parent": digest(build, DOCKERFILE.replace("debian", "other")),
        "argument": digest(replace(build, args={"A": "1", "B": "3"})),
        "no argument": digest(replace(build, args={"A": "1"})),
        "stage": digest(replace(build, target="tools")),
    }
    tool.chmod(0o755)
    digests["mode"] = digest(build)
    tool.write_text("#!/bin/sh\ntrue\n")
    digests["content"] = digest(build)
    tool.rename(tool.with_name("renamed"))
    digests["name"] = digest(build)
    (build.context / "files" / "link").symlink_to("renamed")
    digests["link"] = digest(build)
    (build.context / "more").mkdir()
    digests["folder"] = digest(build)
    assert len(set(digests.values())) == len(digests)


def test_the_ca_bundle_is_no_input(build: BuildContext, tmp_path: Path) -> None:
    before = digest(build)
    (build.context / CA_BUNDLE).write_text("left behind by somebody")
    assert digest(build) == before
    bundle = tmp_path / "mine.pem"
    bundle.write_text("mine")
    assert members(build, bundle)[CA_BUNDLE] == b"mine"
    assert members(build)[CA_BUNDLE] == b""


def test_the_dockerfile_on_disk_counts_only_as_it_was_resolved(build: BuildContext) -> None:
    before = digest(build)
    build.dockerfile.write_text("FROM something-else\n")
    assert digest(build) == before
    assert members(build)["Dockerfile"] == DOCKERFILE.encode()


def test_a_dockerfile_of_another_name_arrives_as_the_builder_expects_it(build: BuildContext) -> None:
    other = build.dockerfile.rename(build.context / "Dockerfile.windows")
    found = members(replace(build, dockerfile=other))
    assert found["Dockerfile"] == DOCKERFILE.encode()
    assert "Dockerfile.windows" not in found


def test_the_tar_has_every_file_with_its_content(build: BuildContext) -> None:
    assert members(build) == {
        "files": b"", "files/tool": b"#!/bin/sh\n", "Dockerfile": DOCKERFILE.encode(), CA_BUNDLE: b"",
    }  # fmt: skip


def test_a_dockerignore_leaves_files_behind_and_a_gitignore_does_not(build: BuildContext) -> None:
    for place in (build.context, build.context / "files"):
        (place / ".gitignore").write_text("*.o\n")
        (place / "x.o").write_text("o")
    (build.context / ".dockerignore").write_text("*.log\n")
    (build.context / "x.log").write_text("log")
    before = digest(build)
    found = members(build)
    assert {"x.o", "files/x.o", "files/.gitignore"} <= set(found)
    assert "x.log" not in found
    (build.context / "x.log").write_text("another")
    assert digest(build) == before
