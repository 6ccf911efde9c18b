"""What every page of ours is made of: one HTML file that needs nothing else, no network least of all.

The overview is HTML. What there is to see of each build lies beside it as inert JSON, and becomes elements when the
build is opened, by `textContent` alone: a page with a thousand builds opens as fast as one with ten. The policy lets
one script and one style in, both by their hash, and no request out (CSP Level 3, W3C).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from buildproof.hostile import harmless

_HERE = "buildproof.report"
_PASSED, _FAILED = "1a7f4b", "c2352b"


def render(
    template: str, *, package: str = _HERE, styles: Sequence[str], scripts: Sequence[str], is_good: bool, **shown: Any
) -> str:
    """A page of `template`, which extends `frame.html.j2` and is given what is `shown`.

    Template, styles and scripts are looked for in `package`, then here. `is_good` colours the icon.
    """
    style, script = ("\n".join(_file(package, name) for name in names) for names in (styles, scripts))
    return (
        _environment(package)
        .get_template(template)
        .render(
            icon=_PASSED if is_good else _FAILED,
            policy=_policy(script, style),
            style=Markup(style),  # noqa: S704 (files of ours)
            script=Markup(script),  # noqa: S704
            **shown,
        )
    )


def inert(data: dict[str, Any]) -> Markup:
    """JSON that no parser takes for markup, whatever texts are in it."""
    return htmlsafe_json_dumps(data, dumps=lambda value: json.dumps(value, separators=(",", ":")))


def seen(data: Any) -> Any:
    """The same data, with every text in it harmless."""
    if isinstance(data, str):
        return harmless(data)
    if isinstance(data, dict):
        return {seen(name): seen(value) for name, value in data.items()}
    if isinstance(data, list | tuple):  # rows of numbers are long
        return [value if value is None or isinstance(value, int | float) else seen(value) for value in data]
    return data


def put(page: str, file: Path) -> Path:
    """Put a page down at `file`, all of it or nothing; OSError when that cannot be done."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(page, encoding="utf-8", errors="replace")
    return partial.replace(file)


def _policy(script: str, style: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _file(package: str, name: str) -> str:
    places: Iterable[str] = dict.fromkeys((package, _HERE))
    file = next(file for place in places if (file := resources.files(place).joinpath(name)).is_file())
    return file.read_text("utf-8")


@cache
def _environment(package: str) -> Environment:
    loader = ChoiceLoader([PackageLoader(place, package_path="") for place in dict.fromkeys((package, _HERE))])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_shown)


def _shown(value: Any) -> Any:
    """What the template puts into the page; the style, the script and the data are no text to be read."""
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def counted(total: int, *kinds: tuple[int, str]) -> str:
    """`2 of 8 builds failed, 1 grew`: how many of all builds are of each kind, kinds without any left out."""
    there = [(number, what) for number, what in kinds if number]
    of_all = f" of {total} builds"
    return ", ".join(f"{number}{'' if index else of_all} {what}" for index, (number, what) in enumerate(there))
