"""Packages that the real tools made (tests/unit/samples/make): sound as they are, refused when they are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.binaries import failing, messages, warning

from buildproof.artifacts import Expectation
from buildproof.bundles import examine_output
from buildproof.evidence import Artifact
from buildproof.targets import Target

SAMPLES = Path(__file__).parent / "samples"
LINUX = sorted(path.name for path in SAMPLES.iterdir() if path.suffix in {".deb", ".rpm", ".zst"})


def judge(path: Path, *contains: str) -> tuple[Artifact, ...]:
    return examine_output(path, Expectation(target=Target.LINUX_X86_64, contains=contains), path.name)


def test_there_is_one_of_each_kind() -> None:
    assert LINUX == ["app.deb", "app.tar.zst", "gz.rpm", "xz.rpm", "zst.rpm"]


@pytest.mark.parametrize("name", LINUX)
def test_what_the_real_tools_make_is_sound(name: str) -> None:
    package, program = judge(SAMPLES / name, "usr/bin/app", "usr/bin/link", "usr/share/README")
    assert not failing(package), messages(package)
    assert not warning(package), messages(package)
    assert program.path == f"{name}!./usr/bin/app"
    assert not failing(program), messages(program)


@pytest.mark.parametrize("name", LINUX)
def test_every_cut_of_them_is_refused(name: str, tmp_path: Path) -> None:
    data = (SAMPLES / name).read_bytes()
    survivors = []
    for size in range(0, len(data) - 4, max(1, len(data) // 40)):
        (tmp_path / name).write_bytes(data[:size])
        if not failing(judge(tmp_path / name)[0]):
            survivors.append(size)
    assert not survivors


@pytest.mark.parametrize("name", [name for name in LINUX if name.endswith(".rpm")])
def test_a_flipped_byte_of_header_or_payload_is_refused(name: str, tmp_path: Path) -> None:
    data = (SAMPLES / name).read_bytes()
    start = data.rindex(b"\x8e\xad\xe8\x01")
    for at in range(start, len(data), len(data) // 40):
        (tmp_path / name).write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        assert failing(judge(tmp_path / name)[0]) == ["bundle-whole"], hex(at)
