"""Hostile text made harmless: what a build prints, what it calls its files and processes, what a manifest says. Pure.

Facts are kept as they are. Whoever shows one passes it through here on its way out:

- `plain`: output of programs. Colours, titles and links are left out, for they are usual there.
- `harmless`: everything else for a terminal, for JUnit XML and for HTML, whose template escapes the rest. What cannot
  be seen is shown as an escape, so that two names that differ look different.
- `harmless_line`: the same where there is one line for it.
- `without_commands`: text of several sources after it was laid out in lines.
- `json_text`, `markdown`, `markdown_prose`, `sarif_text`: for what is read by a program first.

Harmless text has only characters of XML 1.0, and going through twice changes nothing.
"""

from __future__ import annotations

import re

# ECMA-48: control sequences, control strings up to their end (OSC 8 is a hyperlink), other escapes, C0 and C1. The set
# stands first so that text without any is passed over fast.
_SEQUENCES = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f](?:(?<=\x1b)(?:"
    r"\[[0-?]*[ -/]*[@-~]|[PX\]^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-~]))?"
)
# Controls but for tab and line feed; what turns text around (UAX #9, CVE-2021-42574) or is not seen at all, but for the
# joiners U+200C and U+200D that some scripts need; other line ends; halves of surrogate pairs, which os.fsdecode()
# makes of bytes that are no UTF-8; noncharacters, which XML has not; tag characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
# GitHub's runner obeys `::command::` at the start of a line, white space aside, and the older `##[command]` anywhere in
# one (actions/runner, ActionCommand.cs); Azure Pipelines obeys `##vso[`, TeamCity `##teamcity[`. A colour is no start.
_COMMANDS = re.compile(r"^(?:[^\S\n]|\x1b\[[0-9;]*m)*(?=::)|##(?=(?:vso|teamcity)?\[)", re.MULTILINE)
_QUOTED = re.compile("&#96;(.+?)&#96;")  # a pair of backquotes, once they are character references
_PUNCTUATION = re.compile(r"[^\w ]|_")
_SURROGATE_ESCAPES = range(0xDC80, 0xDD00)  # PEP 383: a byte that is no UTF-8


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in _SURROGATE_ESCAPES:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain(text: str) -> str:
    """Output of a program without control sequences; lines and tabs stay."""
    if not _UNSEEN.search(text):  # usual, and fast
        return text
    return _UNSEEN.sub(_escape, _SEQUENCES.sub("", text))


def without_commands(text: str) -> str:
    """Lines that no CI service takes for a command to itself: a backslash stands before what would begin one."""
    return _COMMANDS.sub(r"\g<0>\\", text)


def harmless(text: str) -> str:
    """Text that is only seen: nothing in it moves a cursor, turns a line around or gives a command."""
    return without_commands(_UNSEEN.sub(_escape, text))


def harmless_line(text: str) -> str:
    """Harmless text on one line."""
    return harmless(text.replace("\n", r"\n").replace("\t", r"\t"))


def is_harmless_line(text: str) -> bool:
    """Whether there is nothing in it that `harmless_line` would change."""
    return harmless_line(text) == text


def json_text(document: str) -> str:
    """A JSON document with the same values, and nothing in it that a terminal or a CI service would obey."""
    escaped = _UNSEEN.sub(lambda match: json_escape(match[0]), document)
    return _COMMANDS.sub(lambda match: match[0].replace("##", r"#\u0023"), escaped)


def json_escape(character: str) -> str:
    """A character as RFC 8259, section 7, escapes it: beyond U+FFFF as a surrogate pair."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def markdown(text: str) -> str:
    """Text for a paragraph or a table cell of Markdown, as code on one line.

    Punctuation becomes numeric character references, which CommonMark never takes for structure (section 2.5); no
    URL of the text becomes a link, no name a mention.
    """
    return f"<code>{_referred(text)}</code>"


def markdown_prose(text: str) -> str:
    """The same for a sentence that is read as one. An @ stands alone: services look for mentions in what they drew."""
    return _referred(text).replace("&#64;", "<span>&#64;</span>")


def markdown_advice(text: str) -> str:
    """The same for a sentence of ours that names keys and commands between backquotes: those are shown as code."""
    return _QUOTED.sub(r"<code>\1</code>", markdown_prose(text))


def _referred(text: str) -> str:
    return _PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", harmless_line(text))


def sarif_text(text: str) -> str:
    """The text of a SARIF message: no placeholders (2.1.0, section 3.11.5) and no embedded links (3.11.6)."""
    return harmless(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")
