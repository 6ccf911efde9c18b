"""YAML with positions: PyYAML composes nodes that know their lines, and a walk over them makes plain data.

The data is what PyYAML's safe loader (and with it docker-compose 1.29) makes of the file, except that dates and
base-60 numbers stay text, as they are in YAML 1.2 and `docker compose`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from buildproof.document.document import Document, KeyPath, Marks
from buildproof.errors import InputError, Place

_TAG = "tag:yaml.org,2002:"
_TEXT = {f"{_TAG}{kind}" for kind in ("str", "timestamp", "value")}
_SCALARS = _TEXT | {f"{_TAG}{kind}" for kind in ("int", "float", "bool", "null")}
_DEEPEST = 64
_MOST_NODES = 50_000  # aliases of aliases can stand for billions

_Pairs = list[tuple[yaml.Node, yaml.Node]]


class _Loader(yaml.SafeLoader):
    """Refuses deep brackets as it scans them: PyYAML's time for a line of them grows with the square of their depth."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        super().__init__(text)

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:  # noqa: N803 (the base class's name)
        if self.flow_level >= _DEEPEST:
            mark = self.get_mark()
            raise InputError("is nested too deeply", where=Place(self._path, mark.line + 1, mark.column + 1))
        super().fetch_flow_collection_start(TokenClass)


def read_yaml(path: Path, text: str) -> Document:
    """The document in `text`; raises InputError with the line where it is malformed."""
    try:
        loader = _Loader(path, text)
        root = loader.get_single_node()
        if root is None:
            raise InputError("is empty: it has only comments", where=Place(path))
        walk = _Walk(path, loader)
        data = walk.value(root, (), 0)
    except yaml.YAMLError as error:
        raise _syntax_error(path, text, error) from None
    except RecursionError:
        raise InputError("is nested too deeply", where=Place(path)) from None
    if not isinstance(data, dict):
        raise InputError("must be a table of keys and values at the top", where=_place(path, root))
    if not data and not walk.problems:
        raise InputError("is empty", where=Place(path))
    return Document(path=path, data=data, marks=walk.marks, problems=tuple(walk.problems.values()))


def _syntax_error(path: Path, text: str, error: yaml.YAMLError) -> InputError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(error.problem or error.context).split())
        context = f" ({error.context})" if error.problem and error.context else ""
        where = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
        return InputError(f"not valid YAML: {what}{context}", where=where)
    position = getattr(error, "position", None)
    where = Place(path, text.count("\n", 0, position) + 1) if isinstance(position, int) else Place(path)
    character = getattr(error, "character", None)
    shown = f"character U+{character:04X} is not allowed" if isinstance(character, int) else "it cannot be read"
    return InputError(f"not valid YAML: {shown}", where=where)


def _place(path: Path, node: yaml.Node) -> Place:
    return Place(path, node.start_mark.line + 1, node.start_mark.column + 1)


class _Walk:
    """One walk over the nodes of a document: plain data out, marks and problems by the way."""

    def __init__(self, path: Path, loader: yaml.SafeLoader) -> None:
        self.path = path
        self.loader = loader
        self.marks: Marks = {}
        self.problems: dict[Place, InputError] = {}
        self.nodes = 0

    def value(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self.nodes += 1
        if depth > _DEEPEST or self.nodes > _MOST_NODES:
            raise InputError("is nested too deeply, or its aliases multiply", where=_place(self.path, node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self._entry(item, item, (*path, index), depth) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            pairs = self._pairs(node, depth)
            return {name: self._entry(key, value, (*path, name), depth) for name, (key, value) in pairs.items()}
        return self._problem(node, f"the tag {node.tag.removeprefix(_TAG)} is not understood here")

    def _entry(self, marked: yaml.Node, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self.marks[path] = (marked.start_mark.line + 1, marked.start_mark.column + 1)
        return self.value(node, path, depth + 1)

    def _pairs(self, node: yaml.MappingNode, depth: int) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The mapping's own pairs, then those merged with `<<`: what comes first stays."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            name = self._key(key)
            if name is not None and name in own:
                first = own[name][0].start_mark.line + 1
                self._problem(key, f"{name!r} is a duplicate: it stands in line {first} already")
            elif name is not None:
                own[name] = (key, value)
        for other in merged:
            self.nodes += 1
            if depth > _DEEPEST or self.nodes > _MOST_NODES:
                raise InputError("is nested too deeply, or its aliases multiply", where=_place(self.path, other))
            if isinstance(other, yaml.MappingNode):
                own = {**self._pairs(other, depth + 1), **own}
            else:
                self._problem(other, "<< merges tables of keys and values, and this is none")
        return own

    def _key(self, node: yaml.Node) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag in _TEXT and _is_unicode(node.value):
            return str(node.value)
        shown = repr(node.value) if isinstance(node, yaml.ScalarNode) else "this"
        self._problem(node, f"a key must be text: put {shown} in quotes")
        return None

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = str(node.value)
        if not _is_unicode(text):
            return self._problem(node, "contains half of a surrogate pair, which is no character")
        if node.tag not in _SCALARS:
            return self._problem(node, f"the tag {node.tag.removeprefix(_TAG)} is not understood here")
        if node.tag in _TEXT or (":" in text and node.style is None):
            return text
        try:
            return self.loader.construct_object(node)
        except (ValueError, LookupError, yaml.YAMLError):
            return self._problem(node, f"{text[:40]!r} is not of the kind {node.tag.removeprefix(_TAG)}")

    def _problem(self, node: yaml.Node, what: str) -> None:
        where = _place(self.path, node)
        self.problems.setdefault(where, InputError(what, where=where))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
