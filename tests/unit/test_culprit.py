"""A process is named by the work it did."""

from __future__ import annotations

import pytest

from buildproof.evidence import Process
from buildproof.verdict.culprit import named, signal_name, work_of


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
