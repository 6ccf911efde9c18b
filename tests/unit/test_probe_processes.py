"""The living processes of the namespace: named while they live, remembered when they were large."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from buildproof.probe.processes import Census, Status, mapped_files, status_of

KIB = 1 << 10

STATUS = """\
Name:\t{name}
Umask:\t0022
State:\tS (sleeping)
Tgid:\t{pid}
Ngid:\t0
Pid:\t{pid}
PPid:\t{ppid}
TracerPid:\t0
Uid:\t0\t0\t0\t0
VmPeak:\t   99999 kB
VmSize:\t   88888 kB
VmHWM:\t{high:8} kB
VmRSS:\t{now:8} kB
RssAnon:\t     112 kB
Threads:\t{threads}
"""


class Proc:
    """A /proc of the test's own making."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "meminfo").write_text("")
        self.add(1, "probe", 1, high=10**6)

    def add(
        self, pid: int, name: str, ppid: int = 2, *, high: int = 100, now: int = 50, threads: int = 1,
        cmdline: bytes | None = None,
    ) -> None:  # fmt: skip
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "status").write_text(
            STATUS.format(name=name, pid=pid, ppid=ppid, high=high, now=now, threads=threads)
        )
        (folder / "cmdline").write_bytes(name.encode() + b"\0-c\0x.c\0" if cmdline is None else cmdline)

    def end(self, pid: int) -> None:
        for file in (self.root / str(pid)).iterdir():
            file.unlink()
        (self.root / str(pid)).rmdir()


def cmdline_of(census: Census, pid: int, comm: str) -> str | None:
    seen = census.ended(pid, comm)
    return seen.cmdline if seen else None


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def begun(proc: Proc, newest: int) -> None:
    (proc.root / "loadavg").write_text(f"0.50 0.40 0.30 1/123 {newest}\n")


def test_while_no_pid_is_given_out_proc_is_not_listed(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    census = Census(proc.root)
    proc.add(7, "cc1plus")
    begun(proc, 7)
    census.meet()
    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", lambda _path: pytest.fail("listed"))
        census.meet()  # the second look comes all the same
    assert census.alive[7].settled
    proc.add(9, "as")
    begun(proc, 9)
    census.meet()
    assert 9 in census.alive


def test_who_has_ended_is_noticed_when_another_begins_and_at_every_measure(proc: Proc) -> None:
    census = Census(proc.root)
    proc.add(7, "cc1plus")
    proc.add(8, "as")
    begun(proc, 8)
    census.meet()
    proc.end(7)
    census.measure()
    assert set(census.alive) == {8}
    proc.end(8)
    proc.add(9, "ld")
    begun(proc, 9)
    census.meet()
    assert set(census.alive) == {9}


@pytest.mark.parametrize("newest", [3, 0, None], ids=["pids began anew", "another answers", "no answer"])
def test_a_newest_pid_that_proves_nothing_is_not_relied_on(proc: Proc, newest: int | None) -> None:
    census = Census(proc.root)
    proc.add(7, "cc1plus")
    if newest is not None:
        begun(proc, newest)
    census.meet()
    proc.add(9, "as")
    census.meet()
    assert set(census.alive) == {7, 9}


def test_a_status_text_gives_name_parent_and_sizes_in_bytes() -> None:
    text = STATUS.format(name="cc1plus", pid=9, ppid=8, high=2048, now=1024, threads=1)
    assert status_of(text.encode()) == Status(
        "cc1plus", 8, peak_address_space=99999 * KIB, peak_rss=2048 * KIB, rss=1024 * KIB
    )


def test_a_zombie_has_no_sizes() -> None:
    zombie = b"Name:\tcc1\nState:\tZ (zombie)\nPid:\t9\nPPid:\t8\nThreads:\t1\n"
    assert status_of(zombie) == Status("cc1", 8, is_over=True)


def test_a_process_whose_main_thread_ended_before_the_others_is_not_over() -> None:
    status = status_of(b"Name:\tld\nState:\tZ (zombie)\nPid:\t9\nPPid:\t8\nThreads:\t2\n")
    assert (status.is_over, status.threads, status.headless) == (False, 2, True)


def test_a_process_with_threads_is_known_by_whatever_name_its_record_has(proc: Proc) -> None:
    proc.add(9, "rustc", threads=4)
    proc.add(10, "sh", threads=1)
    census = Census(proc.root)
    census.measure()
    census.measure()
    proc.add(9, "rustc", threads=1)  # the others have ended
    census.measure()
    assert cmdline_of(census, 9, "opt cgu.0") == "rustc -c x.c"
    assert cmdline_of(census, 10, "cc1") is None


@pytest.mark.parametrize(
    ("flags", "pending", "looks"),
    [(0x40, 0, 2), (0x40, 1 << 14, 2), (0x44, 0, 0), (0x440, 0, 0), (0x40, 1 << 8, 0)],
    ids=["goes on", "another signal pending", "exits", "was signalled", "is killed"],
)
def test_without_its_main_thread_a_process_lives_only_while_another_is_to_go_on(
    proc: Proc, flags: int, pending: int, looks: int
) -> None:
    proc.add(9, "ld", threads=2)
    folder = proc.root / "9"
    (folder / "status").write_text((folder / "status").read_text().replace("S (sleeping)", "Z (zombie)"))
    for thread, its_flags, its_pending in ((9, 0x40, 0), (12, flags, pending)):
        (folder / "task" / str(thread)).mkdir(parents=True)
        numbers = [8, 7, 7, 0, -1, its_flags, *[0] * 21, its_pending, 0, 0, 0]
        (folder / "task" / str(thread) / "stat").write_text(f"{thread} (ld (x) S) S {' '.join(map(str, numbers))}\n")
    census = Census(proc.root)
    for _look in range(3):  # the first only meets it
        census.measure()
    assert census.alive[9].headless == looks


def test_mappings_are_read_of_a_thread_where_the_main_thread_has_ended(proc: Proc) -> None:
    proc.add(9, "ld", threads=2)
    folder = proc.root / "9"
    (folder / "status").write_text((folder / "status").read_text().replace("S (sleeping)", "Z (zombie)"))
    (folder / "maps").write_text("")
    census = Census(proc.root)
    for thread, text in ((9, ""), (12, "7f00-8f00 rw-s 00000000 00:1 7 /work/app\n")):
        (folder / "task" / str(thread)).mkdir(parents=True)
        (folder / "task" / str(thread) / "maps").write_text(text)
        (folder / "task" / str(thread) / "stat").write_text(f"{thread} (ld) S{' 0' * 40}\n")
    census.measure()
    census.note_mappings(lambda _path: True)
    assert census.alive[9].mapped == {"/work/app": 0x1000}


def test_a_name_with_strange_bytes_is_read() -> None:
    assert status_of(b"Name:\tcaf\xe9 (x)\nPPid:\t8\n").comm == "caf\ufffd (x)"


def test_every_process_but_the_probe_is_met(proc: Proc) -> None:
    proc.add(2, "sh", 0)
    proc.add(7, "make")
    census = Census(proc.root)
    census.meet()
    assert {pid: (seen.comm, seen.ppid) for pid, seen in census.alive.items()} == {2: ("sh", 0), 7: ("make", 2)}


def test_a_process_that_is_gone_is_alive_no_more_but_keeps_its_name(proc: Proc) -> None:
    proc.add(7, "make")
    census = Census(proc.root)
    census.meet()
    proc.end(7)
    census.meet()
    assert census.alive == {}
    assert cmdline_of(census, 7, "make") == "make -c x.c"


def test_only_the_last_that_ended_are_remembered(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Census, "REMEMBERED", 2)
    census = Census(proc.root)
    for pid in (7, 8, 9):
        proc.add(pid, "cc1")
        census.meet()
        proc.end(pid)
        census.meet()
    assert [cmdline_of(census, pid, "cc1") for pid in (7, 8, 9)] == [None, "cc1 -c x.c", "cc1 -c x.c"]


def test_a_command_line_is_told_only_under_the_name_that_it_was_read_with(proc: Proc) -> None:
    proc.add(7, "rustc", cmdline=b"rustc\0--crate-name\0a b\0")
    census = Census(proc.root)
    census.meet()
    assert cmdline_of(census, 7, "rustc") == "rustc --crate-name a b"
    assert cmdline_of(census, 7, "ld") is None
    assert cmdline_of(census, 8, "rustc") is None


def test_the_kernels_fifteen_characters_of_a_name_are_enough(proc: Proc) -> None:
    proc.add(7, "x86_64-w64-mingw32-gcc"[:15])
    census = Census(proc.root)
    census.meet()
    assert cmdline_of(census, 7, "x86_64-w64-ming") is not None


def test_a_process_without_a_command_line_has_none(proc: Proc) -> None:
    proc.add(7, "zombie", cmdline=b"")
    census = Census(proc.root)
    census.meet()
    assert cmdline_of(census, 7, "zombie") is None


def test_the_command_line_before_exec_is_replaced_by_the_programs_own(proc: Proc) -> None:
    proc.add(7, "make", cmdline=b"make\0all\0")
    census = Census(proc.root)
    census.meet()
    proc.add(7, "make", cmdline=b"make\0-C\0sub\0")
    census.measure()
    assert cmdline_of(census, 7, "make") == "make -C sub"
    proc.add(7, "cc1", cmdline=b"cc1\0a.c\0")
    census.measure()
    assert cmdline_of(census, 7, "cc1") == "cc1 a.c"
    proc.add(7, "cc1", cmdline=b"cc1\0changed its title\0")
    census.measure()
    census.measure()
    settled = cmdline_of(census, 7, "cc1")
    proc.add(7, "cc1", cmdline=b"cc1\0changed it again\0")
    census.measure()
    assert cmdline_of(census, 7, "cc1") == settled


def test_a_command_line_that_is_its_parents_is_read_again_for_its_exec_may_be_to_come(proc: Proc) -> None:
    """It waits for a CPU between fork(2) and exec(2), and its name is the same after it."""
    census = Census(proc.root)
    proc.add(7, "sh", cmdline=b"sh\0build.sh\0", high=9000)
    proc.add(8, "sh", 7, cmdline=b"sh\0build.sh\0", high=9000)
    for _ in range(3):
        census.measure()
    proc.add(8, "sh", 7, cmdline=b"sh\0link.sh\0", high=10)
    census.measure()
    assert cmdline_of(census, 8, "sh") == "sh link.sh"
    assert census.alive[8].peak_rss == 10 * KIB
    assert census.alive[8].settled


def test_the_faults_of_children_count_when_they_were_waited_for() -> None:
    with subprocess.Popen(
        ("/bin/sh", "-c", "read -r _; /bin/sh -c true; echo; read -r _"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as gate:
        assert gate.stdin
        assert gate.stdout
        before = Census().childrens_faults(gate.pid)
        gate.stdin.write(b"\n")
        gate.stdin.flush()
        gate.stdout.readline()
        after = Census().childrens_faults(gate.pid)
        gate.stdin.close()
    assert before == 0
    assert after


def test_nobody_knows_the_faults_of_who_is_gone(proc: Proc) -> None:
    assert Census(proc.root).childrens_faults(99) is None


def test_a_zombie_keeps_the_command_line_that_it_had(proc: Proc) -> None:
    census = Census(proc.root)
    proc.add(7, "cc1", cmdline=b"cc1\0a.c\0")
    census.meet()
    proc.add(7, "cc1", cmdline=b"")
    census.measure()
    assert cmdline_of(census, 7, "cc1") == "cc1 a.c"
    proc.add(7, "ld", cmdline=b"")
    census.measure()
    assert cmdline_of(census, 7, "ld") is None


def test_a_process_met_by_a_measure_is_looked_at_once(proc: Proc) -> None:
    census = Census(proc.root)
    proc.add(7, "make", cmdline=b"make\0all\0")
    census.measure()
    assert not census.alive[7].settled
    census.measure()
    assert census.alive[7].settled


def test_a_high_water_mark_never_falls_and_the_present_size_may(proc: Proc) -> None:
    census = Census(proc.root)
    sizes = []
    for high, now in ((100, 90), (500, 400), (500, 20), (0, 0)):
        proc.add(7, "cc1", high=high, now=now)
        census.measure()
        sizes.append((census.alive[7].peak_rss // KIB, census.alive[7].rss // KIB))
    assert sizes == [(100, 90), (500, 400), (500, 20), (500, 0)]


def test_exec_starts_the_mark_anew(proc: Proc) -> None:
    census = Census(proc.root)
    proc.add(7, "rustc", high=9000)
    census.measure()
    census.measure()
    proc.add(7, "cc", high=10)
    census.measure()
    assert census.alive[7].peak_rss == 10 * KIB
    assert [(seen.comm, seen.peak_rss // KIB) for seen in census.top()] == [("rustc", 9000), ("cc", 10)]


def test_the_largest_outlive_their_processes_largest_first(proc: Proc) -> None:
    census = Census(proc.root)
    for pid in range(10, 110):
        proc.add(pid, "cc1", high=pid * 10)
        census.meet()
        proc.end(pid)
    census.meet()
    assert [seen.pid for seen in census.top()] == list(range(109, 97, -1))
    assert len(census._top) <= 4 * Census.TOP


def test_a_process_that_vanishes_while_it_is_looked_at_is_no_error(proc: Proc) -> None:
    proc.add(7, "cc1")
    (proc.root / "7" / "status").unlink()
    (proc.root / "8").mkdir()
    census = Census(proc.root)
    census.meet()
    census.measure()
    assert census.alive == {}


def test_facts_are_what_an_event_carries(proc: Proc) -> None:
    proc.add(7, "cc1", high=3)
    census = Census(proc.root)
    census.meet()
    assert census.alive[7].facts() == {
        "pid": 7, "comm": "cc1", "cmdline": "cc1 -c x.c", "peak_rss": 3 * KIB, "peak_address_space": 99999 * KIB,
    }  # fmt: skip


# -- mappings -------------------------------------------------------------------------------------------------------

MAPS = b"""\
55e0c0a00000-55e0c0a02000 r--p 00000000 08:01 1573 /work/app
55e0c0a02000-55e0c0a07000 r-xp 00002000 08:01 1573 /work/app
55e0c1000000-55e0c1021000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0000001000 rw-s 00000000 08:01 9 /work/target/lib with blanks.rlib
7f0000002000-7f0000003000 rw-s 00010000 00:05 9 /dev/shm/x (deleted)
7f0000004000-7f0000005000 rw-p 00000000 00:00 0
7f0000006000-7f0000008000 r--s 7fff000000 08:01 9 /work/huge
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
"""


def test_the_end_of_the_last_mapping_of_each_file_is_known() -> None:
    assert mapped_files(MAPS) == {
        "/work/app": 0x7000,
        "/work/target/lib with blanks.rlib": 0x1000,
        "/work/huge": 0x7FFF002000,
    }


def test_a_maps_text_that_ends_in_the_middle_of_a_line_is_read_as_far_as_it_goes() -> None:
    for length in range(len(MAPS)):
        assert set(mapped_files(MAPS[:length]).values()) <= {0x2000, 0x7000, 0x1000, 0x7FFF002000, 0x11000}
    assert mapped_files(b"") == {}


def test_mappings_are_noted_of_the_files_that_matter_and_outlive_the_process(proc: Proc) -> None:
    proc.add(7, "ld")
    proc.add(8, "cc1")
    (proc.root / "7" / "maps").write_bytes(MAPS)
    census = Census(proc.root)
    census.meet()
    census.note_mappings(lambda path: "target" in path)
    assert census.alive[8].mapped == {}
    proc.end(7)
    census.note_mappings(lambda _path: True)
    census.meet()
    seen = census.ended(7, "ld")
    assert seen is not None
    assert seen.mapped == {"/work/target/lib with blanks.rlib": 0x1000}


def test_the_last_look_at_the_mappings_counts(proc: Proc) -> None:
    proc.add(7, "ld")
    maps = proc.root / "7" / "maps"
    maps.write_bytes(MAPS)
    census = Census(proc.root)
    census.meet()
    census.note_mappings(lambda _path: True)
    maps.write_bytes(b"7f0000000000-7f0000003000 r--p 00001000 08:01 9 /work/new\n")
    census.note_mappings(lambda _path: True)
    assert census.alive[7].mapped == {"/work/new": 0x4000}


def test_settling_does_not_forget_what_was_mapped(proc: Proc) -> None:
    proc.add(7, "ld")
    (proc.root / "7" / "maps").write_bytes(MAPS)
    census = Census(proc.root)
    census.meet()
    census.note_mappings(lambda _path: True)
    census.meet()
    assert census.alive[7].settled
    assert "/work/app" in census.alive[7].mapped


def test_every_mapping_of_a_real_process_is_noted() -> None:
    census = Census()
    census.meet()
    census.note_mappings(lambda _path: True)
    own = set(mapped_files(Path("/proc/self/maps").read_bytes()))
    assert len(own) > 20
    assert set(census.alive[os.getpid()].mapped) >= own


def test_the_folder_that_a_process_works_in_is_known_and_kept(proc: Proc) -> None:
    proc.add(7, "ld")
    (proc.root / "7" / "cwd").symlink_to("/work/target")
    census = Census(proc.root)
    census.meet()
    (proc.root / "7" / "cwd").unlink()
    census.meet()
    proc.add(8, "cc1")
    census.meet()
    assert (census.alive[7].cwd, census.alive[8].cwd) == ("/work/target", None)


def test_the_peak_of_address_space_outlives_a_second_look(proc: Proc) -> None:
    proc.add(7, "cc1")
    census = Census(proc.root)
    census.meet()
    status = proc.root / "7" / "status"
    status.write_text(status.read_text().replace("VmPeak:\t   99999 kB\n", "VmPeak:\t   10 kB\n"))
    census.meet()
    assert census.alive[7].peak_address_space == 99999 * KIB
