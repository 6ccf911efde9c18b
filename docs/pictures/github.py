"""A job summary as GitHub shows it: its Markdown, its table of what is let through, and something like its style."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

# Of GitHub's list (github/markup, "Ruby Whitelist") what a summary may hope for; no class, no style.
_TAGS = frozenset(
    ("h3", "h4", "p", "br", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "code", "pre",
     "details", "summary", "span")
)  # fmt: skip
_STYLE = """
body { font: 16px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, "DejaVu Sans", sans-serif;
  color: #1f2328; background: #fff; margin: 0; padding: 24px; }
main { max-width: 1040px; margin: 0 auto; border: 1px solid #d1d9e0; border-radius: 6px; padding: 24px; }
h3 { font-size: 1.25em; margin: 0 0 16px; } h4 { font-size: 1em; margin: 24px 0 16px; }
p, ul, table, pre, details { margin: 0 0 16px; } ul { padding-left: 2em; } li + li { margin-top: .25em; }
table { border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto; }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px; text-align: left; } tr:nth-child(2n) td { background: #f6f8fa; }
code, pre { font: 85%/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { background: #818b981f; border-radius: 6px; padding: .2em .4em; white-space: break-spaces; }
pre { background: #f6f8fa; border-radius: 6px; padding: 16px; overflow: auto; }
"""


def page(markdown: str) -> str:
    """A page of its own; ValueError for a tag or an attribute that GitHub would take out."""
    body = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(markdown)
    for tag in re.findall(r"<(/?[^>]*)>", body):
        if tag.removeprefix("/").removesuffix("/").rstrip() not in _TAGS:
            raise ValueError(f"GitHub shows no <{tag}> in a job summary")
    return f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style><main>{body}</main>'
