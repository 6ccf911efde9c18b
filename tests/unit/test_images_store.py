"""Images as a run asks for them: what a person is told while another run makes one."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import cast

import pytest

from buildproof.builder import BuildContext
from buildproof.engine import Engine
from buildproof.images.journal import image_lock
from buildproof.images.store import Images, shorten


class FakeEngine:
    """Has every image, and keeps what it was asked for."""

    def __init__(self, *, has_images: bool = True) -> None:
        self.asked: list[str] = []
        self.has_images = has_images

    def image_id(self, reference: str) -> str | None:
        self.asked.append(reference)
        return f"sha256:{len(reference):064d}" if self.has_images else None

    def build_image(self, *_arguments: object, **_more: object) -> list[str]:
        self.has_images = True
        return ["Step 1/3 : FROM scratch", " ---> ", "Step 2/3 : RUN make", "Step 3/3 : LABEL buildproof.run=1"]

    def tag(self, *_names: str) -> None:
        """Every name is as good as another."""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuildContext:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "Dockerfile").write_text("FROM scratch\n")
    return BuildContext(context=tmp_path / "image", dockerfile=tmp_path / "image" / "Dockerfile", args={}, target=None)


def test_who_waits_for_another_run_to_make_an_image_is_told_so(build: BuildContext) -> None:
    engine, told, waits = FakeEngine(), list[str](), threading.Event()

    def progress(line: str) -> None:
        told.append(line)
        waits.set()

    images = Images(cast("Engine", engine), ca_bundle=None, progress=progress)
    reference = images.made("ours/box", build).reference
    assert told == []
    other = threading.Thread(target=images.made, args=("ours/box", build))
    with image_lock(reference):
        other.start()
        assert waits.wait(30)
        asked = len(engine.asked)
    other.join(30)
    assert told == [f"another run is making {reference}: waiting for it"]
    assert len(engine.asked) > asked


def test_each_step_that_makes_something_is_told(build: BuildContext) -> None:
    told = list[str]()
    images = Images(cast("Engine", FakeEngine(has_images=False)), ca_bundle=None, progress=told.append)
    reference = images.made("ours/box", build).reference
    assert told == [f"building {reference}", "Step 1/3 : FROM scratch", "Step 2/3 : RUN make"]


def test_a_step_of_an_image_fits_the_usual_terminal() -> None:
    told = shorten("Step 4/19 : RUN apt-get update -q \\\n    && apt-get install -qy " + " ".join(["mingw"] * 30))
    assert len(told) < 80
    assert told.startswith("Step 4/19 : RUN apt-get update -q \\ && apt-get install")
    assert told.endswith("…")
