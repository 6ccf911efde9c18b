"""Files that are too short, as the probe finds them behind a SIGBUS: whole ones are never accused."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest
from tests.unit.binaries_elf import minimal_elf

from buildproof.probe import clues as room
from buildproof.probe.clues import Clues, elf_needs, worth_noting
from buildproof.probe.processes import Seen

PAGE = os.sysconf("SC_PAGE_SIZE")
ELF64 = minimal_elf()


def elf32(*, sections: bool = True) -> bytes:
    """An ELF32 file with two segments, and a section header table at its end."""
    segments = [(1, 0, 0x1000), (1, 0x1000, 0x800)]
    table_at, count = (0x1800, 3) if sections else (0, 0)
    head = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 3, 3, 1, 0, 52, table_at, 0, 52, 32, len(segments), 40, count, 0
    )
    headers = b"".join(struct.pack("<8I", kind, at, at, at, size, size, 5, 0x1000) for kind, at, size in segments)
    return (head + headers).ljust(0x1800, b"\0") + bytes(40 * count)


class Build:
    """A build's root in a folder of the test's own, with its work in /work."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "work").mkdir()

    def write(self, path: str, content: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def found(self, *words: str, cwd: str | None = "/work", mapped: dict[str, int] | None = None) -> list[str]:
        """The paths that are told of a process with this command line and these mappings."""
        return [str(cut["path"]) for cut in self.cuts(*words, cwd=cwd, mapped=mapped)]

    def cuts(
        self, *words: str, cwd: str | None = "/work", mapped: dict[str, int] | None = None
    ) -> list[dict[str, object]]:
        seen = Seen(7, 6, words[0] if words else "ld", words, cwd=cwd, mapped=mapped or {})
        return Clues(str(self.root)).cut_files(seen)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


# -- ELF files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [ELF64, elf32(), elf32(sections=False)], ids=["elf64", "elf32", "elf32-stripped"])
def test_an_elf_file_needs_its_whole_length_and_is_told_wherever_it_was_cut(build: Build, whole: bytes) -> None:
    build.write("work/a.o", whole)
    assert build.cuts("ld", "a.o") == []
    tables_end = 64 + 56 * 7
    for length in (len(whole) - 1, len(whole) // 2, tables_end, tables_end - 30, 65, 64):
        build.write("work/a.o", whole[:length])
        (cut,) = build.cuts("ld", "a.o")
        needed = cut["needed"]
        assert (cut["path"], cut["size"]) == ("/work/a.o", length)
        assert isinstance(needed, int)
        assert length < needed <= len(whole)
        if length >= tables_end:
            assert needed == len(whole)


@pytest.mark.parametrize("length", [63, 52, 20, 4])
def test_an_elf_file_cut_inside_its_header_is_told(build: Build, length: int) -> None:
    build.write("work/a.o", ELF64[:length])
    assert build.found("ld", "a.o") == ["/work/a.o"]


def test_a_program_of_this_machine_is_whole_until_it_is_cut(build: Build) -> None:
    program = shutil.which("true")
    assert program
    content = Path(program).resolve().read_bytes()
    build.write("work/true", content)
    assert build.cuts("ld", "true") == []
    build.write("work/true", content[: len(content) * 2 // 3])
    assert build.cuts("ld", "true") == [{"path": "/work/true", "size": len(content) * 2 // 3, "needed": len(content)}]


def test_what_follows_an_elf_files_own_end_is_no_damage(build: Build) -> None:
    build.write("work/a.o", ELF64 + b"appended")
    assert build.cuts("ld", "a.o") == []


def test_other_and_big_endian_files_have_no_length_of_their_own(build: Build) -> None:
    build.write("work/a.c", b"int main(void) { return 0; }\n")
    build.write("work/big.o", ELF64[:5] + b"\2" + ELF64[6:100])
    build.write("work/class-3.o", ELF64[:4] + b"\3" + ELF64[5:100])
    assert build.cuts("ld", "a.c", "big.o", "class-3.o") == []
    assert elf_needs(b"!<arch>\n" + bytes(60), b"") is None


def test_a_header_with_absurd_numbers_does_not_end_the_probe(build: Build) -> None:
    build.write("work/a.o", ELF64[:32] + b"\xff" * 16 + ELF64[48:])
    assert build.found("ld", "a.o") in ([], ["/work/a.o"])


def test_an_absurd_number_of_headers_is_read_in_bounds(build: Build) -> None:
    build.write("work/a.o", ELF64[:54] + b"\x01\0\xff\xff" + ELF64[58:])
    assert build.found("ld", "a.o") == ["/work/a.o"]
    build.write("work/b.o", ELF64[:54] + b"\0\0\0\0" + ELF64[58:])
    assert build.found("ld", "b.o") == []


# -- empty files ----------------------------------------------------------------------------------------------------


def test_an_empty_file_is_told_without_a_length(build: Build) -> None:
    build.write("work/lib.rmeta", b"")
    assert build.cuts("rustc", "lib.rmeta") == [{"path": "/work/lib.rmeta", "size": 0, "needed": None}]


@pytest.mark.parametrize("words", [("cc1", "a.c", "-o", "a.s"), ("ld", "a.c", "-o", "a.s")])
def test_an_output_that_is_still_empty_is_no_cut_file(build: Build, words: tuple[str, ...]) -> None:
    build.write("work/a.c", b"int x;\n")
    build.write("work/a.s", b"")
    assert build.found(*words) == []


# -- mapped files ---------------------------------------------------------------------------------------------------


def test_a_mapping_that_ends_beyond_the_files_last_page_is_told(build: Build) -> None:
    build.write("work/db", b"x" * (PAGE + 1))
    assert build.cuts(mapped={"/work/db": 2 * PAGE}) == []
    assert build.cuts(mapped={"/work/db": 3 * PAGE}) == [{"path": "/work/db", "size": PAGE + 1, "needed": 3 * PAGE}]
    build.write("work/db", b"")
    assert build.cuts(mapped={"/work/db": PAGE}) == [{"path": "/work/db", "size": 0, "needed": PAGE}]


def test_a_mapped_file_that_is_gone_is_no_clue(build: Build) -> None:
    assert build.cuts(mapped={"/work/gone": PAGE}) == []


def test_a_file_that_is_mapped_and_named_is_told_once(build: Build) -> None:
    build.write("work/a.o", ELF64[:100])
    assert build.cuts("ld", "a.o", mapped={"/work/a.o": 8 * PAGE}) == [
        {"path": "/work/a.o", "size": 100, "needed": 8 * PAGE}
    ]


@pytest.mark.parametrize(
    ("path", "noted"),
    [
        ("/work/target/libx.rlib", True), ("/tmp/cc1.o", True), ("/dev/shm/x", True), ("/usr/lib/libc.so.6", False),
        ("/lib/x86_64-linux-gnu/ld.so", False), ("/lib64/ld.so", False), ("/bin/sh", False), ("/dev/zero", False),
        ("/proc/1/maps", False), ("[heap]", False), ("", False),
    ],
)  # fmt: skip
def test_the_systems_own_files_are_not_noted(path: str, noted: bool) -> None:
    assert worth_noting(path) is noted


# -- what a command line names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("ld", "a.o"), "work/a.o"),
        (("ld", "sub/../sub/a.o"), "work/sub/a.o"),
        (("ld", "/abs/a.o"), "abs/a.o"),
        (("ld", "../../../abs/a.o"), "abs/a.o"),
        (("rustc", "--extern", "x=/abs/libx.so"), "abs/libx.so"),
        (("rustc", "--extern=x=sub/libx.so"), "work/sub/libx.so"),
        (("rustc", "-L", "native=/abs"), "abs/libx.so"),
        (("rustc", "-L", "dependency=deps"), "work/deps/libx.so"),
        (("ld", "-L", "/abs"), "abs/libx.so"),
    ],
)
def test_words_values_and_library_folders_are_looked_at(build: Build, words: tuple[str, ...], path: str) -> None:
    build.write(path, ELF64[:2000])
    assert build.found(*words) == [f"/{path}"]


@pytest.mark.parametrize("word", ["-L/abs", "-Ldeps"])
def test_a_library_folder_in_one_word_is_looked_at(build: Build, word: str) -> None:
    build.write("abs/libx.so", ELF64[:2000])
    build.write("work/deps/libx.so", ELF64[:2000])
    assert build.found("ld", word) == [f"{'/abs' if 'abs' in word else '/work/deps'}/libx.so"]


def test_a_value_with_a_folder_kind_in_one_word_is_looked_at(build: Build) -> None:
    build.write("abs/libx.so", ELF64[:2000])
    assert build.found("rustc", "-Lnative=/abs") == ["/abs/libx.so"]


def test_options_the_program_itself_and_static_libraries_in_folders_are_passed_over(build: Build) -> None:
    build.write("work/ld", b"")
    build.write("work/-x", b"")
    build.write("abs/libx.a", b"")
    assert build.found("ld", "-x", "-L", "/abs", "") == []


def test_without_a_known_folder_words_are_of_the_root(build: Build) -> None:
    build.write("a.o", b"")
    assert build.found("ld", "a.o", cwd=None) == ["/a.o"]


def test_fifos_and_folders_are_not_opened_for_long(build: Build) -> None:
    os.mkfifo(build.root / "work" / "fifo")
    (build.root / "work" / "folder").mkdir()
    assert build.found("ld", "fifo", "folder", mapped={"/work/fifo": PAGE}) == []


def test_a_link_means_what_it_means_for_the_build(build: Build, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "empty.o").write_bytes(b"")
    build.write("work/cut.o", b"")
    (build.root / "work" / "near.o").symlink_to("cut.o")
    (build.root / "work" / "absolute.o").symlink_to("/work/cut.o")
    (build.root / "work" / "away.o").symlink_to(outside / "empty.o")
    (build.root / "work" / "up").symlink_to("../" * 20 + str(outside))
    assert build.found("ld", "near.o", "absolute.o", "away.o", "up/empty.o") == ["/work/near.o", "/work/absolute.o"]


def test_no_descriptor_is_left_open(build: Build) -> None:
    build.write("work/cut.o", b"")
    build.write("work/a.c", b"x")
    os.mkfifo(build.root / "work" / "fifo")
    before = len(list(Path("/proc/self/fd").iterdir()))
    build.found("ld", "cut.o", "fifo", "a.c", "gone", mapped={"/work/a.c": 9 * PAGE})
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# -- bounds ---------------------------------------------------------------------------------------------------------


def test_however_long_the_command_line_only_so_many_files_are_opened_and_few_told(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(20):
        build.write(f"work/{index}.o", b"")
    opened: list[str] = []
    look = Clues._cut

    def counted(self: Clues, path: str, mapped_to: int | None) -> dict[str, object] | None:
        opened.append(path)
        return look(self, path, mapped_to)

    monkeypatch.setattr(Clues, "_cut", counted)
    found = build.found("ld", *(f"{index}.o" for index in range(10_000)))
    assert found == [f"/work/{index}.o" for index in range(5)]
    assert len(opened) <= room._MOST_FILES


def test_a_mapping_is_better_evidence_than_the_words_and_never_crowded_out(build: Build) -> None:
    build.write("work/db", b"")
    words = ("ld", *(f"{index}.o" for index in range(room._MOST_FILES)))
    assert build.found(*words, mapped={"/work/db": PAGE}) == ["/work/db"]


def test_however_many_library_folders_there_are_only_so_many_are_listed(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []

    def folder(_self: Clues, path: str) -> list[str]:
        listed.append(path)
        return [f"lib{index}.so" for index in range(300)]

    monkeypatch.setattr(Clues, "_folder", folder)
    build.found("ld", *(word for index in range(1500) for word in ("-L", f"/lib{index}")))
    assert len(listed) <= room._MOST_FILES
