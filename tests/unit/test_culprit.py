"""A process is named by the work it did."""

from __future__ import annotations

import pytest

from buildproof.evidence import Evidence, Process, ProcessEnd, Processes
from buildproof.verdict.culprit import named, signal_name, work_of
from buildproof.verdict.origin import origin


@pytest.mark.parametrize(
    ("comm", "cmdline", "work"),
    [
        ("rustc", "rustc --crate-name tauri_utils --edition=2021 src/lib.rs -C lto", "rustc --crate-name tauri_utils"),
        ("rustc", "/usr/bin/rustc --crate-name=regex src/lib.rs", "rustc --crate-name regex"),
        ("cc1plus", "/usr/libexec/gcc/cc1plus -quiet -O2 /src/deep/parser.cpp -o /tmp/x.s", "cc1plus parser.cpp"),
        ("clang", "clang -c a/b.c", "clang b.c"),
        ("as", "as --64 -o out/x.o /tmp/ccXYZ.s", "as ccXYZ.s"),
        ("ld", "/usr/bin/ld -m i386pep -o target/release/app.exe crt2.o", "ld -o app.exe"),
        ("ld", "/usr/bin/ld --no-keep-memory  crt2.o", "/usr/bin/ld --no-keep-memory crt2.o"),
        ("cargo", None, "cargo"),
        ("cargo", "", "cargo"),
        ("node", "node webpack.config.css", "node webpack.config.css"),
    ],
)  # fmt: skip
def test_work_is_the_crate_the_source_the_output_or_the_words(comm: str, cmdline: str | None, work: str) -> None:
    assert work_of(comm, cmdline) == work


def test_a_long_command_line_is_cut_to_eighty_characters() -> None:
    assert work_of("sh", "x" * 80) == "x" * 80
    cut = work_of("sh", "x" * 81)
    assert (len(cut), cut[-1]) == (80, "…")


def test_a_process_is_named_with_its_pid() -> None:
    assert named(Process(pid=214, comm="ld", cmdline=None, peak_rss=1)) == "ld (pid 214)"


def test_signals_have_names_where_signal_7_has_them() -> None:
    assert [signal_name(number) for number in (7, 9, 40)] == ["SIGBUS", "SIGKILL", "signal 40"]


# -- who failed first: ends as (pid, parent, name, exit status or -signal), in the order of their ends ----------------

End = tuple[int, int, str, int]


def first_of(code: int | None, *ends: End) -> str | None:
    known = [
        ProcessEnd(
            pid=pid, ppid=ppid, comm=comm, cmdline=None, at_s=1.0, duration_s=1.0,
            signal=-status if status < 0 else None, exit_code=status if status > 0 else None,
        )
        for pid, ppid, comm, status in ends
    ]  # fmt: skip
    processes = Processes(
        exited=len(known),
        failed=tuple(end for end in known if end.exit_code),
        signalled=tuple(end for end in known if end.signal),
    )
    found = origin(Evidence(exit_code=code, processes=processes))
    return found.comm if found else None


SH: End = (2, 1, "sh", 2)


@pytest.mark.parametrize(
    ("code", "ends", "first"),
    [
        (2, [(5, 4, "cc1", 1), (4, 3, "gcc", 1), (3, 2, "make", 2), SH], "cc1"),
        (2, [(9, 3, "grep", 1), (5, 4, "cc1", 1), (4, 3, "gcc", 1), (3, 2, "make", 2), SH], "cc1"),
        (2, [(9, 8, "grep", 1), (3, 2, "make", 2), SH], "make"),
        (2, [SH], "sh"),
        (2, [(9, 8, "cc1", 1), SH], "cc1"),
        (2, [(9, 8, "cc1", 2), SH], "sh"),
        (137, [(3, 2, "rustc", -9), (2, 1, "sh", 137)], "rustc"),
        (137, [(2, 1, "sh", -9)], "sh"),
        (1, [(4, 3, "rustc", -9), (3, 2, "cargo", 101), (2, 1, "sh", 1)], "rustc"),
        (1, [(9, 3, "helper", -9), (4, 3, "rustc", 1), (3, 2, "cargo", 101), (2, 1, "sh", 1)], "rustc"),
        (139, [(9, 2, "other", 1), (3, 2, "ld", -11), (2, 1, "sh", 139)], "ld"),
        (2, [], None),
        (2, [(2, 2, "loop", 2)], "loop"),
        (2, [(5, 6, "a", 1), (6, 5, "b", 2)], "a"),
    ],
)
def test_who_failed_first_is_at_the_end_of_the_chain_of_failures(
    code: int | None, ends: list[End], first: str | None
) -> None:
    assert first_of(code, *ends) == first
