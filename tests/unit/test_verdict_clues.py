"""Sizes to try next, and observations in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.evidence_sample import FULL_SHM, GIB, GOOD, MIB, end, found

from buildproof.evidence import Grade, Holder, Memory, Space
from buildproof.units import parse_size
from buildproof.verdict.clues import (
    budget_for,
    exit_status,
    failure,
    full_mount,
    fullness,
    holders_clue,
    line_of,
    memory_clue,
    more_room,
    quoted,
    ranked,
    roomier,
    size_word,
)
from buildproof.verdict.outcomes import Clue


@pytest.mark.parametrize(
    ("count", "word"),
    [
        (0, "0m"), (1, "1m"), (MIB, "1m"), (MIB + 1, "2m"), (64 * MIB, "64m"), (1000 * MIB, "1000m"), (GIB, "1g"),
        (GIB + 1, "1025m"), (3 * GIB // 2, "1536m"), (6 * GIB, "6g"), (1024 * GIB, "1024g"),
    ],
)  # fmt: skip
def test_a_size_word_is_what_compose_and_the_manifest_write(count: int, word: str) -> None:
    assert size_word(count) == word


@pytest.mark.parametrize(
    ("count", "factor", "word"),
    [
        (6 * GIB, 1.5, "9g"), (4 * GIB, 1.5, "6g"), (2 * GIB, 1.5, "3g"), (3 * GIB, 1.5, "5g"), (5 * GIB, 1.5, "8g"),
        (GIB, 1.5, "1536m"), (512 * MIB, 1.5, "768m"), (64 * MIB, 4, "256m"), (8 * MIB, 4, "32m"),
        (100 * MIB, 1.0, "128m"), (128 * MIB, 1.0, "128m"), (129 * MIB, 1.0, "192m"), (1, 1.5, "1m"), (0, 1.5, "1m"),
        (1000 * GIB, 1.5, "1500g"),
    ],
)  # fmt: skip
def test_the_next_size_is_a_round_one(count: int, factor: float, word: str) -> None:
    assert roomier(count, factor) == word


@pytest.mark.parametrize("factor", [1.1, 1.5, 4])
def test_the_next_size_is_never_too_small_and_never_far_too_large(factor: float) -> None:
    for count in (3 * MIB, 17 * MIB, 100 * MIB, 777 * MIB, GIB - 1, GIB + 1, 5 * GIB, 23 * GIB, 100 * GIB):
        assert count * factor <= parse_size(roomier(count, factor)) <= count * factor * 1.5 + MIB


@pytest.mark.parametrize("need", [1, MIB, 100 * MIB, GIB - 1, GIB, 3 * GIB, 7 * GIB + 1])
def test_a_budget_leaves_a_tenth_and_not_much_more(need: int) -> None:
    budget = parse_size(budget_for(need))
    assert int(need * 1.1) <= budget < need * 1.1 + 16 * MIB
    assert budget % (16 * MIB) == 0


def test_clues_are_ranked_by_grade_and_keep_their_order_within_one() -> None:
    clues = [Clue(grade=grade, text=f"{grade} {index}") for index in (1, 2) for grade in reversed(Grade)]
    assert [clue.text for clue in ranked([None, *clues, None])] == [
        f"{grade} {index}" for grade in Grade for index in (1, 2)
    ]
    assert ranked([None]) == ()


def test_a_line_of_the_log_is_quoted_trimmed_and_cut() -> None:
    assert quoted(found("killed", "  Killed \n", line=9)) == "log line 9 says “Killed”"
    assert len(quoted(found("killed", "x" * 9999))) < 200
    long = f"process didn't exit successfully: `rustc {'--flag ' * 99}` (signal: 7, SIGBUS: access to undefined memory)"
    assert quoted(found("sigbus", long)).endswith("(signal: 7, SIGBUS: access to undefined memory)”")
    assert line_of(None) is None


def test_what_was_not_observed_is_no_clue() -> None:
    assert exit_status(replace(GOOD, exit_code=None)) is None
    assert failure(None) is None
    assert failure(end(9)) is None
    assert memory_clue(Memory()) is None
    assert holders_clue(Memory(demand_peak=GIB)) is None


def test_the_memory_clue_tells_what_is_known_and_calls_the_rest_unknown() -> None:
    clue = memory_clue(Memory(demand_peak=GIB, demand_peak_at_s=3.5))
    assert clue == Clue(grade=Grade.KERNEL, text="cgroup: demand peak 1 GiB, charged peak unknown", at_s=3.5)
    full = memory_clue(Memory(demand_peak=GIB, charged_peak=2 * GIB, limit=2 * GIB, oom_kills=2))
    assert full is not None
    assert full.text == "cgroup: demand peak 1 GiB, charged peak 2 GiB, limit 2 GiB, 2 OOM kills"


def test_three_holders_are_told_and_those_that_held_next_to_nothing_are_not() -> None:
    def holding(*sizes: int) -> Memory:
        holders = tuple(Holder(pid=pid, comm="cc1", cmdline=None, rss=rss) for pid, rss in enumerate(sizes))
        return Memory(demand_peak=GIB, demand_peak_at_s=2.0, holders=holders)

    many, small = holders_clue(holding(*[200 * MIB] * 5)), holders_clue(holding(900 * MIB, MIB))
    assert many is not None
    assert small is not None
    assert many.text.count("cc1") == 3
    assert (small.text, small.at_s) == ("resident at the demand peak: cc1 (pid 0) 900 MiB", 2.0)
    assert holders_clue(holding(MIB)) is None


def space(size: int, free: int, inodes: int | None = None, kind: str | None = None) -> Space:
    return Space(size=size, min_free=free, min_free_at_s=1.5, min_free_inodes=inodes, kind=kind)


def test_a_mount_is_full_with_less_than_a_page_or_no_inode_and_the_smallest_is_the_one() -> None:
    mounts = {
        "/": space(50 * GIB, 0), "/a": space(GIB, 4096), "/b": space(MIB, 4097), "/c": space(MIB, MIB, 1),
        "/d": space(2 * GIB, GIB, 0),
    }  # fmt: skip
    assert full_mount(replace(GOOD, space=mounts)) == ("/a", mounts["/a"])
    assert full_mount(replace(GOOD, space={"/b": mounts["/b"], "/c": mounts["/c"]})) is None
    assert full_mount(replace(GOOD, space={"/d": mounts["/d"]})) == ("/d", mounts["/d"])


def test_a_full_mount_is_told_with_its_kind_its_size_and_its_moment() -> None:
    clue = fullness("/tmp", space(GIB, 0, kind="tmpfs"))
    assert (clue.text, clue.at_s, clue.grade) == ("statvfs: /tmp (tmpfs of 1 GiB) had 0 B free", 1.5, Grade.KERNEL)
    assert fullness("/tmp", space(GIB, 0)).text == "statvfs: /tmp (1 GiB) had 0 B free"


def test_room_is_made_where_the_mount_was_declared() -> None:
    assert more_room("/dev/shm", FULL_SHM["/dev/shm"]).startswith("Raise `shm_size` from 64m to 256m")
    assert "`size=4g` in the builder's `tmpfs`" in more_room("/tmp", space(GIB, 0, kind="tmpfs"))
    assert "engine's disk: / has 50 GiB" in more_room("/", space(50 * GIB, 0, kind="overlay"))
    assert "`nr_inodes`" in more_room("/tmp", space(GIB, GIB, 0, kind="tmpfs"))
