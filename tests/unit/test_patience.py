"""Waiting for a slow engine."""

from __future__ import annotations

import pytest

from buildproof.errors import InputError
from buildproof.patience import VARIABLE, patient


def test_without_the_variable_a_wait_is_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert patient(60) == 60


def test_the_variable_lengthens_every_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "2.5")
    assert patient(60) == 150


@pytest.mark.parametrize("text", ["0", "0.5", "-1", "nan", "inf", "long"])
def test_what_is_no_patience_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(InputError, match=VARIABLE):
        patient(60)
