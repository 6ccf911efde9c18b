"""TOML with positions: tomllib reads, and a scanner over the same, then known to be valid, text finds the keys."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from pathlib import Path

from buildproof.document.document import Document, KeyPath, Marks
from buildproof.errors import InputError, Place

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_VALUE = re.compile(r"[^,\]}#\r\n]*")
_STRING = re.compile(
    r'"""(?:[^\\"]|\\.|""?(?!"))*"""(?:""?)?'
    r"|'''(?:[^']|''?(?!'))*'''(?:''?)?"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_AT = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")


def read_toml(path: Path, text: str) -> Document:
    """The document in `text`; raises InputError with the line where it is malformed."""
    try:
        data = tomllib.loads(text)
        marks = _Scanner(text).scan()
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    except RecursionError:
        raise InputError("is nested too deeply", where=Place(path)) from None
    except ValueError:  # int() refuses more than 4300 digits, see sys.set_int_max_str_digits
        raise InputError("not valid TOML: it contains a number that is too long", where=Place(path)) from None
    if not data:
        raise InputError("is empty: it has only comments", where=Place(path))
    return Document(path=path, data=data, marks=marks)


def _syntax_error(path: Path, text: str, message: str) -> InputError:
    match = _AT.fullmatch(message)
    if not match:
        return InputError(f"not valid TOML: {message}", where=Place(path))
    last = text.rstrip().count("\n") + 1
    what = match[1][:1].lower() + match[1][1:]
    where = Place(path, int(match[2]), int(match[3])) if match[2] else Place(path, last)
    return InputError(f"not valid TOML: {what}" + ("" if match[2] else " at the end of the file"), where=where)


class _Scanner:
    """Finds line and column of every key and array item in text that tomllib has accepted."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.marks: Marks = {}
        self.last_item: dict[KeyPath, int] = {}  # arrays of tables: the item that further headers mean
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def scan(self) -> Marks:
        table: KeyPath = ()
        while self._skip(_BLANK):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._key_value(table)
        return self.marks

    def _header(self) -> KeyPath:
        start = self.at
        of_array = self.text.startswith("[[", start)
        self.at += 2 if of_array else 1
        path: KeyPath = ()
        keys = self._dotted_key()
        for index, (part, _) in enumerate(keys):
            path += (part,)
            self._mark(path, start)
            if of_array and index == len(keys) - 1:
                self.last_item[path] = self.last_item.get(path, -1) + 1
            if path in self.last_item:
                path += (self.last_item[path],)
                self._mark(path, start)
        self.at += 2 if of_array else 1
        return path

    def _key_value(self, table: KeyPath) -> None:
        path = table
        for part, start in self._dotted_key():
            path += (part,)
            self._mark(path, start)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _dotted_key(self) -> list[tuple[str, int]]:
        keys = []
        while True:
            self._skip(_SPACE)
            start = self.at
            if bare := _BARE_KEY.match(self.text, start):
                self.at = bare.end()
                keys.append((bare[0], start))
            else:
                self._skip(_STRING)
                keys.append((tomllib.loads(f"key = {self.text[start : self.at]}")["key"], start))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        opening = self.text[self.at]
        if opening == "[":
            self._items(path, "]")
        elif opening == "{":
            self._items(path, "}")
        else:
            self._skip(_STRING if opening in "\"'" else _BARE_VALUE)

    def _items(self, path: KeyPath, closing: str) -> None:
        index = 0
        self.at += 1
        while self._skip(_BLANK) and self.text[self.at] != closing:
            if closing == "}":
                self._key_value(path)
            else:
                self._mark((*path, index), self.at)
                self._value((*path, index))
                index += 1
            self._skip(_BLANK)
            if self.text.startswith(",", self.at):
                self.at += 1
        self.at += 1

    def _mark(self, path: KeyPath, start: int) -> None:
        line = bisect_right(self.line_starts, start)
        self.marks.setdefault(path, (line, start - self.line_starts[line - 1] + 1))

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Step over what `pattern` matches here; False at the end of the text."""
        if match := pattern.match(self.text, self.at):
            self.at = match.end()
        return self.at < len(self.text)
