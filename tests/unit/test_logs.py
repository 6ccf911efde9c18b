"""The build's log: kept whole, shown safely, and searched for what tools really say when they die."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from buildproof.capped import CappedFile
from buildproof.evidence import LogFinding
from buildproof.hostile import plain
from buildproof.logs import Log, findings_in

# A line of a tool, as it prints it -> the kinds that it tells of.
REAL: list[tuple[str, set[str]]] = [
    ("error: rustc interrupted by SIGBUS, printing backtrace", {"sigbus"}),
    ("  process didn't exit successfully: `rustc` (signal: 7, SIGBUS: access to undefined memory)", {"sigbus"}),
    ("collect2: fatal error: ld terminated with signal 7 [Bus error], core dumped", {"sigbus"}),
    ("collect2: error: ld terminated with signal 7", {"sigbus"}),
    ("make: *** [Makefile:4: app] Bus error (core dumped)", {"sigbus"}),
    ("Bus error (core dumped)", {"sigbus"}),
    ("error: could not compile `x` (signal: 11, SIGSEGV: invalid memory reference)", {"segfault"}),
    ("x86_64-w64-mingw32-gcc: internal compiler error: Segmentation fault signal terminated program cc1",
     {"segfault", "compiler-bug"}),
    ("collect2: fatal error: ld terminated with signal 11 [Segmentation fault], core dumped", {"segfault"}),
    ("c++: fatal error: Killed signal terminated program cc1plus", {"killed"}),
    ("g++: internal compiler error: Killed (program cc1plus)", {"killed"}),
    ("  process didn't exit successfully: `rustc` (signal: 9, SIGKILL: kill)", {"killed"}),
    ("collect2: fatal error: ld terminated with signal 9 [Killed]", {"killed"}),
    ("Killed", {"killed"}),
    ("make[2]: *** [CMakeFiles/app.dir/build.make:76: main.o] Killed", {"killed"}),
    ("/bin/sh: line 1:    42 Killed                  cc -c big.c", {"killed"}),
    ("build.sh: 3: 42 Killed", {"killed"}),
    ("  process didn't exit successfully: `rustc` (signal: 6, SIGABRT: process abort signal)", {"abort"}),
    ("Aborted (core dumped)", {"abort"}),
    ("make: *** [Makefile:2: x] Aborted (core dumped)", {"abort"}),
    ("collect2: fatal error: ld terminated with signal 6 [Aborted]", {"abort"}),
    ("mold: fatal: out/app: failed to write to an output file. Disk full?", {"no-space"}),
    ("/usr/bin/x86_64-w64-mingw32-ld: final link failed: No space left on device", {"no-space"}),
    ("error: failed to write `a.rmeta`: No space left on device (os error 28)", {"no-space"}),
    ("Error: ENOSPC: no space left on device, write", {"no-space"}),
    ("cp: error writing 'x': Disk quota exceeded", {"quota"}),
    ("error: failed to write: Quota exceeded (os error 122)", {"quota"}),
    ("write: EDQUOT", {"quota"}),
    ("memory allocation of 1234 bytes failed", {"no-memory"}),
    ("LLVM ERROR: out of memory", {"no-memory"}),
    ("cc1plus: out of memory allocating 65536 bytes after a total of 123456 bytes", {"no-memory"}),
    ("virtual memory exhausted: Cannot allocate memory", {"no-memory"}),
    ("/usr/bin/ld: app: memory exhausted", {"no-memory"}),
    ("terminate called after throwing an instance of 'std::bad_alloc'", {"no-memory"}),
    ("error: could not exec the linker `cc`: Cannot allocate memory (os error 12)", {"no-memory"}),
    ("sh: 1: Cannot fork", {"no-processes"}),
    ("cargo: failed to spawn: Resource temporarily unavailable (os error 11)", {"no-processes"}),
    ("main.c:1:1: internal compiler error: Bus error", {"sigbus", "sigbus-caught", "compiler-bug"}),
    ("main.c:1:1: internal compiler error: in expand_expr, at expr.cc:1", {"compiler-bug"}),
    ("thread 'rustc' panicked; the compiler unexpectedly panicked. this is a bug.", {"compiler-bug"}),
    ("signal: bus error (core dumped)", {"sigbus"}),
    ("FAILED: [code=135] obj/main.o", {"sigbus"}),
    ("go build x: /usr/lib/go/pkg/tool/linux_amd64/link: signal: segmentation fault", {"segfault"}),
    ("FAILED: [code=139] obj/main.o", {"segfault"}),
    ("go build x: /usr/lib/go/pkg/tool/linux_amd64/compile: signal: killed", {"killed"}),
    ("clang: error: unable to execute command: Killed", {"killed"}),
    ("FAILED: [code=137] obj/main.o", {"killed"}),
    ("FAILED: [code=134] obj/main.o", {"abort"}),
    ("LLVM ERROR: IO failure on output stream: no space left on device", {"no-space"}),
    ("fatal error: runtime: out of memory", {"no-memory"}),
    ("runtime: failed to create new OS thread (have 9 already; errno=11)", {"no-processes"}),
    ("failed to spawn thread: Os { code: 11, kind: WouldBlock }", {"no-processes"}),
    ("fatal error: error in backend: Cannot select: t9", {"compiler-bug"}),
    ("clang: error: clang frontend command failed with exit code 70 (use -v to see invocation)", {"compiler-bug"}),
    ("/usr/bin/ld: BFD (GNU Binutils) 2.40 internal error, aborting at elf.c:1", {"compiler-bug"}),
    ("PLEASE submit a bug report to https://github.com/llvm/llvm-project/issues/", {"compiler-bug"}),
]  # fmt: skip

NEAR_MISSES = [
    "   Compiling sigbus-handler v0.1.0",
    "cc -DHAVE_SIGBUS=1 -c signal.c",
    "#define SIGBUS_CODE 7",
    "SIGBUSES",
    "test bus error handling ... ok",
    "Killed 3 mutants",
    "test tests::Killed ... ok",
    "ld terminated with signal 70",
    "ld terminated with signal 15 [Terminated]",
    "disk fullness: 40%",
    "the device has no space left",
    "Test ENOSPCX",
    "memory allocation of many bytes failed to be profiled",
    "   Compiling memory v0.1.0",
    "allocated memory: 12 MB",
    "Aborting the search after 5 tries",
    "warning: Aborted",
    "   Compiling segfault v1.0",
    "internal error codes are documented",
    "FAILED: [code=1] obj/main.o",
    "running 135 tests [code=1350]",
    "signal: terminated",
    "",
]


@pytest.mark.parametrize(("line", "kinds"), REAL)
def test_what_tools_say_when_they_die_is_known(line: str, kinds: set[str]) -> None:
    found = findings_in(line, 3)
    assert {finding.kind for finding in found} == kinds
    assert all((finding.line, finding.text) == (3, line) for finding in found)


@pytest.mark.parametrize("line", NEAR_MISSES)
def test_lines_that_only_look_alike_are_not_found(line: str) -> None:
    assert findings_in(line, 1) == []


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[0m\x1b[1m\x1b[38;5;9merror\x1b[0m: boom", "error: boom"),
        ("\x1b(B\x1b[mdone", "done"),
        ("\x1b]8;;https://gcc.gnu.org/x\x1b\\-Wall\x1b]8;;\x1b\\", "-Wall"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1bPq#0;2;0\x1b\\text", "text"),
        ("\x1b]never ended\nnext line", "never ended\nnext line"),
        ("\x1b7\x1b8\x1bctext", "text"),
        ("a\x00b\x08c\x7fd", "abcd"),
        ("8-bit \x9b31mred\x85", "8-bit 31mred"),
        ("tab\tand\nline stay", "tab\tand\nline stay"),
        ("Grüße, 你好", "Grüße, 你好"),
        ("\x1b", ""),
    ],
)
def test_text_is_shown_without_anything_a_terminal_would_obey(raw: str, shown: str) -> None:
    assert plain(raw) == shown


def logged(*chunks: bytes) -> Log:
    log = Log(io.BytesIO())
    for chunk in chunks:
        log.write(chunk)
    return log


def closed(*chunks: bytes) -> Log:
    log = logged(*chunks)
    log.close()
    return log


def test_the_file_has_every_byte_as_it_came(tmp_path: Path) -> None:
    log = Log.create(tmp_path / "deep" / "build.log")
    for chunk in (b"\x1b[31mred\x1b[0m\r\n", b"\xff\x00half", b" a line"):
        log.write(chunk)
    assert (tmp_path / "deep" / "build.log").read_bytes() == b"\x1b[31mred\x1b[0m\r\n\xff\x00half a line"
    log.close()
    assert (tmp_path / "deep" / "build.log").read_bytes() == b"\x1b[31mred\x1b[0m\r\n\xff\x00half a line"


def test_a_log_may_lie_where_others_are(tmp_path: Path) -> None:
    for name in ("fetch.log", "build.log"):
        Log.create(tmp_path / "deep" / name).close()
    assert len(list((tmp_path / "deep").iterdir())) == 2


def test_a_line_that_comes_in_pieces_is_one_line() -> None:
    log = logged(b"one\nmemory alloc", b"ation of 12 by", b"tes failed\nthree\n")
    assert list(log.last_lines) == ["one", "memory allocation of 12 bytes failed", "three"]
    (finding,) = log.findings()
    assert finding == LogFinding(kind="no-memory", line=2, text="memory allocation of 12 bytes failed")


def test_the_unfinished_last_line_counts_when_the_log_is_closed() -> None:
    log = logged(b"fine\nBus error")
    assert log.findings() == ()
    log.close()
    assert [(finding.kind, finding.line) for finding in log.findings()] == [("sigbus", 2)]
    assert list(log.last_lines) == ["fine", "Bus error"]


def test_the_unfinished_last_line_counts_when_the_output_has_ended_and_what_follows_is_a_line_of_its_own() -> None:
    log = logged(b"fine\nBus error")
    log.end()
    assert [(finding.kind, finding.line) for finding in log.findings()] == [("sigbus", 2)]
    log.write(b"[probe] word\n")
    log.close()
    assert list(log.last_lines) == ["fine", "Bus error", "[probe] word"]


def test_of_a_progress_bar_only_what_stays_on_the_screen_is_kept() -> None:
    log = logged(b"Building 1/9\rBuilding 2/9\rBuilding 9/9\r\n", b"windows line\r\n", b"\r\r\n", b"Killed\r\n")
    assert list(log.last_lines) == ["Building 9/9", "windows line", "Killed"]
    assert [(finding.kind, finding.line) for finding in log.findings()] == [("killed", 4)]


def test_what_follows_a_long_progress_bar_is_still_seen() -> None:
    bar = b"\r".join(b"Building %d/900" % step for step in range(900))
    assert len(bar) > 3 * 4096
    log = logged(bar + b"\rerror: rustc interrupted by SIGBUS\n")
    assert [(finding.kind, finding.line) for finding in log.findings()] == [("sigbus", 1)]
    assert list(log.last_lines) == ["error: rustc interrupted by SIGBUS"]


def test_a_line_that_never_ends_stays_small_in_memory_and_stays_one_line() -> None:
    log = logged(b"before\n", *[b"x" * 1000 for _ in range(500)], b"y" * 100_000, b"\nKilled\n")
    assert sum(map(len, log.last_lines)) < 3 * 4096
    assert log.last_lines[0] == "before"
    assert log.last_lines[-1] == "Killed"
    assert len(log.last_lines) == 3
    assert [(finding.kind, finding.line) for finding in log.findings()] == [("killed", 3)]
    assert len(log._partial) <= 4096


def test_a_blank_end_of_an_endless_line_does_not_hide_it() -> None:
    assert list(closed(b"x" * 5000, b"   \n").last_lines) == ["x" * 4096]
    assert list(closed(b"before\n", b" " * 5000, b"after\n").last_lines) == ["before", "after"]


def test_a_progress_bar_without_any_line_end_is_followed() -> None:
    log = logged(*[b"\rBuilding %d/9000" % step for step in range(9000)])
    assert len(log._partial) <= 4096
    log.close()
    assert list(log.last_lines) == ["Building 8999/9000"]


def test_only_the_last_forty_lines_with_text_are_kept() -> None:
    log = closed(*[b"line %d\n\n   \n" % number for number in range(100)])
    assert list(log.last_lines) == [f"line {number}" for number in range(60, 100)]


def test_a_few_findings_of_each_kind_are_kept_in_the_order_of_the_log() -> None:
    log = closed(*[b"Killed\n" for _ in range(9)], b"Bus error\n", b"ENOSPC\n", b"Bus error\n")
    assert [(finding.kind, finding.line) for finding in log.findings()] == [
        *(("killed", line) for line in range(1, 6)), ("sigbus", 10), ("no-space", 11), ("sigbus", 12),
    ]  # fmt: skip


def test_findings_are_looked_for_in_what_is_shown() -> None:
    (finding,) = closed(b"\x1b[1mcollect2:\x1b[0m ld terminated with sig\x1b[31mnal 7\n").findings()
    assert finding.text == "collect2: ld terminated with signal 7"


def test_bytes_that_are_no_utf8_do_not_stop_the_log() -> None:
    assert list(closed(b"\xff\xfe Bus error\n").last_lines) == ["\ufffd\ufffd Bus error"]


# -- more than a log has room for -----------------------------------------------------------------------------------


def test_a_telling_line_of_the_dropped_middle_is_found_all_the_same(tmp_path: Path) -> None:
    log = Log(CappedFile(tmp_path / "build.log", head=1000, tail=1000))
    for number in range(1, 3001):
        log.write(b"Bus error\n" if number == 1500 else b"line %d\n" % number)
    log.close()
    kept = (tmp_path / "build.log").read_bytes()
    assert b"Bus error" not in kept
    assert kept.startswith(b"line 1\nline 2\n")
    assert kept.endswith(b"line 2999\nline 3000\n")
    assert [(finding.kind, finding.line, finding.text) for finding in log.findings()] == [("sigbus", 1500, "Bus error")]
    assert list(log.last_lines)[-1] == "line 3000"
    assert f"[buildproof: {log.dropped} bytes with " in kept.decode()
    assert log.dropped > 20_000


def test_a_log_that_fits_has_nothing_dropped(tmp_path: Path) -> None:
    log = Log.create(tmp_path / "build.log")
    log.write(b"line\n")
    log.close()
    assert log.dropped == 0


@pytest.mark.parametrize("before", [0, 3000, 4090, 4096, 8000, 100_000])
@pytest.mark.parametrize("chunk", [1, 1000, 4096, 1 << 16])
def test_what_an_endless_line_tells_is_found_wherever_it_stands(before: int, chunk: int) -> None:
    data = b"x" * before + b" rustc interrupted by SIGBUS, printing" + b"y" * 5000
    log = logged(*[data[start : start + chunk] for start in range(0, len(data), chunk)])
    log.close()
    (finding,) = log.findings()
    assert (finding.kind, finding.line) == ("sigbus", 1)
    assert "interrupted by SIGBUS, printing" in finding.text or chunk == 1
    assert len(finding.text) <= 4096 + 256


@pytest.mark.parametrize(
    "line",
    [
        b"*** [" * 50_000 + b"Killed", b"*** [" * 50_000 + b"] Aborted?", b": 1 1" * 50_000 + b" Killed",
        b"BFD " * 60_000 + b"internal error, aborting", b"\x1b]" * 100_000, b"\x1b[" + b"1;" * 100_000,
        b"a\r" * 100_000, b"\xff" * 300_000,
    ],
    ids=lambda line: line[:12].decode("latin-1").encode("unicode_escape").decode(),
)  # fmt: skip
def test_a_line_that_is_made_to_be_searched_for_long_is_not(line: bytes) -> None:
    """A pattern that goes back over the line would take minutes for each of these."""
    log = closed(line + b"\n", b"Bus error\n")
    assert ("sigbus", 2) in [(finding.kind, finding.line) for finding in log.findings()]


def test_lines_are_numbered_alike_in_whatever_pieces_they_come() -> None:
    lines = [
        b"one\r\n",
        b"\n",
        b"a\rKilled\n",
        b"\x1b[31mfine\x1b[0m\n",
        b"x" * 9000 + b"\n",
        b"SIGBUS\n",
        b"\n\n",
        b"ENOSPC\n",
    ]
    data = b"".join(lines * 3)
    wanted = [(finding.kind, finding.line) for finding in closed(data).findings()]
    assert wanted == [
        ("killed", 3), ("sigbus", 6), ("no-space", 9), ("killed", 12), ("sigbus", 15), ("no-space", 18), ("killed", 21),
        ("sigbus", 24), ("no-space", 27),
    ]  # fmt: skip
    for size in (1, 2, 3, 7, 100, 4096, 5000):
        log = closed(*[data[start : start + size] for start in range(0, len(data), size)])
        assert [(finding.kind, finding.line) for finding in log.findings()] == wanted, size
        assert list(log.last_lines)[-2:] == ["SIGBUS", "ENOSPC"], size
        assert len(log.last_lines) == 3 * 6
