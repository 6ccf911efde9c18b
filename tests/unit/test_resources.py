from __future__ import annotations

from pathlib import Path

import pytest

from buildproof import resources
from buildproof.compose import read_compose
from buildproof.errors import InputError


def test_a_checkout_has_its_builders_beside_the_sources() -> None:
    assert resources.dockerfiles() == Path(__file__).parents[2] / "dockerfiles"
    assert resources.shipped_compose() == resources.dockerfiles() / "compose.yml"


def test_an_installed_copy_has_its_builders_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lib" / "site-packages" / "buildproof"
    (package / "dockerfiles").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.dockerfiles() == package / "dockerfiles"


def test_a_copy_without_builders_says_where_they_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "src" / "buildproof")
    with pytest.raises(InputError) as error:
        resources.dockerfiles()
    assert str(error.value).replace(f"{tmp_path}/", "") == (
        "this copy of buildproof has no builders: neither src/buildproof/dockerfiles nor dockerfiles exists\n"
        "  next: pip install --force-reinstall buildproof"
    )


def test_the_shipped_compose_file_has_builders_for_both_platforms() -> None:
    builders = read_compose(resources.shipped_compose())
    assert {builder.target.platform for builder in builders.values()} == {"windows", "linux"}
    for builder in builders.values():
        for profile in builder.profiles:
            assert builder.with_profile(profile).profile == profile
