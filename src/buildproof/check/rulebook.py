"""docs/rules.md: every rule with its source and its mend, written from the rules themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from buildproof import bundles
from buildproof.artifacts import OBJECT_RULES, RULES, policy
from buildproof.artifacts.rule import Aspect, Rule
from buildproof.hardening import Hardening
from buildproof.targets import Format

_HEAD = """# The rules for artifacts

<!-- Written by `buildproof rules > docs/rules.md`; a test compares it with the code. -->

A build's outputs are judged by these rules after they came out of the container, and `buildproof check` judges
files from anywhere by the same ones. A rule **passes**, **fails**, **warns** of what is only unusual, or is **not
applicable**, with the reason. One damage is reported once: what rests on a broken rule is not judged, and says so.
A failed rule says where in the file, what was expected, what was found, and the next step, which stands here under
"mend". Ids are kept for ever.

What the libraries and tools that one would otherwise ask let through is measured in [readers.md](readers.md).
"""
_PACKAGES = """\
`.zip`, `.tar` (plain, `.gz`, `.xz`, `.bz2`, `.zst`), `.deb`, `.rpm`, `.AppImage` and static libraries (`.a`, `.lib`),
by the name, and NSIS installers; each executable inside is judged, and what is not opened is named. AppImages and
installers are judged as executables too. Of a static library's objects those are told that have something wrong.

A package may unpack to 4 GiB, but to no more than 200 times its size or 256 MiB, whatever is more. It may have 100,000
members, but no more than 10,000 and one for each 50 bytes. Decompressors get 128 MiB of memory. Not opened: packages in
packages, DwarFS, squashfs of LZO or LZ4, NSIS's bzip2, other installers and self-extracting programs.
"""
_ASPECTS = {
    Aspect.STRUCTURE: "the file is whole",
    Aspect.DEPENDENCIES: "it finds what it needs",
    Aspect.HARDENING: "it is hard to attack, and as bare as the project wants",
}
_TITLES = {None: "Any file", Format.PE: "Windows: PE", Format.ELF: "Linux: ELF"}


def rulebook() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_levels(), *_policies(), *_tables()])


def _levels() -> Iterator[str]:
    yield "## Levels of hardening\n"
    yield "`hardening` in a `[[build]]` of buildproof.toml, or `--hardening`; each level has all of those before it.\n"
    yield "| level | asks for |\n|---|---|"
    for level in Hardening:
        ids = [f"`{rule.id}`" for rules in RULES.values() for rule in rules if rule.level is level]
        yield f"| `{level}` | {', '.join(ids) or 'nothing'} |"
    yield ""
    yield 'Apart from the levels: `symbols = "stripped"` asks for `pe-stripped` and `elf-stripped`, `size-limit` for '
    yield "`file-size`.\n"


def _policies() -> Iterator[str]:
    windows, linux = policy.windows(), policy.linux()
    yield "## What a system has\n"
    yield (
        f"Windows: {len(windows.since)} DLLs as of {windows.date}, each with the Windows that first had it "
        f"(`windows-baseline`, by default {windows.default}). Linux: {len(linux.libraries)} libraries as of "
        f"{linux.date}, and the oldest libstdc++ of the distributions that have the `glibc-baseline` or a newer one. "
        "Sources stand in the data files, `src/buildproof/artifacts/policies/`. What else is needed has to lie beside "
        "the artifact or to be allowed by `libraries`; what toolchains leave behind gets its own sentence:\n"
    )
    yield "| library | comes from | mend |\n|---|---|---|"
    for left in (*windows.leftovers, *linux.leftovers):
        yield f"| `{left.pattern}` | {left.origin} | {left.mend} |"
    yield ""


def _tables() -> Iterator[str]:
    yield "## Packages: they can be unpacked, and have in them what they should\n"
    yield _PACKAGES
    yield "| id | what holds | source | mend |\n|---|---|---|---|"
    yield from map(_row, bundles.RULES)
    yield ""
    for form, rules in OBJECT_RULES.items():
        known = {rule.id for rule in RULES[form]}
        also = [f"`{rule.id}`" for rule in rules if rule.id in known]
        yield f"## {_TITLES[form]}, objects (`.o`, `.obj`)\n"
        yield f"Besides: {', '.join(also)}.\n" if also else "None of those for executables.\n"
        yield "| id | what holds | source | mend |\n|---|---|---|---|"
        yield from (_row(rule) for rule in rules if rule.id not in known)
        yield ""
    for kind, rules in RULES.items():
        for aspect, words in _ASPECTS.items():
            chosen = [rule for rule in rules if rule.aspect is aspect]
            if chosen:
                yield f"## {_TITLES[kind]}: {words}\n"
                yield "| id | what holds | source | mend |\n|---|---|---|---|"
                yield from map(_row, chosen)
                yield ""


def _row(rule: Rule[Any]) -> str:
    cells = (f"`{rule.id}`", rule.title, rule.source, rule.mend)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
