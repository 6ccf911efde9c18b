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
    excepts: bool = False  # a `.dockerignore` with exceptions: unlike Git's they reach into ignored folders

    def says(self, path: PurePosixPath, *, is_folder: bool) -> bool | None:
        seen = str(self.above / path.relative_to(self.anchor)) + ("/" if is_folder else "")
        if self.excepts:  # to Docker the last pattern that matches decides; Git's have a finer order
            matching = (pattern.include for pattern in reversed([*self.spec.patterns]) if pattern.match_file(seen))
            return next(matching, None)
        return self.spec.check_file(seen).include


class IgnoreRules:
    """The rules that hold at one folder; `below` gives those of a subfolder."""

    def __init__(self, scopes: tuple[_Scope, ...], here: PurePosixPath, *, git: bool) -> None:
        self._scopes, self._here, self._git = scopes, here, git

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
            # Whoever names a root that its repository ignores wants it: such a rule says nothing about its parts.
            scopes = [scope for scope in scopes if scope.above == _ROOT or not scope.says(_ROOT, is_folder=True)]
        if lines := [_docker_pattern(line) for line in _lines(root / ".dockerignore")]:
            excepts = any(line.startswith("!") for line in lines)
            scopes.append(_Scope(GitIgnoreSpec.from_lines(lines), excepts=excepts))
        return cls(tuple(scopes), _ROOT, git=git)

    def below(self, folder: Path, name: str) -> IgnoreRules:
        """The rules inside the subfolder `name`, which is at `folder` on disk."""
        here = self._here / name
        lines = _lines(folder / ".gitignore") if self._git and not self.ignores(name, is_folder=True) else []
        more = (_Scope(GitIgnoreSpec.from_lines(lines), anchor=here),) if lines else ()
        return IgnoreRules((*self._scopes, *more), here, git=self._git)

    def ignores(self, name: str, *, is_folder: bool) -> bool:
        """Whether an entry of this folder is left behind; the last rule that speaks of it decides, as in Git."""
        return name in ALWAYS or self._last_word(name, is_folder=is_folder)[0]

    def may_keep_below(self, name: str) -> bool:
        """Whether something inside the subfolder `name`, which is left behind, may be kept all the same."""
        scope = self._last_word(name, is_folder=True)[1]
        return name not in ALWAYS and scope is not None and scope.excepts

    def _last_word(self, name: str, *, is_folder: bool) -> tuple[bool, _Scope | None]:
        for scope in reversed(self._scopes):
            answer = scope.says(self._here / name, is_folder=is_folder)
            if answer is not None:
                return answer, scope
        return False, None
