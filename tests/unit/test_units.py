from __future__ import annotations

import math
import random

import pytest

from buildproof.units import clock, duration, parse_duration, parse_size, show, size


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2g", 2 << 30),
        ("512m", 512 << 20),
        ("64MiB", 64 << 20),
        ("1kb", 1024),
        ("1.5 G", 3 << 29),
        ("100b", 100),
        ("6291456k", 6 << 30),
        ("9007199254740993", 9007199254740993),
        (" 1t ", 1 << 40),
        (1024, 1024),
    ],
)
def test_sizes_are_read_as_compose_means_them(text: str | int, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("12x", "'12x' is not a size: write a number with b, k, m or g, such as 512m"),
        ("", "'' is not a size: write a number with b, k, m or g, such as 512m"),
        ("-1g", "'-1g' is not a size: write a number with b, k, m or g, such as 512m"),
        ("5i", "'5i' is not a size: write a number with b, k, m or g, such as 512m"),
        ("\u0661g", "'\u0661g' is not a size: write a number with b, k, m or g, such as 512m"),
        (True, "true is not a size: write a number with b, k, m or g, such as 512m"),
        (0, "0 is no usable size: it must be above zero"),
        ("0g", "'0g' is no usable size: it must be above zero"),
        ("0.1b", "'0.1b' is no usable size: it must be above zero"),
        (-5, "-5 is no usable size: it must be above zero"),
        ("9" * 400, "'99999999999999999999999999999999999...' is no usable size: no machine has that much"),
        (1 << 200, "so large a number is no usable size: no machine has that much"),
    ],
)
def test_an_unusable_size_is_named_with_what_is_wrong(text: str | int, complaint: str) -> None:
    with pytest.raises(ValueError, match="size") as error:
        parse_size(text)
    assert str(error.value) == complaint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("250ms", 0.25),
        ("1.5h", 5400),
        (90, 90),
        (0.5, 0.5),
    ],
)
def test_durations_are_read(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("15", "'15' is not a duration: write it like 90s, 15m or 1h30m"),
        ("15 minutes", "'15 minutes' is not a duration: write it like 90s, 15m or 1h30m"),
        ("", "'' is not a duration: write it like 90s, 15m or 1h30m"),
        (False, "false is not a duration: write it like 90s, 15m or 1h30m"),
        ("0s", "'0s' is no usable duration: it must be above zero"),
        (-1, "-1 is no usable duration: it must be above zero"),
        (math.nan, "nan is no usable duration: it must be above zero"),
        (math.inf, "inf is no usable duration: nobody waits longer than a month"),
        (10**100, "so large a number is no usable duration: nobody waits longer than a month"),
        ("9999h", "'9999h' is no usable duration: nobody waits longer than a month"),
    ],
)
def test_an_unusable_duration_is_named_with_what_is_wrong(text: str | float, complaint: str) -> None:
    with pytest.raises(ValueError, match="duration") as error:
        parse_duration(text)
    assert str(error.value) == complaint


def test_what_is_written_for_people_is_read_back_within_its_precision() -> None:
    dice = random.Random(1)  # noqa: S311
    for _ in range(2000):
        count = dice.randrange(1, 1 << dice.randrange(1, 50))
        assert parse_size(size(count)) == pytest.approx(count, rel=0.006)


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "unknown"), (0, "0 B"), (401 << 20, "401 MiB"), (1632087572, "1.52 GiB"), (5 << 40, "5 TiB")],
)
def test_sizes_are_written_for_people(count: int | None, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (8.34, "8.3 s"), (252, "4 min 12 s"), (3720, "1 h 02 min"), (59.96, "60.0 s")],
)
def test_durations_are_written_for_people(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_a_quoted_value_is_never_longer_than_a_line_can_bear() -> None:
    assert show("a" * 100_000) == "'" + "a" * 35 + "...'"
    assert show(True) == "true"
    assert show(10**5000) == "so large a number"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0:00"), (8.6, "0:09"), (252, "4:12"), (3723, "1:02:03"), (None, "unknown")]
)
def test_a_clock_has_minutes_and_hours_only_when_needed(seconds: float | None, shown: str) -> None:
    assert clock(seconds) == shown
