"""The box: which rights it leaves, what may be written in it, and who may say otherwise."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from buildproof.box import RIGHTS, Box, bounded, folders, rights_in_force
from buildproof.builder import Builder
from buildproof.compose import read_compose
from buildproof.engine import ContainerSpec
from buildproof.errors import InputError
from buildproof.limits import Limits
from buildproof.resources import shipped_compose


def builder(folder: Path, *lines: str, extension: str = "target: linux-x86_64") -> Builder:
    path = folder / "compose.yml"
    body = "".join(f"    {line}\n" for line in lines)
    path.write_text(f"services:\n  linux:\n    image: box\n{body}    x-buildproof: {{{extension}}}\n")
    return read_compose(path)["linux"]


def boxed(box: Box, limits: Limits | None = None) -> ContainerSpec:
    return ContainerSpec(image="i", argv=("true",), labels={}, limits=limits or Limits()).in_box(box)


def test_a_build_is_nobody_special_and_has_no_rights(tmp_path: Path) -> None:
    spec = boxed(Box.of(builder(tmp_path)))
    assert (spec.user, spec.cap_drop, spec.cap_add) == ("1000:1000", ("ALL",), ())
    assert spec.security == ("no-new-privileges",)
    assert (spec.read_only, spec.network, spec.binds, spec.devices) == (True, "none", {}, ())


def test_the_shipped_builders_ask_for_nothing_more() -> None:
    assert {Box.of(shipped) for shipped in read_compose(shipped_compose()).values()} == {Box()}


def test_what_is_written_goes_to_volumes_or_to_a_tmpfs_of_the_builders(tmp_path: Path) -> None:
    limits = builder(tmp_path, 'tmpfs: ["/tmp:size=64m"]').limits
    assert boxed(Box()).scratch == ("/buildproof", "/tmp", "/var/tmp")
    assert boxed(Box(), limits).scratch == ("/buildproof", "/var/tmp")


@pytest.mark.parametrize(("user", "owner"), [("1234", (1234, 1234)), ('"1234:5"', (1234, 5)), ('"7:0"', (7, 0))])
def test_a_builder_may_name_another_user(tmp_path: Path, user: str, owner: tuple[int, int]) -> None:
    box = Box.of(builder(tmp_path, f"user: {user}"))
    assert (box.owner, box.cap_add) == (owner, ())


def test_root_is_given_to_who_says_why_and_still_has_few_rights(tmp_path: Path) -> None:
    box = Box.of(builder(tmp_path, extension="target: linux-x86_64, root: it installs packages"))
    spec = boxed(box)
    assert (spec.user, spec.cap_drop, spec.read_only) == ("0:0", ("ALL",), True)
    assert "CHOWN" in spec.cap_add
    assert not {"MKNOD", "NET_RAW", "SYS_CHROOT", "SYS_ADMIN", "SYS_PTRACE", "SETPCAP", "KILL"} & set(spec.cap_add)
    assert "no-new-privileges" in spec.security


@pytest.mark.parametrize("user", ["0", '"0"', '"0:1000"', '"00"'])
def test_root_without_a_reason_is_an_error_in_its_line(tmp_path: Path, user: str) -> None:
    with pytest.raises(InputError, match=r"compose\.yml:4:5: services\.linux\.user: is root: say why"):
        builder(tmp_path, f"user: {user}")


def test_root_and_another_user_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"compose\.yml:5:\d+: .*root: asks for root, and user for 1000"):
        builder(tmp_path, "user: 1000", extension="target: linux-x86_64, root: it installs packages")


@pytest.mark.parametrize("user", ["builder", '"1000:users"', "-1", "true", "4294967295", '""', "1.5", "[1]"])
def test_a_user_that_is_no_number_is_an_error_in_its_line(tmp_path: Path, user: str) -> None:
    with pytest.raises(
        InputError, match=r"compose\.yml:4:5: services\.linux\.user: must be numbers, 1000 or 1000:1000"
    ):
        builder(tmp_path, f"user: {user}")


def test_the_image_is_writable_for_who_says_why(tmp_path: Path) -> None:
    box = Box.of(builder(tmp_path, extension="target: linux-x86_64, writable-image: it installs packages"))
    assert (boxed(box).read_only, box.user) == (False, "1000:1000")


def test_processes_and_files_are_bounded_where_the_builder_says_nothing() -> None:
    assert (bounded(Limits()).pids, bounded(Limits()).rlimits) == (4096, {"fsize": (16 << 30, 16 << 30)})
    assert bounded(Limits()).disk == 32 << 30
    said = Limits(pids=-1, disk=1, rlimits={"fsize": (1, 2), "nofile": (3, 4)})
    assert bounded(said) == said


def test_folders_belong_to_the_user_of_the_box() -> None:
    with tarfile.open(fileobj=io.BytesIO(folders((1234, 5), "cache", "cache/files"))) as tar:
        found = [(info.name, info.isdir(), info.mode, info.uid, info.gid) for info in tar]
    assert found == [("cache", True, 0o755, 1234, 5), ("cache/files", True, 0o755, 1234, 5)]


SHUT = {"Uid": "1000\t1000\t1000\t1000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}


def test_a_box_that_is_shut_is_told_so() -> None:
    states = rights_in_force(Box(), SHUT)
    assert all(state.in_force for state in states.values())
    assert set(RIGHTS) < set(states)


@pytest.mark.parametrize(
    ("row", "value", "name"),
    [
        ("Uid", "1000\t0\t0\t0", "user"),
        ("Uid", "0\t0\t0\t0", "user"),
        ("CapBnd", "0000000000000001", "capabilities"),
        ("NoNewPrivs", "0", "no_new_privileges"),
        ("Seccomp", "0", "seccomp"),
    ],
)
def test_each_right_too_many_is_told(row: str, value: str, name: str) -> None:
    states = rights_in_force(Box(), {**SHUT, row: value})
    assert [known for known, state in states.items() if not state.in_force] == [name]


def test_rights_that_cannot_be_read_are_not_in_force() -> None:
    for state in rights_in_force(Box(), None).values():
        assert (state.effective, state.in_force) == (None, False)
        assert "could not be read" in str(state.why)
