"""struct acct_v3 as the kernel writes it, and a journal that loses none of it."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from buildproof.probe import accounting
from buildproof.probe.accounting import Journal, Record, comp_t, parse


class AcctV3(ctypes.Structure):
    """<linux/acct.h>, field by field."""

    _fields_ = (
        ("ac_flag", ctypes.c_char),
        ("ac_version", ctypes.c_char),
        ("ac_tty", ctypes.c_uint16),
        ("ac_exitcode", ctypes.c_uint32),
        ("ac_uid", ctypes.c_uint32),
        ("ac_gid", ctypes.c_uint32),
        ("ac_pid", ctypes.c_uint32),
        ("ac_ppid", ctypes.c_uint32),
        ("ac_btime", ctypes.c_uint32),
        ("ac_etime", ctypes.c_float),
        ("ac_utime", ctypes.c_uint16),
        ("ac_stime", ctypes.c_uint16),
        ("ac_mem", ctypes.c_uint16),
        ("ac_io", ctypes.c_uint16),
        ("ac_rw", ctypes.c_uint16),
        ("ac_minflt", ctypes.c_uint16),
        ("ac_majflt", ctypes.c_uint16),
        ("ac_swap", ctypes.c_uint16),
        ("ac_comm", ctypes.c_char * 16),
    )


def encoded(value: int) -> int:
    """encode_comp_t() of kernel/acct.c."""
    exponent = rounding = 0
    while value > 0x1FFF:
        rounding, value, exponent = value & 4, value >> 3, exponent + 1
    if rounding:
        value += 1
        if value > 0x1FFF:
            value, exponent = value >> 3, exponent + 1
    return (exponent << 13) + value


def record(pid: int = 214, *, status: int = 0, comm: bytes = b"cc1plus", version: int = 3, flag: int = 0) -> bytes:
    return bytes(
        AcctV3(
            ac_flag=bytes([flag]),
            ac_version=bytes([version]),
            ac_tty=1,
            ac_exitcode=status,
            ac_uid=1000,
            ac_gid=1001,
            ac_pid=pid,
            ac_ppid=99,
            ac_btime=1_760_000_000,
            ac_etime=1234.0,
            ac_utime=encoded(1000),
            ac_stime=encoded(50),
            ac_mem=7,
            ac_minflt=9,
            ac_comm=comm,
        )
    )


def test_a_record_is_64_bytes() -> None:
    assert ctypes.sizeof(AcctV3) == accounting.RECORD.size == 64


def test_every_field_is_read_from_its_place() -> None:
    assert parse(record(status=3 << 8)) == Record(
        pid=214,
        ppid=99,
        uid=1000,
        comm="cc1plus",
        status=3 << 8,
        began_unix_s=1_760_000_000,
        elapsed_s=12.34,
        cpu_s=10.5,
        forked_only=False,
        dumped_core=False,
    )


@pytest.mark.parametrize(
    ("status", "number", "code"),
    [
        (0, None, 0),
        (1 << 8, None, 1),
        (255 << 8, None, 255),
        (135 << 8, None, 135),
        (signal.SIGBUS, 7, None),
        (signal.SIGKILL, 9, None),
        (signal.SIGSEGV | 0x80, 11, None),
        (40, 40, None),
    ],
)
def test_a_process_exits_or_dies_of_a_signal_never_both(status: int, number: int | None, code: int | None) -> None:
    read = parse(record(status=status))
    assert (read.signal, read.exit_code) == (number, code)


def test_flags_tell_of_a_core_and_of_a_process_that_never_called_exec() -> None:
    assert (parse(record(flag=0x08)).dumped_core, parse(record(flag=0x08)).forked_only) == (True, False)
    assert (parse(record(flag=0x01)).dumped_core, parse(record(flag=0x01)).forked_only) == (False, True)
    assert (parse(record(flag=0x16)).dumped_core, parse(record(flag=0x16)).forked_only) == (False, False)
    assert (parse(record(flag=0x10)).thread_signalled, parse(record(flag=0x0F)).thread_signalled) == (True, False)


@pytest.mark.parametrize(
    ("raw", "comm"),
    [(b"x86_64-w64-ming", "x86_64-w64-ming"), (b"ld\0garbage", "ld"), (b"", ""), (b"caf\xe9", "caf\ufffd")],
)
def test_a_name_ends_at_its_first_zero(raw: bytes, comm: str) -> None:
    assert parse(record(comm=raw)).comm == comm


def test_a_name_of_sixteen_bytes_without_a_zero_is_whole() -> None:
    raw = bytearray(record())
    raw[-16:] = b"0123456789abcdef"
    assert parse(bytes(raw)).comm == "0123456789abcdef"


def test_a_big_endian_mark_is_no_other_version() -> None:
    assert parse(record(version=0x83)).pid == 214


@pytest.mark.parametrize("version", [0, 1, 2, 4])
def test_another_version_is_an_error_not_nonsense(version: int) -> None:
    with pytest.raises(ValueError, match=f"version {version}, expected 3"):
        parse(record(version=version))


@pytest.mark.parametrize("value", [0, 1, 0x1FFF, 0x2000, 65536, 123_456_789])
def test_comp_t_is_what_the_kernel_encoded(value: int) -> None:
    assert comp_t(encoded(value)) == pytest.approx(value, rel=1 / 2048)


def test_comp_t_is_a_base_8_exponent_and_a_13_bit_fraction() -> None:
    assert [comp_t(raw) for raw in (0x1FFF, 0x2001, 0x4001, 0xFFFF)] == [8191, 8, 64, 8191 << 21]


# -- the journal: acct(2) replaced, the kernel's part played by the test ---------------------------------------------


class Kernel:
    """Writes records to the file that acct(2) was last called with."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self.calls: list[Path | None] = []
        self.late = b""  # written to the old file right before acct(2) switches to the new one

    def acct(self, path: Path | None) -> None:
        if self.late:
            self.write(self.late)
            self.late = b""
        self.calls.append(path)
        self.file = path

    def write(self, *records: bytes) -> None:
        assert self.file
        with self.file.open("ab") as file:
            file.write(b"".join(records))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(accounting, "_acct", kernel.acct)
    return kernel


def pids(journal: Journal) -> list[int]:
    return [record.pid for record in journal.drain()]


def test_a_journal_switches_accounting_on_to_a_file_of_its_own(tmp_path: Path, kernel: Kernel) -> None:
    Journal(tmp_path)
    assert kernel.calls == [tmp_path / "acct.1"]
    assert (tmp_path / "acct.1").stat().st_mode & 0o777 == 0o600


def test_a_kernel_that_refuses_is_an_os_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path | None) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(accounting, "_acct", refuse)
    with pytest.raises(PermissionError, match="Operation not permitted"):
        Journal(tmp_path)


def test_records_come_once_and_in_the_kernels_order(tmp_path: Path, kernel: Kernel) -> None:
    journal = Journal(tmp_path)
    assert pids(journal) == []
    kernel.write(record(3), record(1))
    assert pids(journal) == [3, 1]
    assert pids(journal) == []
    kernel.write(record(2))
    assert pids(journal) == [2]


def test_half_a_record_waits_for_its_other_half(tmp_path: Path, kernel: Kernel) -> None:
    journal = Journal(tmp_path)
    whole = record(2)
    kernel.write(record(1), whole[:20])
    assert pids(journal) == [1]
    kernel.write(whole[20:], record(3)[:1])
    assert pids(journal) == [2]


def test_more_records_than_one_read_takes_are_all_read(tmp_path: Path, kernel: Kernel) -> None:
    journal = Journal(tmp_path)
    kernel.write(*map(record, range(1, 3001)))
    assert pids(journal) == list(range(1, 3001))


def test_the_journal_is_replaced_before_it_fills_its_file_system_and_loses_nothing(
    tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Journal, "ROTATE_AT", 64 * 3)
    journal = Journal(tmp_path)
    kernel.write(record(1), record(2))
    assert pids(journal) == [1, 2]
    assert kernel.calls == [tmp_path / "acct.1"]
    kernel.write(record(3))
    kernel.late = record(4) + record(5)
    assert pids(journal) == [3, 4, 5]
    assert kernel.calls == [tmp_path / "acct.1", tmp_path / "acct.2"]
    assert [path.name for path in tmp_path.iterdir()] == ["acct.2"]
    kernel.write(record(6))
    assert pids(journal) == [6]
    for turn in range(5):
        kernel.write(*(record(100 * turn + number) for number in range(1, 4)))
        assert pids(journal) == [100 * turn + number for number in range(1, 4)]
    assert len(list(tmp_path.iterdir())) == 1
    assert not journal.suspended


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
def test_a_replaced_journal_closes_what_it_had_open(
    tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Journal, "ROTATE_AT", 64)
    journal = Journal(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        kernel.write(record())
        pids(journal)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_records_of_another_version_are_counted_and_the_others_read(tmp_path: Path, kernel: Kernel) -> None:
    journal = Journal(tmp_path)
    kernel.write(record(1), record(2, version=2), record(3))
    assert pids(journal) == [1, 3]
    assert journal.unreadable == 1


@pytest.mark.parametrize(("free", "suspended"), [(100, False), (5, False), (4, True), (0, True)])
def test_accounting_counts_as_suspended_well_before_the_kernel_stops(
    tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch, free: int, suspended: bool
) -> None:
    journal = Journal(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=free, f_blocks=100))
    pids(journal)
    assert journal.suspended is suspended


def test_a_suspension_is_never_forgotten_and_space_is_asked_now_and_then(
    tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    free, clock = [0, 100, 100], [10.0]

    def statvfs(_path: Path) -> SimpleNamespace:
        asked.append(1)
        return SimpleNamespace(f_bavail=free[len(asked) - 1], f_blocks=100)

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(accounting, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    journal = Journal(tmp_path)
    for clock[0], times in ((10.0, 1), (10.4, 1), (10.5, 2), (11.1, 3)):
        pids(journal)
        assert len(asked) == times
    assert journal.suspended
