"""What a person reads of judged files, and the same for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import TypeAdapter
from rich.console import Group, RenderableType

from buildproof.evidence import Artifact, CheckStatus
from buildproof.hostile import json_text
from buildproof.terminal import joined, line

_STYLES = {
    CheckStatus.PASS: "green",
    CheckStatus.FAIL: "bold red",
    CheckStatus.WARNING: "yellow",
    CheckStatus.NOT_APPLICABLE: "dim",
}
_TOLD = (CheckStatus.FAIL, CheckStatus.WARNING)
_ARTIFACTS = TypeAdapter(tuple[Artifact, ...])


def failed(artifacts: Iterable[Artifact]) -> bool:
    """Whether any rule of any file failed."""
    return any(check.status is CheckStatus.FAIL for artifact in artifacts for check in artifact.checks)


def text(artifacts: Sequence[Artifact], *, everything: bool = False) -> Group:
    """A paragraph for each file: what failed and what is unusual; with `everything` what holds or cannot apply too."""
    return Group(*(part for artifact in artifacts for part in _paragraph(artifact, everything=everything)))


def _paragraph(artifact: Artifact, *, everything: bool) -> Iterable[RenderableType]:
    counts = Counter(check.status for check in artifact.checks)
    worst = next((status for status in _TOLD if counts[status]), CheckStatus.PASS)
    told = ", ".join(f"{counts[status]} {status}" for status in CheckStatus if counts[status])
    yield joined(line(f"{artifact.path}: "), line(_headline(worst), _STYLES[worst]), line(f" ({told})", "dim"))
    for check in artifact.checks:
        if everything or check.status in _TOLD:
            yield joined(line(f"  {check.status} {check.id}", _STYLES[check.status]), line(f": {check.message}"))
            if check.status in _TOLD:
                yield from _values(check.offset, check.expected, check.actual)
                if check.mend:
                    yield line(f"    {check.mend}")


def _headline(worst: CheckStatus) -> str:
    return {CheckStatus.FAIL: "refused", CheckStatus.WARNING: "sound, with something unusual"}.get(worst, "sound")


def _values(offset: int | None, expected: str | None, actual: str | None) -> Iterable[RenderableType]:
    parts = [
        f"at offset {offset:#x}" if offset is not None else "",
        f"expected {expected}" if expected is not None else "",
        f"found {actual}" if actual is not None else "",
    ]
    if any(parts):
        yield line("    " + "; ".join(part for part in parts if part), "dim")


def as_json(artifacts: Sequence[Artifact]) -> str:
    """The files with all their checks, in the shape that a record has them in (docs/record.schema.json, Artifact)."""
    data = _ARTIFACTS.dump_python(tuple(artifacts), mode="json")
    return json_text(json.dumps(data, indent=2, ensure_ascii=False))
