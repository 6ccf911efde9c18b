"""Whether a CPU is emulated: told where the image and the engine's kernel name different ones, and only there."""

from __future__ import annotations

import pytest

from buildproof.facts import emulation


@pytest.mark.parametrize(
    ("image", "machine"),
    [
        ("amd64", "x86_64"), ("arm64", "aarch64"), ("386", "i686"), ("arm", "armv7l"), ("riscv64", "riscv64"),
        ("ppc64le", "ppc64le"), ("s390x", "s390x"),
    ],
)  # fmt: skip
def test_an_image_for_the_engines_own_cpu_is_not_emulated(image: str, machine: str) -> None:
    assert emulation(image, machine) is None


@pytest.mark.parametrize(("image", "machine"), [("386", "x86_64"), ("arm", "aarch64")])
def test_the_32_bit_code_that_a_64_bit_cpu_runs_itself_is_not_emulated(image: str, machine: str) -> None:
    assert emulation(image, machine) is None


@pytest.mark.parametrize(("image", "machine"), [("unknown", "x86_64"), ("amd64", "unknown")])
def test_what_is_not_known_is_not_called_emulated(image: str, machine: str) -> None:
    assert emulation(image, machine) is None


@pytest.mark.parametrize(
    ("image", "machine", "own"),
    [
        ("arm64", "x86_64", "amd64"), ("amd64", "aarch64", "arm64"), ("amd64", "i686", "386"),
        ("arm64", "armv7l", "arm"), ("arm", "x86_64", "amd64"), ("386", "aarch64", "arm64"),
        ("s390x", "x86_64", "amd64"),
    ],
)  # fmt: skip
def test_an_image_for_another_cpu_is_emulated_in_words_of_both(image: str, machine: str, own: str) -> None:
    assert emulation(image, machine) == f"the image is for {image}, the engine's CPU is {own}"


@pytest.mark.parametrize(
    ("image", "machine"), [("arm", "armv6l"), ("arm", "armv8l"), ("386", "i586"), ("loong64", "loongarch64")]
)
def test_a_kernels_word_for_the_same_cpu_is_not_taken_for_another(image: str, machine: str) -> None:
    assert emulation(image, machine) is None
