"""Each level of hardening asks for its rules, and each rule notices what it is for; none asks for none."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.binaries import failing, judge, messages
from tests.unit.binaries_elf import Elf, Needs, minimal_elf
from tests.unit.binaries_pe import Pe, minimal_pe

from buildproof.artifacts import RULES, Expectation
from buildproof.artifacts.rule import Aspect
from buildproof.hardening import Hardening, Symbols
from buildproof.targets import Target

WINDOWS, LINUX = Target.WINDOWS_X86_64, Target.LINUX_X86_64
_CHECKED = (("GLIBC_2.4", "__stack_chk_fail"), ("GLIBC_2.3.4", "__memcpy_chk"))


def hard_pe() -> bytearray:
    """The minimal program says already that it has ASLR, NX and a table of guarded functions."""
    data = bytearray(minimal_pe())
    at = Pe(data).optional + 70
    struct.pack_into("<H", data, at, struct.unpack_from("<H", data, at)[0] | 0x4000)
    return data


def hard_elf(*versions: tuple[str, str]) -> bytearray:
    """PT_PHDR becomes PT_GNU_RELRO, which ld.so never misses, and DF_1_NOW is set."""
    data = bytearray(minimal_elf(Needs(library="libc.so.6", versions=versions or _CHECKED)))
    elf = Elf(data)
    at = elf.segments(6)[0]
    data[at + 8 : at + 56] = data[elf.segments(2)[0] + 8 : elf.segments(2)[0] + 56]
    elf.put32(at, 0x6474E552)
    elf.put64(elf.tag(0x6FFFFFFB), 0x08000001)
    return data


def _pe_flags(clear: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        at = Pe(data).optional + 70
        struct.pack_into("<H", data, at, struct.unpack_from("<H", data, at)[0] & ~clear)

    return change


def _no_relocations(data: bytearray) -> None:
    pe = Pe(data)
    pe.put64(pe.directories + 8 * 5, 0)


def _wx_section(data: bytearray) -> None:
    pe = Pe(data)
    pe.put32(pe.header(2) + 36, 0xE0000040)


def _no_guard_table(data: bytearray) -> None:
    pe = Pe(data)
    pe.put64(pe.offset_of(pe.directory(10)[0]) + 136, 0)


def _fixed(data: bytearray) -> None:
    struct.pack_into("<H", data, 16, 2)


def _segment_flags(kind: int, flags: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        elf = Elf(data)
        elf.put32(elf.segments(kind)[-1] + 4, flags)

    return change


def _other_type(kind: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        elf = Elf(data)
        elf.put32(elf.segments(kind)[0], 0)

    return change


def _lazy(data: bytearray) -> None:
    elf = Elf(data)
    elf.put64(elf.tag(0x6FFFFFFB), 0x08000000)


SOFTENED = [
    ("pe-aslr", Hardening.BASIC, _pe_flags(0x40)),
    ("pe-aslr", Hardening.BASIC, _no_relocations),
    ("pe-nx", Hardening.BASIC, _pe_flags(0x100)),
    ("pe-wx", Hardening.BASIC, _wx_section),
    ("pe-high-entropy", Hardening.FULL, _pe_flags(0x20)),
    ("pe-cfg", Hardening.STRICT, _pe_flags(0x4000)),
    ("pe-cfg", Hardening.STRICT, _no_guard_table),
    ("elf-pie", Hardening.BASIC, _fixed),
    ("elf-nx-stack", Hardening.BASIC, _segment_flags(0x6474E551, 7)),
    ("elf-nx-stack", Hardening.BASIC, _other_type(0x6474E551)),
    ("elf-wx", Hardening.BASIC, _segment_flags(1, 7)),
    ("elf-relro", Hardening.BASIC, _other_type(0x6474E552)),
    ("elf-bind-now", Hardening.FULL, _lazy),
]


@pytest.mark.parametrize(("rule", "level", "soften"), SOFTENED)
def test_a_rule_notices_from_its_level_on(
    rule: str, level: Hardening, soften: Callable[[bytearray], None], tmp_path: Path
) -> None:
    windows = rule.startswith("pe-")
    data = hard_pe() if windows else hard_elf()
    soften(data)
    target = WINDOWS if windows else LINUX
    for chosen in Hardening:
        artifact = judge(tmp_path, bytes(data), Expectation(target=target, hardening=chosen))
        assert failing(artifact) == ([rule] if chosen.includes(level) else []), f"{chosen}\n{messages(artifact)}"


@pytest.mark.parametrize(("data", "target"), [(hard_pe(), WINDOWS), (hard_elf(), LINUX)], ids=["pe", "elf"])
def test_a_hard_program_passes_the_strictest_level(data: bytearray, target: Target, tmp_path: Path) -> None:
    artifact = judge(tmp_path, bytes(data), Expectation(target=target, hardening=Hardening.STRICT))
    assert not failing(artifact), messages(artifact)


@pytest.mark.parametrize(
    ("versions", "missing"),
    [((_CHECKED[1],), "elf-canary"), ((_CHECKED[0],), "elf-fortify")],
    ids=["no canary", "not fortified"],
)
def test_what_the_compiler_puts_in_is_asked_of_the_symbols(
    versions: tuple[tuple[str, str], ...], missing: str, tmp_path: Path
) -> None:
    artifact = judge(tmp_path, bytes(hard_elf(*versions)), Expectation(target=LINUX, hardening=Hardening.STRICT))
    assert missing in failing(artifact), messages(artifact)


@pytest.mark.parametrize(("data", "target"), [(hard_pe(), WINDOWS), (hard_elf(), LINUX)], ids=["pe", "elf"])
def test_symbols_are_refused_where_the_project_wants_stripped_files(
    data: bytearray, target: Target, tmp_path: Path
) -> None:
    artifact = judge(tmp_path, bytes(data), Expectation(target=target, symbols=Symbols.STRIPPED))
    assert failing(artifact) == ["pe-stripped" if target is WINDOWS else "elf-stripped"], messages(artifact)


def test_a_file_over_its_size_is_refused_and_still_judged(tmp_path: Path) -> None:
    artifact = judge(tmp_path, minimal_pe(), Expectation(target=WINDOWS, size=1000))
    assert failing(artifact) == ["file-size"], messages(artifact)
    assert len(artifact.checks) > 30
    assert not failing(judge(tmp_path, minimal_pe(), Expectation(target=WINDOWS, size=len(minimal_pe()))))


def test_every_rule_about_hardening_is_softened_here() -> None:
    rules = {rule.id for some in RULES.values() for rule in some if rule.aspect is Aspect.HARDENING}
    here = {rule for rule, _, _ in SOFTENED}
    assert rules == here | {"elf-canary", "elf-fortify", "pe-stripped", "elf-stripped", "file-size"}


def test_levels_grow() -> None:
    order = list(Hardening)
    assert [[level.includes(other) for other in order] for level in order] == [
        [index >= other for other in range(len(order))] for index in range(len(order))
    ]
