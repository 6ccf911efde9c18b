"""The layers of an image build that was killed: written down as they are made, and removed when nobody is at it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from buildproof.engine import Engine
from buildproof.errors import EngineError
from buildproof.images import sweep_layers
from buildproof.images.journal import Journal, image_lock

REFERENCE = "buildproof/windows-builder:0123"
DOCKER = """\
Step 1/5 : FROM debian:trixie
 ---> 111111111111
Step 2/5 : ENV A=1
 ---> Using cache
 ---> 222222222222
Step 3/5 : RUN echo ' ---> 999999999999 '
 ---> Running in 888888888888
 ---> 999999999999 x
Removing intermediate container 888888888888
 ---> 333333333333
Step 4/5 : COPY a b
 ---> 444444444444
"""
PODMAN = """\
STEP 1/3: FROM debian:trixie
STEP 2/3: ENV A=1
--> Using cache 222222222222
--> 222222222222
STEP 3/3: RUN true
--> 333333333333
"""


class FakeEngine:
    """Remembers what it was asked to remove; some images are needed by others."""

    def __init__(self, *needed: str) -> None:
        self.asked: list[str] = []
        self.needed = needed

    def remove_untagged(self, image: str) -> bool:
        self.asked.append(image)
        if image in self.needed:
            raise EngineError("it has children")
        return True


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def killed(text: str) -> None:
    """A build that never came to the end of its context."""
    journal = Journal(REFERENCE).__enter__()
    for line in text.splitlines():
        journal.take(line)


@pytest.mark.parametrize(
    ("text", "made"), [(DOCKER, ["444444444444", "333333333333"]), (PODMAN, ["333333333333"])], ids=["Docker", "Podman"]
)
def test_the_layers_of_a_killed_build_go_children_first_and_none_that_was_there_before(
    text: str, made: list[str]
) -> None:
    killed(text)
    engine = FakeEngine()
    assert sweep_layers(cast("Engine", engine)) == len(made)
    assert engine.asked == made
    assert sweep_layers(cast("Engine", engine)) == 0


def test_a_layer_that_an_image_is_made_of_does_not_save_the_others() -> None:
    killed(DOCKER)
    engine = FakeEngine("444444444444")
    assert sweep_layers(cast("Engine", engine)) == 1
    assert engine.asked == ["444444444444", "333333333333"]


def test_a_build_that_is_under_way_keeps_its_layers() -> None:
    killed(DOCKER)
    engine = FakeEngine()
    with image_lock(REFERENCE):
        assert sweep_layers(cast("Engine", engine)) == 0
    assert engine.asked == []
    assert sweep_layers(cast("Engine", engine)) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_a_build_that_ended_by_itself_keeps_its_layers_for_the_next_try(fails: bool) -> None:
    def end() -> None:
        with Journal(REFERENCE) as journal:
            for line in DOCKER.splitlines():
                journal.take(line)
            if fails:
                raise EngineError("step 5 failed")

    if fails:
        with pytest.raises(EngineError):
            end()
    else:
        end()
    engine = FakeEngine()
    assert sweep_layers(cast("Engine", engine)) == 0
    assert engine.asked == []
