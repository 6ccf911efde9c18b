"""What of a folder is left behind: `.gitignore` at every level, gitignore(5), and `.dockerignore` at the root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

_ROOT = PurePosixPath()
ALWAYS = frozenset({".git", ".hg", ".svn", ".buildproof"})


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _docker_pattern(line: str) -> str:
    """Docker's patterns start at the root, Git's without a slash match at every level."""
    text = line.strip()
    if not text or text.startswith("#"):
        return ""
    negated, body = ("!", text[1:]) if text.startswith("!") else ("", text)
    return f"{negated}/{body.lstrip('/')}"


@dataclass(frozen=True)
class _Scope:
    """One ignore file: it lies at `anchor` in the tree, or so far above its root that paths begin with `above`."""

    spec: GitIgnoreSpec
    anchor: PurePosixPath = _ROOT
    above: PurePosixPath = _ROOT

    def says(self, path: PurePosixPath, *, is_folder: bool) -> bool | None:
        seen = self.above / path.relative_to(self.anchor)
        return self.spec.check_file(f"{seen}/" if is_folder else str(seen)).include


class IgnoreRules:
    """The rules that hold at one folder; `below` gives those of a subfolder."""

    def __init__(self, scopes: tuple[_Scope, ...], here: PurePosixPath) -> None:
        self._scopes, self._here = scopes, here

    @classmethod
    def at_root(cls, root: Path, *, git: bool = True) -> IgnoreRules:
        """The rules at the root of a tree, with those of its parents up to the Git repository that it lies in."""
        root = root.resolve()
        scopes: list[_Scope] = []
        if git:
            lineage = (root, *root.parents)
            depth = next((depth for depth, folder in enumerate(lineage) if (folder / ".git").exists()), 0)
            scopes = [
                _Scope(GitIgnoreSpec.from_lines(lines), above=PurePosixPath(root.relative_to(folder).as_posix()))
                for folder in reversed(lineage[: depth + 1])
                if (lines := _lines(folder / ".gitignore"))
            ]
        if lines := [_docker_pattern(line) for line in _lines(root / ".dockerignore")]:
            scopes.append(_Scope(GitIgnoreSpec.from_lines(lines)))
        return cls(tuple(scopes), _ROOT)

    def below(self, folder: Path, name: str) -> IgnoreRules:
        """The rules inside the subfolder `name`, which is at `folder` on disk."""
        here = self._here / name
        lines = _lines(folder / ".gitignore")
        more = (_Scope(GitIgnoreSpec.from_lines(lines), anchor=here),) if lines else ()
        return IgnoreRules((*self._scopes, *more), here)

    def ignores(self, name: str, *, is_folder: bool) -> bool:
        """Whether an entry of this folder is left behind; the last rule that speaks of it decides, as in Git."""
        if name in ALWAYS:
            return True
        answers = (scope.says(self._here / name, is_folder=is_folder) for scope in reversed(self._scopes))
        return next((answer for answer in answers if answer is not None), False)
