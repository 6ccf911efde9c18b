"""What is ours is removed, each thing at a time when the engine lets it go."""

from __future__ import annotations

from typing import cast

from buildproof import labels
from buildproof.engine import Engine
from buildproof.reaper import clean, sweep


class FakeEngine:
    """Has the containers of two pods, and, as Podman does, refuses to remove a probe that a build still depends on."""

    def __init__(self) -> None:
        self.containers = {
            "probe-1": labels.of("probe", run="r", build="a"),
            "build-1": labels.of("build", run="r", build="a"),
            "probe-2": labels.of("probe", run="r", build="b"),
            "build-2": labels.of("build", run="r", build="b"),
        }

    def labelled(self, *_labels: str) -> dict[str, dict[str, str]]:
        return dict(self.containers)

    def remove(self, container: str) -> None:
        assert container.replace("probe", "build") not in set(self.containers) - {container}
        del self.containers[container]

    def labelled_volumes(self, *_labels: str) -> dict[str, dict[str, str]]:
        return {}


def test_the_sweep_removes_builds_before_the_probes_they_depend_on() -> None:
    engine = FakeEngine()
    assert sweep(cast("Engine", engine), "r") == 4
    assert engine.containers == {}


def test_clean_does_so_too_and_names_each() -> None:
    engine = FakeEngine()
    lines = list(clean(cast("Engine", engine), images=False, really=True))
    assert engine.containers == {}
    assert sorted(lines) == sorted(
        f"removed container {name} ({name.partition('-')[0]})" for name in ("build-1", "build-2", "probe-1", "probe-2")
    )
    assert list(clean(cast("Engine", engine), images=False, really=True)) == ["nothing of ours is there"]
