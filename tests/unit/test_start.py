"""Starting an artifact: what is executed, in what box, and when it is a complaint."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, cast

import pytest

from buildproof import start as room
from buildproof.collect import Collected
from buildproof.engine import ContainerSpec, Engine
from buildproof.errors import EngineError
from buildproof.evidence import Started
from buildproof.images.store import Image
from buildproof.manifest import Starts
from buildproof.start import TIME_LIMIT_S, argv_for, start
from buildproof.targets import Target

PLAIN = Starts(args=(), stdout=None, exit_code=0, artifact="out/*")


class FakeEngine:
    """Runs nothing: prints and exits as the test says, and remembers what was asked of it."""

    def __init__(self, *output: bytes, code: int | None = 0) -> None:
        self.output, self.code = output, code
        self.breaks = ""
        self.done: list[str] = []
        self.spec: ContainerSpec | None = None
        self.members: dict[str, tuple[int, int, bytes]] = {}

    def create(self, spec: ContainerSpec) -> str:
        self.spec = spec
        return "container"

    def put(self, _container: str, folder: str, tar: IO[bytes]) -> None:
        self.done.append(f"put {folder}")
        if self.breaks == "put":
            raise EngineError("the engine refused")
        with tarfile.open(fileobj=tar) as opened:
            for member in opened:
                content = opened.extractfile(member)
                self.members[member.name] = (member.mode, member.uid, content.read() if content else b"")

    def run_to_end(self, _container: str, output: Callable[[bytes], object], *, timeout_s: float) -> int | None:
        self.done.append(f"run {timeout_s:.0f}")
        for chunk in self.output:
            output(chunk)
        return self.code

    def remove(self, _container: str) -> None:
        self.done.append("remove")


@pytest.fixture
def outputs(tmp_path: Path) -> list[Collected]:
    for name in ("app", "lib.so"):
        (tmp_path / name).write_bytes(name.encode())
        (tmp_path / name).chmod(0o600)
    return [
        Collected("out/app", tmp_path / "app"),
        Collected("out/lib.so", tmp_path / "lib.so"),
        Collected("out/*.dll", None, "no file matches"),
    ]


def started(
    engine: FakeEngine, outputs: list[Collected], expected: Starts = PLAIN, target: Target = Target.LINUX_X86_64
) -> Started:
    return start(
        cast("Engine", engine),
        image=Image("clean:1", "sha256:00"),
        target=target,
        outputs=outputs,
        name="out/app",
        expected=expected,
    )


def test_pe_files_run_through_wine_and_elf_files_as_they_are() -> None:
    path = PurePosixPath("/buildproof/run/out/app")
    for target in Target:
        argv = argv_for(target, path, ("--version", "a b"))
        assert argv[-3:] == (str(path), "--version", "a b")
        assert argv[:-3] == (("wine",) if target.platform == "windows" else ())


def test_an_artifact_runs_in_a_box_without_network_rights_or_a_shell(outputs: list[Collected]) -> None:
    engine = FakeEngine()
    started(engine, outputs, Starts(args=("$HOME; id",), stdout=None, exit_code=0, artifact="x"))
    spec = engine.spec
    assert spec is not None
    assert spec.argv[4:] == ("/buildproof/run/out/app", "$HOME; id")  # arguments of the lease, not words of its script
    assert spec.workdir == "/buildproof/run/out"
    assert (spec.network, spec.user, spec.cap_drop, spec.cap_add) == ("none", "1000:1000", ("ALL",), ())
    assert spec.security == ("no-new-privileges",)
    assert spec.limits.memory is not None
    assert spec.limits.pids is not None
    assert spec.labels == {"buildproof": "start"}
    assert (spec.volumes, spec.binds) == ({}, {})


def test_all_outputs_lie_beside_it_executable_and_nobodys(outputs: list[Collected]) -> None:
    engine = FakeEngine()
    started(engine, outputs)
    assert engine.members == {
        "buildproof/run/out/app": (0o755, 0, b"app"),
        "buildproof/run/out/lib.so": (0o755, 0, b"lib.so"),
    }
    assert engine.done == ["put /", f"run {TIME_LIMIT_S:.0f}", "remove"]


def test_the_container_is_removed_when_the_engine_fails(outputs: list[Collected]) -> None:
    engine = FakeEngine()
    engine.breaks = "put"
    with pytest.raises(EngineError):
        started(engine, outputs)
    assert engine.done[-1] == "remove"


@pytest.mark.parametrize(
    ("code", "output", "expected", "complaint"),
    [
        (0, b"", PLAIN, None),
        (3, b"", Starts(args=(), stdout=None, exit_code=3, artifact="x"), None),
        (1, b"", PLAIN, "exit code 1, expected 0; it printed: nothing"),
        (
            0, b"", Starts(args=(), stdout=None, exit_code=3, artifact="x"),
            "exit code 0, expected 3; it printed: nothing",
        ),
        (None, b"loading\n", PLAIN, "it still ran after 2 min 00 s; it had printed: loading"),
        (0, b"app 1.2\n", Starts(args=(), stdout=r"app 1\.\d", exit_code=0, artifact="x"), None),
        (0, b"banner\r\napp 1.2\r\n", Starts(args=(), stdout=r"^app 1\.\d$", exit_code=0, artifact="x"), None),
        (
            0, b"app 2.0\n", Starts(args=(), stdout=r"^app 1\.", exit_code=0, artifact="x"),
            r"its output does not match '^app 1\\.'; it printed: app 2.0",
        ),
        (0, b"", Starts(args=(), stdout="", exit_code=0, artifact="x"), None),
        (
            2, b"app 1.0\n", Starts(args=(), stdout="app", exit_code=0, artifact="x"),
            "exit code 2, expected 0; it printed: app 1.0",
        ),
        (None, b"app 1.0\n", Starts(args=(), stdout="app", exit_code=0, artifact="x"),
         "it still ran after 2 min 00 s; it had printed: app 1.0"),
    ],
)  # fmt: skip
def test_it_complains_about_exit_code_output_and_time(
    outputs: list[Collected], code: int | None, output: bytes, expected: Starts, complaint: str | None
) -> None:
    assert started(FakeEngine(output, code=code), outputs, expected).complaint == complaint


def test_a_complaint_quotes_the_last_five_lines_and_no_more_than_400_characters(outputs: list[Collected]) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(9))
    complaint = started(FakeEngine(lines, code=1), outputs).complaint
    assert complaint == "exit code 1, expected 0; it printed: line 4 / line 5 / line 6 / line 7 / line 8"
    long = started(FakeEngine(b"x" * 5000, code=1), outputs).complaint
    assert long == "exit code 1, expected 0; it printed: " + "x" * 400


def test_a_pattern_made_to_be_matched_for_long_ends_the_comparison_not_the_run(
    outputs: list[Collected], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_SEARCH_S", 1.0)
    expected = Starts(args=(), stdout="(a+)+$", exit_code=0, artifact="x")
    complaint = started(FakeEngine(b"a" * 1000 + b"b\n"), outputs, expected).complaint
    assert complaint == "comparing its output with '(a+)+$' took more than 1.0 s"


def test_output_is_kept_plain_and_to_a_bound(outputs: list[Collected]) -> None:
    result = started(FakeEngine(b"\x1b[31mred\x1b[0m \xff", b"x" * 100_000, b"y" * 100_000), outputs)
    assert result.stdout.startswith("red \ufffdxxx")
    assert "y" not in result.stdout
    assert len(result.stdout) <= 1 << 16


def test_what_happened_is_kept(outputs: list[Collected]) -> None:
    result = started(FakeEngine(b"out\n", code=5), outputs, target=Target.WINDOWS_X86_64)
    assert (result.image, result.argv, result.exit_code, result.stdout) == (
        "clean:1", ("wine", "/buildproof/run/out/app"), 5, "out\n",
    )  # fmt: skip
    assert result.duration_s >= 0
