"""The nearest known word for a misspelled one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown `word`, which is not quoted again.

    >>> did_you_mean("artefacts", ["artifacts", "builder"])
    ", did you mean 'artifacts'?"
    >>> did_you_mean("x", ["artifacts", "builder"])
    '; known here: artifacts, builder'
    """
    words = list(known)
    if len(longer := [candidate for candidate in words if word and candidate.startswith(word)]) > 1:
        return f", did you mean one of {', '.join(longer)}?"
    # Case and the choice between dash and underscore are the commonest slips, and difflib weighs them like any letter.
    plain = {_plain(candidate): candidate for candidate in words}
    if near := get_close_matches(_plain(word), plain, n=1, cutoff=0.7):
        return f", did you mean {plain[near[0]]!r}?"
    return f"; known here: {', '.join(words)}" if words else "; there are none"


def _plain(word: str) -> str:
    return word[:80].lower().replace("_", "-")
