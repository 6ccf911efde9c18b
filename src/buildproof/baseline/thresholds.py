"""`--fail-on peak:10%,time:30s`: how much a figure may grow. The grammar is that of pytest-benchmark's compare-fail."""

from __future__ import annotations

import re
from dataclasses import dataclass

from buildproof.document import did_you_mean
from buildproof.errors import InputError
from buildproof.units import parse_duration, parse_size, show

from .metrics import Metric

_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_NEXT_STEP = "write it like peak:10%,time:25%,size:5%, or with an amount: peak:64m,time:30s"


@dataclass(frozen=True)
class Threshold:
    """A figure fails when it grew by more than this: a share of what it was, or an amount (bytes, seconds)."""

    metric: Metric
    share: float | None
    amount: float | None
    text: str

    def allowed(self, before: float) -> float:
        """By how much a figure that was `before` may grow."""
        return self.share * before if self.share is not None else self.amount or 0.0


def parse_thresholds(texts: list[str]) -> tuple[Threshold, ...]:
    """Read the values of `--fail-on`; InputError says what is wrong, and how to write it."""
    found: dict[Metric, Threshold] = {}
    for expression in (part.strip() for text in texts for part in text.split(",")):
        threshold = _threshold(expression)
        if threshold.metric in found:
            raise _wrong(f"{threshold.metric} is given twice: {found[threshold.metric].text} and {threshold.text}")
        found[threshold.metric] = threshold
    return tuple(found.values())


def _threshold(expression: str) -> Threshold:
    name, colon, limit = (part.strip() for part in expression.partition(":"))
    known = [metric.value for metric in Metric]
    if name not in known:
        raise _wrong(f"{show(name)} is no figure that is compared{did_you_mean(name, known)}")
    metric = Metric(name)
    if not colon or not limit:
        raise _wrong(f"{show(expression)} does not say by how much {metric} may grow")
    if percent := _PERCENT.fullmatch(limit):
        return Threshold(metric, float(percent[1]) / 100, None, expression)
    try:
        amount = parse_size(limit) if metric.is_bytes else parse_duration(limit)
    except ValueError as error:
        raise _wrong(f"{show(expression)}: {error}") from None
    return Threshold(metric, None, float(amount), expression)


def _wrong(what: str) -> InputError:
    return InputError(f"--fail-on: {what}", next_step=_NEXT_STEP)
