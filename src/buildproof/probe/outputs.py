"""What lies where a build's artifact patterns point: looked up beside the ended build, in its volumes.

    python3 -m probe.outputs ROOT MOST PATTERN...

Answers in JSON lines: one for each thing that matches, `{"pattern": index, "name": "path/from/root", "kind": "file",
"size": bytes}`, and behind those of each pattern `{"pattern": index, "too_many": false}`. Names that are no UTF-8 come
with PEP 383's surrogates. Of a pattern that would make it more than MOST things nothing is told but that. It follows no
link, and keeps no more in memory than MOST names and one open folder for each level.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from functools import reduce
from itertools import islice
from pathlib import PurePosixPath

DEEPEST = 200  # folders; each is held open while the walk is in it
_WILD = re.compile(r"[*?\[]")
_KINDS = (
    (stat.S_ISREG, "file"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
)
LINK_ABOVE = "link above"

States = frozenset[int]


class Pattern:
    """A glob, read part by part: `*`, `?` and `[...]` stand for no slash, `**` for any number of folders.

    A state is the index of a part that has to come next; several may be possible at once. A name is told in time that
    grows with its parts times the pattern's, whatever the pattern.
    """

    def __init__(self, pattern: str) -> None:
        self._parts = PurePosixPath(pattern).parts

    @property
    def first(self) -> States:
        """The states before the first part of a name."""
        return self._with_skipped({0})

    def after(self, states: States, name: str) -> States:
        """The states after one part of a name; none: no name that goes on like this matches."""
        return self._with_skipped({following for state in states for following in self._step(state, name)})

    def _step(self, state: int, name: str) -> Iterator[int]:
        if state == len(self._parts):
            return
        if self._parts[state] == "**":
            yield state
        elif fnmatch.fnmatchcase(name, self._parts[state]):
            yield state + 1

    def _with_skipped(self, states: set[int]) -> States:
        for state in sorted(states):
            following = state
            while following < len(self._parts) and self._parts[following] == "**":
                following += 1
                states.add(following)
        return frozenset(states)

    def is_whole(self, states: States) -> bool:
        """Whether what was read so far matches."""
        return len(self._parts) in states

    def goes_on(self, states: States) -> bool:
        """Whether something below may match."""
        return any(state < len(self._parts) for state in states)

    def only_name(self, states: States) -> str | None:
        """The one name that can come next, where no wildcard stands."""
        if len(states) != 1:
            return None
        (state,) = states
        return None if state == len(self._parts) or _WILD.search(self._parts[state]) else self._parts[state]


def matches(name: str, pattern: str) -> bool:
    """Whether a path matches a glob."""
    glob = Pattern(pattern)
    return glob.is_whole(reduce(glob.after, PurePosixPath(name).parts, glob.first))


Found = tuple[str, str, int]  # path from the root, kind, bytes


def look(root: str, pattern: str) -> Iterator[Found]:
    """Everything below `root` that matches, folders aside; a link that stands in the way of a plain name too."""
    glob = Pattern(pattern)
    yield from _look(root, "", glob, glob.first, 0)


def _look(root: str, folder: str, glob: Pattern, states: States, depth: int) -> Iterator[Found]:
    """`folder` is empty or ends with a slash."""
    for name, may_be_folder in _names(f"{root}/{folder}", glob.only_name(states)):
        reached = glob.after(states, name)
        if not (glob.is_whole(reached) or (reached and may_be_folder)):
            continue
        path = f"{folder}{name}"
        try:
            status = os.lstat(f"{root}/{path}")
        except OSError:  # not there, or a path that is too long for the kernel to be told
            continue
        kind = next((kind for is_kind, kind in _KINDS if is_kind(status.st_mode)), "device")
        if kind == "folder":
            if glob.goes_on(reached) and depth < DEEPEST:
                yield from _look(root, f"{path}/", glob, reached, depth + 1)
        elif glob.is_whole(reached):
            yield path, kind, status.st_size
        elif kind == "link" and glob.only_name(states):
            yield path, LINK_ABOVE, 0


def _names(folder: str, only: str | None) -> Iterator[tuple[str, bool]]:
    """What may be there, and whether it may be a folder.

    Mostly the folder itself tells that, readdir(3): the kernel then reads no inode, of which a million take a gigabyte.
    """
    if only is not None:
        yield only, True
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.name, entry.is_dir(follow_symlinks=False)
    except OSError:  # its path is too long
        return


def main(root: str, most: int, patterns: list[str]) -> None:
    """Print what there is."""
    for index, pattern in enumerate(patterns):
        found = list(islice(look(root, pattern), most + 1))
        too_many = len(found) > most
        if not too_many:
            most -= len(found)
            for name, kind, size in found:
                print(json.dumps({"pattern": index, "name": name, "kind": kind, "size": size}))  # noqa: T201
        print(json.dumps({"pattern": index, "too_many": too_many}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
