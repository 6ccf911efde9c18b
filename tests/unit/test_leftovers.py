"""What is removed and what is not: by whose it is, and never what only inherited our labels."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import cast

import pytest
from filelock import FileLock

from buildproof import labels
from buildproof.engine import Engine, Kind, Thing
from buildproof.errors import EngineError
from buildproof.layout import downloads, fetch_lock
from buildproof.leftovers import KEPT, Standing, clean, sweep, sweep_run, sweep_scratch
from buildproof.leftovers.judgement import judged
from buildproof.ownership import Here, Keep, Mark, Owner, Process, here, scratch_folder, scratch_prefix, this_process

LIVING = Owner(process=this_process(), run="now")
GONE = Owner(process=Process(pid=os.getpid(), started=0, host=this_process().host), run="then")
ELSEWHERE = Owner(process=Process(pid=1, started=1, host="other/1"), run="there")
NOW = here().now


def container(name: str, owner: Owner | None, purpose: str = "build", **more: str) -> Thing:
    own = owner.mark(NOW).labels() if owner else {}
    return Thing(kind=Kind.CONTAINER, id=name, names=(name,), labels={**labels.of(purpose), **own, **more})


def volume(name: str, owner: Owner, *, shared: bool = True) -> Thing:
    told = owner.mark(NOW, shared=shared).labels()
    return Thing(kind=Kind.VOLUME, id=name, labels={**labels.of("fetch"), **told})


def image(*names: str, of: str | None = None) -> Thing:
    told = labels.of_image(of) if of else {labels.OURS: "image"}
    told |= GONE.mark(NOW, shared=True).labels()
    return Thing(kind=Kind.IMAGE, id="sha256:1", names=names, labels=told, size=1 << 30)


class FakeEngine:
    """Has what it is given, and, as Podman does, refuses to remove a probe that a build still depends on."""

    def __init__(self, *found: Thing) -> None:
        self.found = {thing.id: thing for thing in found}
        self.stubborn: set[str] = set()

    def things(self, label: str) -> list[Thing]:
        assert label == labels.OURS
        return list(self.found.values())

    def remove(self, container: str) -> None:
        assert container.replace("probe", "build") not in set(self.found) - {container}
        if container in self.stubborn:
            raise EngineError("the engine refused")
        del self.found[container]

    def remove_volume(self, name: str) -> None:
        self.found.pop(name, None)

    def remove_image(self, name: str) -> None:
        self.found = {key: thing for key, thing in self.found.items() if name not in thing.names}


def swept(engine: FakeEngine) -> tuple[int, list[str]]:
    said: list[str] = []
    return sweep(cast("Engine", engine), said.append), said


def standing(*found: Thing, at: float = NOW) -> dict[str, Standing]:
    then = Here(host=this_process().host, started=here().started, now=at)
    return {known.thing.id: known.standing for known in judged(found, then)}


def test_a_sweep_removes_what_dead_owners_left_and_nothing_of_the_living() -> None:
    engine = FakeEngine(
        container("probe-1", GONE, "probe"), container("build-1", GONE), volume("scratch", GONE, shared=False),
        container("probe-2", LIVING, "probe"), container("build-2", LIVING), container("build-3", ELSEWHERE),
        volume("cache", GONE), image("buildproof/windows:1", of="buildproof/windows:1"),
    )  # fmt: skip
    assert swept(engine) == (3, [])
    assert set(engine.found) == {"probe-2", "build-2", "build-3", "cache", "sha256:1"}


def test_what_an_owner_elsewhere_left_is_removed_after_its_deadline() -> None:
    found = container("build", ELSEWHERE)
    deadline = ELSEWHERE.mark(NOW).deadline
    assert standing(found, at=deadline - 1) == {"build": Standing.IN_USE}
    assert standing(found, at=deadline + 1) == {"build": Standing.DEAD}


def test_a_kept_container_and_its_volumes_stay_until_they_are_asked_for() -> None:
    kept = Thing(
        kind=Kind.CONTAINER, id="c", names=(f"{KEPT}then-app",), uses=("source",), labels=container("c", GONE).labels
    )
    engine = FakeEngine(kept, volume("source", GONE, shared=False))
    assert swept(engine) == (0, [])
    assert sweep_run(cast("Engine", engine), "then", print) == 0
    lines = list(clean(cast("Engine", engine), {Standing.DEAD}, really=True))
    assert all(line.startswith("left ") and line.endswith("; --kept removes it") for line in lines)
    list(clean(cast("Engine", engine), {Standing.DEAD, Standing.KEPT}, really=True))
    assert engine.found == {}


def test_what_somebody_made_from_our_images_is_not_ours() -> None:
    inherited = image(of="buildproof/windows:1").labels
    by_hand = Thing(kind=Kind.CONTAINER, id="by-hand", names=("by-hand",), labels=inherited, running=True)
    older = Thing(kind=Kind.CONTAINER, id="older", labels={labels.OURS: "image"})
    derived = image("my/builder:1", of="buildproof/windows:1")
    untagged = image(of="buildproof/windows:1")
    foreign = Thing(kind=Kind.VOLUME, id="foreign", labels={"other": "1"})
    assert standing(by_hand, older, derived, untagged, foreign) == {}
    made_by_us = container("made-by-us", GONE, **{labels.IMAGE: "buildproof/windows:1"})
    assert standing(made_by_us) == {"made-by-us": Standing.DEAD}, "it inherits them as well"


def test_an_image_of_a_kept_container_goes_with_the_shell_that_made_it() -> None:
    told = {**labels.of_image("buildproof/kept:1"), **GONE.mark(NOW).labels()}
    left = Thing(kind=Kind.IMAGE, id="kept", names=("buildproof/kept:1",), labels=told, size=1)
    assert standing(left) == {"kept": Standing.DEAD}


def test_what_an_older_version_left_is_known_by_what_it_does_now() -> None:
    old = {labels.OURS: "build", labels.RUN: "r"}
    runs = Thing(kind=Kind.CONTAINER, id="runs", labels=old, running=True)
    over = Thing(kind=Kind.CONTAINER, id="over", labels=old)
    fetched = Thing(kind=Kind.VOLUME, id="fetched", labels={labels.OURS: "fetch"})
    assert standing(runs, over, fetched, image("buildproof/windows:0")) == {
        "runs": Standing.IN_USE, "over": Standing.DEAD, "fetched": Standing.CACHE, "sha256:1": Standing.IMAGE,
    }  # fmt: skip


def full(name: str) -> Thing:
    """The mark beside a fetch volume that was filled."""
    told = {**labels.of("fetch"), labels.FULL: name, **GONE.mark(NOW, shared=True).labels()}
    return Thing(kind=Kind.VOLUME, id=f"{name}-full", labels=told)


def test_a_volume_that_a_dead_run_was_filling_goes_and_a_full_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    engine = FakeEngine(
        container("fetch", GONE, "fetch"), volume("half", GONE, shared=False), volume("whole", GONE, shared=False),
        full("whole"), volume("filled-now", GONE, shared=False),
    )  # fmt: skip
    with FileLock(fetch_lock("filled-now")):
        _, said = swept(engine)
    assert set(engine.found) == {"whole", "whole-full", "filled-now"}
    assert said[0].endswith("the volume filled-now is being filled")
    engine = FakeEngine(volume("half", GONE, shared=False), volume("whole", GONE, shared=False), full("whole"))
    assert sweep_run(cast("Engine", engine), "then", print) == 1
    assert set(engine.found) == {"whole", "whole-full"}
    list(clean(cast("Engine", engine), {Standing.CACHE}, really=True))
    assert engine.found == {}


def test_a_thing_that_the_engine_does_not_let_go_does_not_save_the_others() -> None:
    engine = FakeEngine(container("build-1", GONE), container("build-2", GONE))
    engine.stubborn = {"build-1"}
    count, said = swept(engine)
    assert (count, set(engine.found)) == (1, {"build-1"})
    why = f"its owner is gone, and process {os.getpid()} is another one now"
    assert said == [f"left where it is, {why}: the engine refused"]


def test_the_end_of_a_run_removes_what_it_made_for_itself_alone() -> None:
    worker = Owner(process=Process(pid=1, started=1, host="other/1"), run="now")
    engine = FakeEngine(
        container("probe", LIVING, "probe"), container("build", worker), container("other", GONE), volume("c", LIVING)
    )
    assert sweep_run(cast("Engine", engine), "now", print) == 2
    assert set(engine.found) == {"other", "c"}


def test_a_worker_can_remove_what_it_made_itself_and_leave_the_others_alone() -> None:
    worker = Owner(process=Process(pid=1, started=1, host="other/1"), run="now")
    engine = FakeEngine(container("probe", LIVING, "probe"), container("build", worker))
    assert sweep_run(cast("Engine", engine), "now", print, owner=worker.process) == 1
    assert set(engine.found) == {"probe"}


def test_clean_says_what_it_would_do_and_why_before_it_does_it() -> None:
    engine = FakeEngine(
        container("build-1", GONE, **{labels.BUILD: "app-windows"}), container("build-2", LIVING),
        volume("cache", GONE), image("buildproof/windows:1", of="buildproof/windows:1"),
    )  # fmt: skip
    pid = os.getpid()
    gone = f"its owner is gone, and process {pid} is another one now"
    assert list(clean(cast("Engine", engine), {Standing.DEAD}, really=False)) == [
        f"would remove container build-1 (build of app-windows): {gone}",
        f"would leave container build-2 (build): its owner, process {pid}, may be at work",
        "would leave volume cache (fetch): shared by all runs; --caches removes it",
        "would leave image buildproof/windows:1 (1 GiB): builds are made in it; --images removes it",
    ]
    assert len(engine.found) == 4
    list(clean(cast("Engine", engine), {Standing.DEAD, Standing.CACHE, Standing.IMAGE}, really=True))
    assert set(engine.found) == {"build-2"}
    assert list(clean(cast("Engine", FakeEngine()), {Standing.DEAD}, really=True)) == ["nothing of ours is there"]


def test_a_mark_says_that_a_thing_is_shared() -> None:
    assert Mark.read(volume("cache", GONE).labels) == GONE.mark(round(NOW), shared=True)
    assert GONE.mark(NOW).keep is Keep.NONE


def test_scratch_of_dead_processes_goes_and_that_of_the_living_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    gone = scratch_prefix().replace(f"-{os.getpid()}-", "-999999999-", 1)
    (tmp_path / f"{gone}folder").mkdir()
    (tmp_path / f"{gone}folder" / "file").touch()
    (downloads() / f"{gone}download").touch()
    with scratch_folder() as own:
        assert sweep_scratch() == 2
        assert Path(own).is_dir()
    assert list(downloads().iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
