"""The parents of a Dockerfile, resolved in place; its lines stay where they are."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from buildproof.images.dockerfile import Instruction, instructions, with_parents


def resolved(text: str, args: Mapping[str, str] | None = None) -> tuple[str, list[str]]:
    """The Dockerfile with every parent in angle brackets, and the parents that were asked for."""
    asked: list[str] = []

    def resolve(reference: str) -> str:
        asked.append(reference)
        return f"<{reference}>"

    return with_parents(text, args or {}, resolve), asked


@pytest.mark.parametrize(
    ("line", "parent"),
    [
        ("FROM debian:trixie-slim", "debian:trixie-slim"),
        ("from debian", "debian"),
        ("  FROM debian  ", "debian"),
        ("FROM debian AS base", "debian"),
        ("FROM --platform=linux/amd64 debian as base", "debian"),
        ("FROM registry.example:5000/a/b@sha256:00ff AS x", "registry.example:5000/a/b@sha256:00ff"),
    ],
)
def test_the_parent_is_replaced_and_all_around_it_stays(line: str, parent: str) -> None:
    text, asked = resolved(line)
    assert asked == [parent]
    assert text == line.replace(parent, f"<{parent}>", 1) + "\n"


def test_scratch_is_no_parent() -> None:
    assert resolved("FROM scratch\n") == ("FROM scratch\n", [])


@pytest.mark.parametrize(
    ("head", "reference", "args", "parent"),
    [
        ("ARG BASE=debian:trixie", "$BASE", {}, "debian:trixie"),
        ("ARG BASE=debian:trixie", "${BASE}", {"BASE": "debian:bookworm"}, "debian:bookworm"),
        ('ARG SUITE="trixie"', "debian:${SUITE}-slim", {}, "debian:trixie-slim"),
        ("ARG SUITE='trixie'", "debian:$SUITE", {}, "debian:trixie"),
        ("arg SUITE", "debian:${SUITE:-sid}", {}, "debian:sid"),
        ("ARG SUITE", "debian:${SUITE:-sid}", {"SUITE": "trixie"}, "debian:trixie"),
        ("ARG SUITE=", "debian:${SUITE:-sid}", {}, "debian:sid"),
        ("ARG SUITE=trixie\nARG BASE=debian:${SUITE}", "$BASE", {}, "debian:trixie"),
        ("ARG SUITE=trixie\nARG BASE=debian:${SUITE}", "$BASE", {"SUITE": "sid"}, "debian:sid"),
        ("", "debian:${UNKNOWN:-sid}", {"UNKNOWN": "not declared"}, "debian:sid"),
    ],
)
def test_arguments_before_the_first_from_are_expanded(
    head: str, reference: str, args: dict[str, str], parent: str
) -> None:
    text, asked = resolved(f"{head}\nFROM {reference}\n", args)
    assert asked == [parent]
    assert text == f"{head}\nFROM <{parent}>\n"


def test_an_argument_inside_a_stage_says_nothing_about_the_next_parent() -> None:
    _, asked = resolved("ARG A=one\nFROM $A AS first\nARG A=two\nFROM base:$A\n")
    assert asked == ["one", "base:one"]


def test_a_stage_is_no_outside_parent() -> None:
    text = "FROM debian AS Base\nFROM base AS tools\nFROM TOOLS\nCOPY --from=base /a /a\nCOPY --from=1 /b /b\n"
    assert resolved(text) == (text.replace("debian", "<debian>"), ["debian"])


def test_a_stage_cannot_be_used_before_it_is_there() -> None:
    _, asked = resolved("FROM tools\nFROM debian AS tools\n")
    assert asked == ["tools", "debian"]


@pytest.mark.parametrize(
    "line",
    [
        "COPY --from=buildproof/toolchain /opt /opt",
        "copy --chown=1:1 --from=buildproof/toolchain /opt /opt",
        "COPY --link --from=buildproof/toolchain --chmod=755 /opt /opt",
    ],
)
def test_an_image_that_is_copied_from_is_a_parent(line: str) -> None:
    text, asked = resolved(f"FROM debian\n{line}\n")
    assert asked == ["debian", "buildproof/toolchain"]
    assert text.splitlines()[1] == line.replace("buildproof/toolchain", "<buildproof/toolchain>")


@pytest.mark.parametrize(
    "line",
    [
        "RUN tool --from=somewhere --to=elsewhere",
        "# COPY --from=commented /a /a",
        "# FROM commented",
        "ENV NOTE=FROM",
        "COPY /a --from=late /b",
    ],
)
def test_words_that_only_look_like_parents_are_left_alone(line: str) -> None:
    text, asked = resolved(f"FROM debian\n{line}\n")
    assert asked == ["debian"]
    assert text == f"FROM <debian>\n{line}\n"


def test_a_continuation_line_is_no_instruction() -> None:
    text = (
        'FROM debian\nRUN psql -c "SELECT * \\\n# a comment\n\n  FROM users" && \\\n  COPY --from=x\n'
        "COPY --from=y a a\n"
    )
    assert resolved(text) == (
        text.replace("debian", "<debian>").replace("--from=y", "--from=<y>"),
        ["debian", "y"],
    )


def test_lines_keep_their_numbers() -> None:
    text = "# syntax\n\nARG A=debian\n\nFROM $A\nRUN a && \\\n    # why\n    b\n\nCOPY --from=img /x /x"
    before, after = text.splitlines(), resolved(text)[0].splitlines()
    assert len(after) == len(before)
    assert [index for index, line in enumerate(before) if after[index] != line] == [4, 9]


def test_instructions_are_counted_as_the_builder_counts_its_steps() -> None:
    text = "# c\nARG A=1\n\nFROM x\nRUN a && \\\n  # between\n\n  b \\\n  c\nENV E=1\n"
    assert instructions(text) == [
        Instruction(2, "ARG A=1"),
        Instruction(4, "FROM x"),
        Instruction(5, "RUN a &&  b  c"),
        Instruction(10, "ENV E=1"),
    ]


def test_an_empty_dockerfile_has_no_instructions() -> None:
    assert instructions("\n# nothing\n") == []
