"""The list of attacks in docs/security.md against the attacks that there are."""

from __future__ import annotations

from tests.attacks import listed, test_outputs

LEAST = 30


def test_every_attack_is_listed_with_what_it_tries_and_none_worked() -> None:
    found = listed.listed("inside")
    assert {attack.name: attack.tries for attack in found} == listed.written(), (
        "UPDATE_GOLDEN=1 ./verify tests/attacks writes the list"
    )
    assert len(found) >= LEAST
    assert not [attack for attack in found if listed.WORKED in attack.answer]


def test_every_attack_from_the_outputs_is_listed_with_what_it_tries_and_none_worked() -> None:
    found = listed.listed("outputs")
    assert {attack.name: attack.tries for attack in found} == {
        name: tries for name, (tries, _answer) in test_outputs.ATTACKS.items()
    }
    assert not [attack for attack in found if listed.WORKED in attack.answer]
