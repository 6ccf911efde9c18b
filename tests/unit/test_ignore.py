"""What is left behind: gitignore(5) at every level up to the repository, and Docker's rules at the root."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from buildproof.errors import Place
from buildproof.sources import IgnoreRules, walk_folder


def tree(root: Path, *names: str, **ignore_files: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def ignore(folder: Path, *lines: str, name: str = ".gitignore") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")


def kept(root: Path, *, git: bool = True) -> set[str]:
    """The files that are not left behind, without the ignore files themselves."""
    entries = walk_folder(root, IgnoreRules.at_root(root, git=git), Place(root))
    names = {entry.name for entry in entries if not entry.info.isdir()}
    return {name for name in names if not name.endswith((".gitignore", ".dockerignore"))}


def test_nothing_is_left_behind_without_a_rule(tmp_path: Path) -> None:
    assert kept(tree(tmp_path, "a", "b/c", ".hidden", "target/x")) == {"a", "b/c", ".hidden", "target/x"}


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        (["*.o"], {"a.o", "sub/a.o", "sub/deep/a.o"}),
        (["/a.o"], {"a.o"}),
        (["sub/"], {"sub/a.o", "sub/a.c", "sub/deep/a.o", "sub/target"}),
        (["target/"], set()),
        (["target"], {"sub/target"}),
        (["deep"], {"sub/deep/a.o"}),
        (["sub/deep"], {"sub/deep/a.o"}),
        (["**/deep/"], {"sub/deep/a.o"}),
        (["sub/*.o"], {"sub/a.o"}),
        (["sub/**/*.o"], {"sub/a.o", "sub/deep/a.o"}),
        (["*.o", "!a.o"], set()),
        (["*.o", "!/a.o"], {"sub/a.o", "sub/deep/a.o"}),
        (["!a.o", "*.o"], {"a.o", "sub/a.o", "sub/deep/a.o"}),
        (["sub/", "!sub/a.c"], {"sub/a.o", "sub/a.c", "sub/deep/a.o", "sub/target"}),
        (["sub/*", "!sub/a.c"], {"sub/a.o", "sub/deep/a.o", "sub/target"}),
        (["# a.o", "", "\\#x"], set()),
        (["a.[oc]"], {"a.o", "a.c", "sub/a.o", "sub/a.c", "sub/deep/a.o"}),
        (["?.c"], {"a.c", "sub/a.c"}),
    ],
)
def test_gitignore_patterns_mean_what_they_mean_to_git(tmp_path: Path, rules: list[str], left: set[str]) -> None:
    everything = {"a.o", "a.c", "sub/a.o", "sub/a.c", "sub/deep/a.o", "sub/target"}
    tree(tmp_path, *everything)
    ignore(tmp_path, *rules)
    assert everything - kept(tmp_path) == left
    if git := shutil.which("git"):
        subprocess.run([git, "init", "-q"], cwd=tmp_path, check=True)
        command = [git, "ls-files", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        assert kept(tmp_path) == set(listed.splitlines()) - {".gitignore"}


def test_a_nested_gitignore_speaks_for_its_own_folder_and_overrules_its_parents(tmp_path: Path) -> None:
    tree(tmp_path, "x.log", "a/x.log", "a/b/x.log", "c/x.log", "c/only")
    ignore(tmp_path, "*.log")
    ignore(tmp_path / "a", "!*.log", "/b/*.log")
    ignore(tmp_path / "c", "/only")
    assert kept(tmp_path) == {"a/x.log"}


def test_the_rules_of_parents_count_up_to_the_repository_and_no_further(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    project = tree(repository / "apps" / "app", "x.o", "x.tmp", "x.c", "gen/x", "apps/x")
    (repository / ".git").mkdir()
    ignore(tmp_path, "*.c")
    ignore(repository, "*.o", "/apps/app/gen/", "/apps/x")
    ignore(repository / "apps", "*.tmp", "/gen")
    assert kept(project) == {"x.c", "apps/x"}


def test_without_a_repository_only_the_roots_own_rules_count(tmp_path: Path) -> None:
    project = tree(tmp_path / "app", "x.o", "x.c")
    ignore(tmp_path, "*.c")
    ignore(project, "*.o")
    assert kept(project) == {"x.c"}


def test_a_worktrees_git_file_marks_its_repository_as_well(tmp_path: Path) -> None:
    project = tree(tmp_path / "worktree" / "app", "x.o")
    (tmp_path / "worktree" / ".git").write_text("gitdir: /elsewhere\n")
    ignore(tmp_path / "worktree", "*.o")
    ignore(tmp_path, "!*.o")
    assert kept(project) == set()


@pytest.mark.parametrize("rule", ["third_party/", "/third_party/tool", "tool/", "*"])
def test_a_root_that_its_repository_ignores_is_not_empty(tmp_path: Path, rule: str) -> None:
    project = tree(tmp_path / "third_party" / "tool", "main.c", "main.o")
    (tmp_path / ".git").mkdir()
    ignore(tmp_path, rule)
    ignore(project, "*.o")
    assert kept(project) == {"main.c"}


def test_version_control_and_our_own_folder_never_go_in(tmp_path: Path) -> None:
    tree(tmp_path, ".git/config", ".hg/x", "a/.svn/x", ".buildproof/last/record.json", "a/.git", "a/b")
    ignore(tmp_path, "!.git", "!.buildproof")
    ignore(tmp_path, "!.git", name=".dockerignore")
    assert kept(tmp_path) == {"a/b"}


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        (["x.log"], {"x.log"}),
        (["/x.log"], {"x.log"}),
        (["*.log"], {"x.log"}),
        (["**/*.log"], {"x.log", "docs/x.log", "docs/deep/x.log"}),
        (["docs"], {"docs/x.log", "docs/keep.md", "docs/deep/x.log", "docs/deep/keep.md"}),
        (["docs/*.log"], {"docs/x.log"}),
        (["*/x.log"], {"docs/x.log"}),
        (["# x.log", ""], set()),
        (["**/*.log", "!x.log"], {"docs/x.log", "docs/deep/x.log"}),
        (["*", "!main.c"], {"x.log", "docs/x.log", "docs/keep.md", "docs/deep/x.log", "docs/deep/keep.md"}),
        (["docs", "!docs/keep.md"], {"docs/x.log", "docs/deep/x.log", "docs/deep/keep.md"}),
        (["*", "!docs/deep/keep.md"], {"main.c", "x.log", "docs/x.log", "docs/keep.md", "docs/deep/x.log"}),
        (["!docs/keep.md", "docs"], {"docs/x.log", "docs/keep.md", "docs/deep/x.log", "docs/deep/keep.md"}),
    ],
)
def test_dockerignore_patterns_mean_what_they_mean_to_docker(tmp_path: Path, rules: list[str], left: set[str]) -> None:
    everything = {"main.c", "x.log", "docs/x.log", "docs/keep.md", "docs/deep/x.log", "docs/deep/keep.md"}
    tree(tmp_path, *everything)
    ignore(tmp_path, *rules, name=".dockerignore")
    assert everything - kept(tmp_path, git=False) == left
    assert everything - kept(tmp_path) == left


def test_a_dockerignore_below_the_root_is_a_file_like_any_other(tmp_path: Path) -> None:
    tree(tmp_path, "a/x")
    ignore(tmp_path / "a", "x", name=".dockerignore")
    assert kept(tmp_path) == {"a/x"}


@pytest.mark.parametrize("folder", ["out", "out/", "/out/"])
def test_a_folder_that_docker_leaves_behind_keeps_no_more_than_dockers_exceptions(tmp_path: Path, folder: str) -> None:
    tree(tmp_path, "out/app", "out/app.map", "out/x")
    ignore(tmp_path, folder, "!out/app*", name=".dockerignore")
    ignore(tmp_path / "out", "!x", "app.map")
    assert kept(tmp_path) == {"out/app", "out/app.map"}


def test_a_folder_that_git_leaves_behind_is_not_opened_by_an_exception(tmp_path: Path) -> None:
    tree(tmp_path, "out/app", "x")
    ignore(tmp_path, "out/", "!out/app")
    assert kept(tmp_path) == {"x"}


def test_everything_but_what_is_named_may_be_left_behind(tmp_path: Path) -> None:
    tree(tmp_path, "keep", "leave", "src/x")
    ignore(tmp_path, "*", "!keep", "!src/", "!src/**")
    assert kept(tmp_path) == {"keep", "src/x"}


def test_a_comment_is_no_rule(tmp_path: Path) -> None:
    tree(tmp_path, "#a", "#b")
    ignore(tmp_path, "#a", "\\#b")
    assert kept(tmp_path) == {"#a"}
    ignore(tmp_path, "")
    ignore(tmp_path, "#a", "  #b", name=".dockerignore")
    assert kept(tmp_path) == {"#a", "#b"}


def test_for_images_only_the_dockerignore_counts(tmp_path: Path) -> None:
    tree(tmp_path, "a.o", "sub/a.o", "a.log")
    for folder in (tmp_path, tmp_path / "sub"):
        ignore(folder, "*.o")
    ignore(tmp_path, "*.log", name=".dockerignore")
    assert kept(tmp_path, git=False) == {"a.o", "sub/a.o"}


def test_an_ignore_file_that_is_no_text_does_not_stop_the_walk(tmp_path: Path) -> None:
    tree(tmp_path, "a", "b.o")
    (tmp_path / ".gitignore").write_bytes(b"\xff\xfe\n*.o\n")
    assert kept(tmp_path) == {"a"}


def test_a_folder_named_like_an_ignore_file_is_no_rule(tmp_path: Path) -> None:
    tree(tmp_path, ".gitignore/x", "a")
    assert "a" in kept(tmp_path)
