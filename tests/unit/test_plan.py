from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from buildproof.builder import Builder
from buildproof.compose import read_compose
from buildproof.discovery import discover, load
from buildproof.errors import InputError
from buildproof.manifest import Manifest, Tier, read_manifest
from buildproof.plan import Build, plan, select

COMPOSE = """\
services:
  windows:
    image: w
    mem_limit: 6g
    environment: {A: builder, B: builder}
    x-buildproof:
      target: windows-x86_64
      time-limit: 20m
      profile: guide
      profiles: {4g: {mem_limit: 4g, environment: {B: profile}}, 2g: {mem_limit: 2g}}
  linux:
    image: l
    x-buildproof: {target: linux-x86_64, profiles: {4g: {mem_limit: 4g}}}
"""


def project(folder: Path, name: str, *builds: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "buildproof.toml"
    head = f'[project]\nname = "{name}"\n'
    path.write_text(head + "".join(f'[[build]]\ncommand = "make"\nartifacts = ["x"]\n{build}\n' for build in builds))
    return path


def planned(folder: Path, *manifests: Path) -> tuple[Build, ...]:
    (folder / "compose.yml").write_text(COMPOSE)
    builders = read_compose(folder / "compose.yml")
    return plan([read_manifest(path) for path in manifests], lambda _: builders)


def ids(builds: tuple[Build, ...]) -> list[str]:
    return [build.id for build in builds]


WINDOWS = 'builder = "windows"'
LINUX = 'builder = "linux"'


def test_a_build_is_project_times_builder_times_profile(tmp_path: Path) -> None:
    path = project(tmp_path, "app", f'{WINDOWS}\nprofiles = ["2g", "4g"]', LINUX)
    assert ids(planned(tmp_path, path)) == ["app-windows", "app-windows-2g", "app-windows-4g", "app-linux"]


def test_the_builders_own_profile_may_be_named_and_adds_nothing(tmp_path: Path) -> None:
    path = project(tmp_path, "app", f'{WINDOWS}\nprofiles = ["4g", "guide"]')
    assert ids(planned(tmp_path, path)) == ["app-windows", "app-windows-4g"]


def test_a_build_carries_what_the_profile_and_the_manifest_make_of_the_builder(tmp_path: Path) -> None:
    lines = [
        WINDOWS,
        'profiles = ["4g"]',
        'environment = { A = "build" }',
        'peak-memory = "1g"',
        'silent-limit = "5m"',
    ]
    base, laid = planned(tmp_path, project(tmp_path, "app", "\n".join(lines)))
    assert (base.profile, laid.profile) == ("guide", "4g")
    assert (base.builder.limits.memory, laid.builder.limits.memory) == (6 << 30, 4 << 30)
    assert base.environment == {"A": "build", "B": "builder"}
    assert laid.environment == {"A": "build", "B": "profile"}
    assert base.peak_memory == laid.peak_memory == 1 << 30
    assert (base.silent_limit_s, base.command, base.artifacts, base.starts) == (300, "make", ("x",), None)
    assert (base.platform, base.target, base.project) == ("windows", "windows-x86_64", "app")


def test_the_time_limit_is_the_builds_or_the_builders_or_half_an_hour(tmp_path: Path) -> None:
    path = project(tmp_path, "app", WINDOWS, f'{LINUX}\nprofiles = ["4g"]')
    other = project(tmp_path / "b", "other", f'{WINDOWS}\ntime-limit = "90s"')
    assert [build.time_limit_s for build in planned(tmp_path, path, other)] == [1200, 1800, 1800, 90]


def test_extra_profiles_run_at_night_and_the_base_when_it_says(tmp_path: Path) -> None:
    path = project(tmp_path, "app", f'{WINDOWS}\nprofiles = ["4g"]', f'{LINUX}\ntier = "nightly"')
    assert [build.tier for build in planned(tmp_path, path)] == [Tier.GATE, Tier.NIGHTLY, Tier.NIGHTLY]


def test_the_order_does_not_depend_on_the_order_of_the_manifests(tmp_path: Path) -> None:
    one = project(tmp_path / "z", "alpha", LINUX, WINDOWS)
    two = project(tmp_path / "a", "beta", WINDOWS)
    assert (
        ids(planned(tmp_path, two, one))
        == ids(planned(tmp_path, one, two))
        == ["alpha-linux", "alpha-windows", "beta-windows"]
    )


def test_builds_are_selected_by_platform_and_tier(tmp_path: Path) -> None:
    builds = planned(tmp_path, project(tmp_path, "app", f'{WINDOWS}\nprofiles = ["4g"]', LINUX))
    assert ids(select(builds)) == ids(builds)
    assert ids(select(builds, platform="windows")) == ["app-windows", "app-windows-4g"]
    assert ids(select(builds, platform="windows", tier=Tier.GATE)) == ["app-windows"]
    assert ids(select(builds, tier=Tier.NIGHTLY)) == ids(builds)


def complaint(folder: Path, *manifests: Path) -> str:
    with pytest.raises(InputError) as error:
        planned(folder, *manifests)
    return str(error.value).replace(f"{folder}/", "")


def test_an_unknown_builder_is_an_error_in_the_manifest(tmp_path: Path) -> None:
    path = project(tmp_path, "app", 'builder = "window"')
    assert complaint(tmp_path, path) == "buildproof.toml:6:1: there is no builder 'window', did you mean 'windows'?"


def test_an_unknown_profile_is_an_error_in_the_manifest(tmp_path: Path) -> None:
    path = project(tmp_path, "app", f'{WINDOWS}\nprofiles = ["3g", "default"]')
    assert complaint(tmp_path, path).splitlines() == [
        "buildproof.toml:7:1: builder 'windows' has no profile '3g'; known here: guide, 4g, 2g",
        "buildproof.toml:7:1: builder 'windows' has no profile 'default'; known here: guide, 4g, 2g",
    ]


def test_two_projects_of_one_name_are_an_error(tmp_path: Path) -> None:
    one, two = project(tmp_path / "a", "app", LINUX), project(tmp_path / "b", "app", LINUX)
    expected = "b/buildproof.toml:2:1: project.name: 'app' is the project at a/buildproof.toml:2:1 already"
    assert complaint(tmp_path, two, one) == expected


def test_two_builds_of_one_id_are_an_error(tmp_path: Path) -> None:
    path = project(tmp_path, "app", LINUX, LINUX)
    expected = "buildproof.toml:10:1: build 'app-linux' is declared at buildproof.toml:6:1 already"
    assert complaint(tmp_path, path) == expected


def test_the_errors_of_builders_and_manifests_come_together(tmp_path: Path) -> None:
    project(tmp_path / "a", "Bad", LINUX)
    project(tmp_path / "b", "good", LINUX, 'builder = "none"')
    project(tmp_path / "c", "own", LINUX).write_text(
        '[project]\nname = "own"\ncompose = "c.yml"\n[[build]]\nbuilder = "l"\ncommand = "m"\nartifacts = ["x"]\n'
    )
    (tmp_path / "c" / "c.yml").write_text("services: 1\n")
    (tmp_path / "compose.yml").write_text(COMPOSE)
    with pytest.raises(InputError) as error:
        load([tmp_path], compose=tmp_path / "compose.yml")
    assert [line.replace(f"{tmp_path}/", "").split(": ")[0] for line in str(error.value).splitlines()] == [
        "a/buildproof.toml:2:1",
        "b/buildproof.toml:10:1",
        "c/c.yml:1:1",
    ]


def test_a_compose_file_is_read_once_and_its_own_comes_before_the_given(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(COMPOSE)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "own.yml").write_text(COMPOSE.replace("image: l", "image: own"))
    path = project(tmp_path / "a", "app", LINUX)
    path.write_text(path.read_text().replace('"app"\n', '"app"\ncompose = "own.yml"\n'))
    project(tmp_path / "b", "other", LINUX)
    builds = load([tmp_path], compose=tmp_path / "compose.yml")
    assert [build.builder.image for build in builds] == ["own", "l"]


def test_manifests_are_found_in_a_file_a_folder_and_a_tree(tmp_path: Path) -> None:
    app = project(tmp_path / "apps" / "app", "app", LINUX)
    deep = project(tmp_path / "apps" / "group" / "deep", "deep", LINUX)
    for hidden in (
        "apps/.git/x",
        "apps/app/target/x",
        "apps/group/node_modules/x",
        "apps/.buildproof/last",
        "apps/app/below",
    ):
        project(tmp_path / hidden, "hidden", LINUX)
    assert discover([tmp_path]) == (app, deep)
    assert discover([tmp_path / "apps" / "app"]) == (app,)
    assert discover([app, tmp_path / "apps" / "app", tmp_path / "apps"]) == (app, deep)
    other = app.rename(app.with_name("other.toml"))
    assert discover([other]) == (other,)


def test_a_path_without_a_manifest_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as error:
        discover([tmp_path / "empty", tmp_path / "none"])
    assert str(error.value).replace(f"{tmp_path}/", "").splitlines() == [
        "empty: no buildproof.toml in this folder, nor in a folder below it",
        "  next: write empty/buildproof.toml, see docs/manifest.md",
        "none: no such file or folder",
    ]


def test_builders_are_asked_for_by_manifest(tmp_path: Path) -> None:
    seen: list[str] = []
    (tmp_path / "compose.yml").write_text(COMPOSE)
    builders = read_compose(tmp_path / "compose.yml")

    def builders_for(manifest: Manifest) -> Mapping[str, Builder]:
        seen.append(manifest.project.name)
        return builders

    plan([read_manifest(project(tmp_path / name, name, LINUX)) for name in ("b", "a")], builders_for)
    assert seen == ["a", "b"]
