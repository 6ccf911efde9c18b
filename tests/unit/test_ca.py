"""Which CA bundle downloads trust."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildproof import ca
from buildproof.ca import VARIABLE, ca_bundle
from buildproof.errors import InputError


@pytest.fixture
def bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the bundles `option`, `variable`, `ssl`, `second` and `third`; the host has the last two."""
    for name in ("option", "variable", "ssl", "second", "third"):
        (tmp_path / name).write_text(name)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setattr(ca, "_SYSTEM", (tmp_path / "first", tmp_path / "second", tmp_path / "third"))
    return tmp_path


def test_the_option_goes_before_the_variable_before_ssl_before_the_host(
    bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ca_bundle(None) == bundles / "second"
    monkeypatch.setenv("SSL_CERT_FILE", str(bundles / "ssl"))
    assert ca_bundle(None) == bundles / "ssl"
    monkeypatch.setenv(VARIABLE, str(bundles / "variable"))
    assert ca_bundle(None) == bundles / "variable"
    assert ca_bundle(str(bundles / "option")) == bundles / "option"


@pytest.mark.parametrize("off", ["off", "none", "OFF", ""])
def test_off_is_off_wherever_it_is_said(bundles: Path, monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundles / "ssl"))
    assert ca_bundle(off) is None
    monkeypatch.setenv(VARIABLE, off)
    assert ca_bundle(None) is None
    assert ca_bundle(str(bundles / "option")) == bundles / "option"


@pytest.mark.parametrize(
    ("option", "variable", "source"), [("none.pem", None, "--ca-bundle"), (None, "none.pem", VARIABLE)]
)
def test_a_bundle_that_was_named_must_be_there(
    bundles: Path, monkeypatch: pytest.MonkeyPatch, option: str | None, variable: str | None, source: str
) -> None:
    monkeypatch.chdir(bundles)
    if variable:
        monkeypatch.setenv(VARIABLE, variable)
    with pytest.raises(InputError) as error:
        ca_bundle(option)
    assert str(error.value) == f"{source} names none.pem, which is no file\n  next: name a PEM file, or `off`"


def test_a_relative_path_is_made_absolute(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundles)
    assert ca_bundle("option") == bundles / "option"


def test_an_ssl_cert_file_that_is_gone_falls_back_to_the_hosts(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundles / "gone"))
    assert ca_bundle(None) == bundles / "second"


def test_a_host_without_a_bundle_has_none(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ca, "_SYSTEM", (bundles / "nowhere",))
    assert ca_bundle(None) is None
