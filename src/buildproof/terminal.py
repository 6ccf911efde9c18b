"""Text for a terminal: the one way from a string to rich's Text, so that nothing hostile takes another."""

from __future__ import annotations

import sys

from rich.console import Console, RenderableType
from rich.text import Text

from buildproof.hostile import harmless, harmless_line, without_commands

Laid = Text  # to name in types what `text`, `line` and `joined` give
_WIDEST = 250  # in a pipe


def show(drawn: RenderableType, *, soft_wrap: bool = False, is_whole: bool = False) -> None:
    """Print to stdout; a wrapped line may begin with what is a command to a CI service, and is none here.

    What is to stay whole is not cut to the width that is made up for a pipe.
    """
    console = Console(highlight=False, soft_wrap=soft_wrap)
    if is_whole and not console.is_terminal:
        console.width = _WIDEST
    with console.capture() as laid_out:
        console.print(drawn)
    sys.stdout.write(without_commands(laid_out.get()))


def text(said: str, style: str = "") -> Text:
    """What a person reads, in lines: no markup, no control sequence."""
    return Text(harmless(said), style=style)


def line(said: str, style: str = "") -> Text:
    """The same on one line: names, and cells of a table."""
    return Text(harmless_line(said), style=style)


def joined(*parts: Text) -> Text:
    """Several texts as one."""
    return Text.assemble(*parts)
