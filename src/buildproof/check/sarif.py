"""SARIF 2.1.0, the format that code hosts show findings from: docs.oasis-open.org/sarif/sarif/v2.1.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import buildproof
from buildproof import bundles
from buildproof.artifacts import OBJECT_RULES, RULES
from buildproof.artifacts.rule import Rule
from buildproof.evidence import Artifact, Check, CheckStatus
from buildproof.hostile import sarif_text

_LEVELS = {CheckStatus.FAIL: "error", CheckStatus.WARNING: "warning"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(artifacts: Sequence[Artifact]) -> dict[str, Any]:
    """One run with a result for each failed check and each warning; what holds is no finding, and is left out."""
    formats = [None, *dict.fromkeys(artifact.format for artifact in artifacts)]
    tables = [RULES[kind] for kind in formats] + [OBJECT_RULES[kind] for kind in formats if kind] + [bundles.RULES]
    rules: list[Rule[Any]] = list({rule.id: rule for table in tables for rule in table}.values())
    index = {rule.id: number for number, rule in enumerate(rules)}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "buildproof",
                        "version": buildproof.__version__,
                        "rules": [
                            {
                                "id": rule.id,
                                "shortDescription": {"text": f"{rule.title[0].upper()}{rule.title[1:]}."},
                                "fullDescription": {"text": f"Source: {rule.source}."},
                                "help": {"text": rule.mend},
                                "properties": {"tags": [rule.aspect.value]},
                            }
                            for rule in rules
                        ],
                    }
                },
                "columnKind": "utf16CodeUnits",
                "artifacts": [_artifact(artifact) for artifact in artifacts],
                "results": [
                    _result(check, artifact, number, index)
                    for number, artifact in enumerate(artifacts)
                    for check in artifact.checks
                    if check.status in _LEVELS
                ],
            }
        ],
    }


def _uri(artifact: Artifact) -> str:
    return quote(artifact.path, errors="surrogateescape")


def _artifact(artifact: Artifact) -> dict[str, Any]:
    known: dict[str, Any] = {"location": {"uri": _uri(artifact)}, "roles": ["analysisTarget"]}
    if artifact.size is not None:
        known["length"] = artifact.size
    if artifact.sha256 is not None:
        known["hashes"] = {"sha-256": artifact.sha256}
    return known


def _result(check: Check, artifact: Artifact, number: int, index: dict[str, int]) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(artifact), "index": number}}
    if check.offset is not None:
        place["region"] = {"byteOffset": check.offset, "byteLength": 0}
    result: dict[str, Any] = {
        "ruleId": check.id,
        "level": _LEVELS[check.status],
        "message": {"text": sarif_text(f"{check.message}. {check.mend}" if check.mend else check.message)},
        "locations": [{"physicalLocation": place}],
        "properties": {"expected": check.expected, "actual": check.actual},
    }
    if check.id in index:
        result["ruleIndex"] = index[check.id]
    return result
