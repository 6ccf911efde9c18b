"""The rules as a list, how they are asked, and the second readers in their cage."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pefile
import pytest
from tests.unit.binaries import judge as examine_bytes
from tests.unit.binaries import messages, warning
from tests.unit.binaries_elf import minimal_elf
from tests.unit.binaries_pe import minimal_pe

from buildproof.artifacts import RULES
from buildproof.artifacts.elf import opinion as elf_opinion
from buildproof.artifacts.reader import Reader
from buildproof.artifacts.rule import CUT, Problem, Rule, judge
from buildproof.evidence import CheckStatus
from buildproof.targets import Format, Target

ALL = [rule for rules in RULES.values() for rule in rules]
PREFIXES = {None: "file-", Format.PE: "pe-", Format.ELF: "elf-"}

# Ids are kept for ever: this list only grows.
IDS = [
    *("file-present", "file-not-empty", "file-format", "file-tail", "file-size"),
    *("pe-dos-header", "pe-signature", "pe-machine", "pe-bitness", "pe-optional-header", "pe-characteristics"),
    *("pe-alignment", "pe-subsystem", "pe-section-table", "pe-section-data", "pe-section-overlap"),
    *("pe-section-alignment", "pe-section-addresses", "pe-image-size", "pe-holes"),
    *("pe-entry-point", "pe-code", "pe-entry-bytes", "pe-directories", "pe-directory-data", "pe-certificates"),
    *("pe-imports", "pe-delay-imports", "pe-exports", "pe-relocations", "pe-exceptions", "pe-tls", "pe-load-config"),
    *("pe-resources", "pe-debug", "pe-symbol-table", "pe-symbols", "pe-overlay", "pe-checksum"),
    *("pe-windows-version", "pe-dlls", "pe-dll-exports"),
    *("pe-aslr", "pe-nx", "pe-wx", "pe-high-entropy", "pe-cfg", "pe-stripped", "pe-second-opinion"),
    *("elf-header", "elf-data", "elf-machine", "elf-class", "elf-version", "elf-os-abi", "elf-type"),
    *("elf-program-headers", "elf-load-data", "elf-load-size", "elf-load-code", "elf-load-order", "elf-load-alignment"),
    *("elf-segment-data", "elf-section-table", "elf-section-data", "elf-holes"),
    *("elf-interpreter", "elf-dynamic", "elf-program", "elf-entry-point", "elf-code", "elf-entry-bytes"),
    *("elf-dynamic-strings", "elf-dynamic-tables", "elf-dynamic-functions", "elf-hash", "elf-symbols"),
    *("elf-section-symbols", "elf-versions", "elf-symbol-versions", "elf-relocations", "elf-segment-places"),
    *("elf-notes", "elf-unwind", "elf-section-places", "elf-section-overlap", "elf-overlay"),
    *("elf-libraries", "elf-glibc", "elf-libstdcxx", "elf-glibc-private", "elf-runpath"),
    *("elf-pie", "elf-nx-stack", "elf-wx", "elf-relro", "elf-bind-now", "elf-canary", "elf-fortify", "elf-stripped"),
    "elf-second-opinion",
]


def test_ids_are_unique_and_stay() -> None:
    assert [rule.id for rule in ALL] == IDS


@pytest.mark.parametrize("kind", list(RULES), ids=str)
def test_ids_start_with_their_format(kind: Format | None) -> None:
    assert all(re.fullmatch(PREFIXES[kind] + r"[a-z]+(-[a-z]+)*", rule.id) for rule in RULES[kind])


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_a_rule_speaks_to_people(rule: Rule[Any]) -> None:
    assert rule.title[0].islower()
    assert not rule.title.endswith(".")
    assert rule.source
    assert rule.mend.endswith((".", ")."))


@pytest.mark.parametrize("kind", list(RULES), ids=str)
def test_a_rule_needs_only_what_was_asked_before(kind: Format | None) -> None:
    asked: set[str] = set()
    for rule in RULES[kind]:
        assert set(rule.needs) <= asked
        asked.add(rule.id)


def _rule(id: str, *problems: Problem, needs: tuple[str, ...] = (), because: str | None = None) -> Rule[None]:  # noqa: A002
    return Rule(
        id=id, title=f"{id} holds", source="-", mend="Mend it.", judge=lambda _: problems, applies=lambda _: because,
        needs=needs,
    )  # fmt: skip


def test_what_rests_on_a_broken_rule_is_not_judged_and_names_the_culprit() -> None:
    first, second, third = judge(
        [_rule("a", Problem(message="bad")), _rule("b", needs=("a",)), _rule("c", Problem(message="x"), needs=("b",))],
        None,
    )
    assert (first.status, first.message, first.mend) == (CheckStatus.FAIL, "bad", "Mend it.")
    assert second.status is third.status is CheckStatus.NOT_APPLICABLE
    assert second.message == third.message == "not judged, because a failed"


def test_a_rule_that_does_not_apply_says_why_and_blocks_nothing() -> None:
    first, second = judge([_rule("a", Problem(message="bad"), because="no such table"), _rule("b", needs=("a",))], None)
    assert (first.status, first.message) == (CheckStatus.NOT_APPLICABLE, "no such table")
    assert (second.status, second.message) == (CheckStatus.PASS, "b holds")


def test_the_worst_problem_speaks_and_a_warning_blocks_nothing() -> None:
    bad = Problem(message="bad", offset=7, expected="1", actual="2")
    warned = Problem(message="odd", status=CheckStatus.WARNING)
    first, second, third = judge(
        [_rule("a", warned), _rule("b", warned, bad), _rule("c", needs=("a",))],
        None,
    )
    assert (first.status, first.message, first.mend) == (CheckStatus.WARNING, "odd", "Mend it.")
    assert (second.status, second.offset, second.expected, second.actual) == (CheckStatus.FAIL, 7, "1", "2")
    assert (second.message, second.mend) == ("bad (1 more of this kind)", "Mend it.")
    assert third.status is CheckStatus.PASS


def test_reading_outside_the_file_is_a_problem_that_tells_of_the_cut() -> None:
    def reads_too_far(reader: Reader) -> Iterator[Problem]:
        reader.read(8, 8, "the table")
        yield from ()

    rule = Rule(id="a", title="t", source="-", mend="-", judge=reads_too_far)
    (check,) = judge([rule], Reader(b"0123456789"))
    assert check.status is CheckStatus.FAIL
    assert check.message == "the table is declared at 0x8-0x10, but the file has only 10 bytes (0xa)"
    assert check.mend == CUT
    assert (check.offset, check.expected, check.actual) == (8, "at least 16 bytes", "10 bytes")


@pytest.mark.parametrize("error", [struct.error("x"), AttributeError("x"), MemoryError(), RecursionError("x")])
def test_whatever_the_second_readers_raise_is_a_failing_check(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(pefile, "PE", fails)
    monkeypatch.setattr(elf_opinion, "ELFFile", fails)
    for data, target in ((minimal_pe(), Target.WINDOWS_X86_64), (minimal_elf(), Target.LINUX_X86_64)):
        check = examine_bytes(tmp_path, data, target).checks[-1]
        assert check.status is CheckStatus.FAIL
        assert check.id.endswith("-second-opinion")
        assert type(error).__name__ in check.message


def test_a_second_reader_that_finds_no_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(stream: elf_opinion.LimitedStream) -> None:
        while True:
            stream.seek(0)
            stream.read(4)

    monkeypatch.setattr(elf_opinion, "ELFFile", endless)
    check = examine_bytes(tmp_path, minimal_elf(), Target.LINUX_X86_64).checks[-1]
    assert check.status is CheckStatus.FAIL
    assert "TooManyReadsError" in check.message


def test_another_answer_of_the_second_reader_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = bytearray(minimal_pe())
    struct.pack_into("<I", other, 0x80 + 24 + 16, 0x2000)

    class Other(pefile.PE):  # type: ignore[misc]
        def __init__(self, **_: object) -> None:
            super().__init__(data=bytes(other), fast_load=True)

    monkeypatch.setattr(pefile, "PE", Other)
    check = examine_bytes(tmp_path, minimal_pe(), Target.WINDOWS_X86_64).checks[-1]
    assert check.status is CheckStatus.FAIL
    assert (check.expected, check.actual) == ("4112", "8192")


def test_what_pefile_warns_of_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remarks = ["Suspicious flags set for section 0. Both ...", "Possibly corrupt file."]
    monkeypatch.setattr(pefile.PE, "get_warnings", lambda _: remarks)
    artifact = examine_bytes(tmp_path, minimal_pe(), Target.WINDOWS_X86_64)
    assert warning(artifact) == ["pe-second-opinion"], messages(artifact)
    assert "Possibly corrupt file" in artifact.checks[-1].message
