"""docs/manifest.md against the models: neither knows a key that the other does not."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit import binaries_elf_damage, binaries_pe_damage

from buildproof import compose_refused
from buildproof.check import rulebook
from buildproof.compose import read_compose
from buildproof.compose_limits import RLIMITS, UlimitTable
from buildproof.compose_tables import BuilderTable, ComposeTable, ExtensionTable, ImageTable, ProfileTable
from buildproof.document.table import Table, keys_of
from buildproof.errors import Trouble
from buildproof.evidence import CheckStatus
from buildproof.manifest import read_manifest
from buildproof.manifest_tables import (
    ARCHIVE_SUFFIXES,
    BuildTable,
    FetchTable,
    ManifestTable,
    ProjectTable,
    SourceTable,
    StartsTable,
)
from buildproof.targets import Target
from buildproof.verdict import Outcome

DOC = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text()

TABLES: dict[str, type[Table]] = {
    "`[project]`": ProjectTable,
    "`source`": SourceTable,
    "`[fetch]`": FetchTable,
    "`[[build]]`": BuildTable,
    "`starts`": StartsTable,
    "The file": ComposeTable,
    "A builder": BuilderTable,
    "`ulimits`": UlimitTable,
    "`build`": ImageTable,
    "`x-buildproof`": ExtensionTable,
    "`profiles`": ProfileTable,
}
DOCS = Path(__file__).parents[2] / "docs"


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^#|\Z)", DOC, re.MULTILINE | re.DOTALL)
    assert isinstance(found, str)
    return found


def rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.parametrize(("title", "model"), TABLES.items())
def test_the_documented_keys_are_the_models_keys(title: str, model: type[Table]) -> None:
    assert [row[0].strip("`") for row in rows(section(title))] == list(keys_of(model))


@pytest.mark.parametrize(("title", "model"), TABLES.items())
def test_what_is_documented_as_required_is_required(title: str, model: type[Table]) -> None:
    documented = {row[0].strip("`") for row in rows(section(title)) if row[2] == "required"}
    required = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    assert documented == required


def test_every_table_of_a_manifest_has_a_section() -> None:
    assert set(keys_of(ManifestTable)) == {"project", "fetch", "build"}


def test_every_row_of_the_document_is_complete() -> None:
    for title in TABLES:
        for row in rows(section(title)):
            assert len(row) == 4, row
            assert all(row), row


def test_the_refused_keys_are_documented_with_their_reasons() -> None:
    documented = {
        (key, because) for keys, because in rows(section("What is refused")) for key in re.findall(r"`([^`]+)`", keys)
    }
    refused = [
        *compose_refused.FILE.items(),
        *compose_refused.SERVICE.items(),
        *compose_refused.BUILD.items(),
    ]
    assert documented == set(refused)


def test_no_key_is_both_known_and_refused() -> None:
    for model in TABLES.values():
        assert not set(keys_of(model)) & set(model.unsupported)


def test_the_documented_words_are_the_codes_words() -> None:
    assert all(f"`{target}`" in section("`x-buildproof`") for target in Target)
    assert all(f"`{name}`" in section("`ulimits`") for name in RLIMITS)
    assert all(f"`{suffix}`" in section("`source`") for suffix in ARCHIVE_SUFFIXES)


def test_the_page_of_rules_is_the_codes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
    assert page == rulebook() + "\n", "buildproof rules > docs/rules.md"


def test_what_other_readers_let_through_was_measured_with_every_damage() -> None:
    page = (Path(__file__).parents[2] / "docs" / "readers.md").read_text()
    measured = re.findall(r"^\| ([a-z0-9-]+) \| `([a-z-]+)` \| (\w*)", page, re.MULTILINE)
    damages = [*binaries_pe_damage.DAMAGES, *binaries_elf_damage.DAMAGES]
    said = {CheckStatus.FAIL: "refuses", CheckStatus.WARNING: "warns"}
    assert measured == [(damage.name, damage.rule, said[damage.status]) for damage in damages], (
        "python benchmarks/readers.py > docs/readers.md"
    )


def test_the_examples_are_valid(tmp_path: Path) -> None:
    manifests = re.findall(r"^```toml\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)
    compose = re.findall(r"^```yaml\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)
    assert len(manifests) == 2
    for text in manifests:
        (tmp_path / "buildproof.toml").write_text(text)
        assert read_manifest(tmp_path / "buildproof.toml").builds
    for text in compose:
        (tmp_path / "compose.yml").write_text(text)
        assert set(read_compose(tmp_path / "compose.yml")) == {"windows", "linux"}


def causes_of_verdicts() -> set[str]:
    """Every literal cause that the code gives a verdict; rules of artifacts and signals have their own names."""
    found: set[str] = set(Trouble)
    for path in (DOCS.parent / "src" / "buildproof" / "verdict").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call):
                said = [keyword.value for keyword in call.keywords if keyword.arg == "cause"]
                said += call.args[:1] if isinstance(call.func, ast.Name) and call.func.id == "_Cause" else []
                said = [
                    half
                    for node in said
                    for half in ((node.body, node.orelse) if isinstance(node, ast.IfExp) else [node])
                ]
                found |= {node.value for node in said if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found


def test_the_page_on_results_has_each_outcome_and_cause_in_its_table_and_no_other() -> None:
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    table = page.partition("## Verdict by verdict")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    verdicts = [(row[0], cause) for row in cells[2:] for cause in row[1].split(", ")]
    assert {outcome for outcome, _ in verdicts} == set(Outcome)
    named = {cause for _, cause in verdicts} - {"", "a rule's id", "…", *signal.Signals.__members__}
    assert sorted(named ^ causes_of_verdicts()) == []


def test_every_page_is_on_the_landing_page() -> None:
    landing = (DOCS / "README.md").read_text("utf-8")
    pages = {path.name for path in DOCS.glob("*.md")} - {"README.md"}
    assert sorted(page for page in pages if f"({page})" not in landing) == []


def test_the_first_project_is_what_its_page_has_one_type(tmp_path: Path) -> None:
    page = (DOCS / "first-project.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)

    def type_in(block: str) -> None:
        subprocess.run(["bash", "-e", "-c", block], cwd=tmp_path, check=True)

    made = [block for block in blocks if "cat >" in block]
    assert len(made) == 2
    for block in made:
        type_in(block)
    manifest = tmp_path / "hello" / "buildproof.toml"
    read = read_manifest(manifest)
    assert [build.builder for build in read.builds] == ["windows", "linux"]
    assert (tmp_path / "hello" / "hello.c").is_file()
    (less,) = [line for block in blocks for line in block.splitlines() if line.startswith("sed ")]
    type_in(less)
    assert [build.peak_memory for build in read_manifest(manifest).builds] == [1 << 20] * 2
    (back,) = [line for block in blocks for line in block.splitlines() if line.startswith("mv ")]
    type_in(back)
    assert read_manifest(manifest) == read
