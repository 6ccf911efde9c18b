"""Sizes in bytes and durations in seconds, read from and written for people."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:([kmgt])i?)?b?", re.IGNORECASE)
_SIZE_FACTOR = {None: 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE_MAX = (1 << 63) - 1  # what the kernel and the engine can hold
_DURATION_MAX = 31 * 86400.0
_SHOWN = 40
_INT_BITS_SHOWN = 100
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s)")
_DURATION_FACTOR = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_size(text: str | int) -> int:
    """Bytes of `2g`, `512m`, `64MiB`, `1024`; letters are powers of 1024, as in Compose's byte values.

    Raises ValueError with a sentence that says what is wrong.
    """
    match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if isinstance(text, int) and not isinstance(text, bool):
        count = text
    elif match:
        count = int(Decimal(match[1]) * _SIZE_FACTOR[match[2] and match[2].lower()])
    else:
        raise ValueError(f"{show(text)} is not a size: write a number with b, k, m or g, such as 512m")
    if count <= 0:
        raise ValueError(f"{show(text)} is no usable size: it must be above zero")
    if count > _SIZE_MAX:
        raise ValueError(f"{show(text)} is no usable size: no machine has that much")
    return count


def parse_duration(text: str | float) -> float:
    """Seconds of `15m`, `1h30m`, `90s`, `250ms`, or of a plain number of seconds.

    Raises ValueError with a sentence that says what is wrong.
    """
    compact = text.replace(" ", "") if isinstance(text, str) else ""
    parts = _DURATION_PART.findall(compact)
    if isinstance(text, int | float) and not isinstance(text, bool):
        seconds = float(min(max(text, -_SIZE_MAX), _SIZE_MAX))
    elif parts and "".join(number + unit for number, unit in parts) == compact:
        seconds = sum(float(number) * _DURATION_FACTOR[unit] for number, unit in parts)
    else:
        raise ValueError(f"{show(text)} is not a duration: write it like 90s, 15m or 1h30m")
    if math.isnan(seconds) or seconds <= 0:
        raise ValueError(f"{show(text)} is no usable duration: it must be above zero")
    if seconds > _DURATION_MAX:
        raise ValueError(f"{show(text)} is no usable duration: nobody waits longer than a month")
    return seconds


def show(value: object) -> str:
    """`value` as a message quotes it: true and false in lower case, and never longer than 40 characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > _INT_BITS_SHOWN:
        return "so large a number"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...{text[-1]}"


def size(count: int | None) -> str:
    """`count` bytes for people: `1.52 GiB`, `401 MiB`, `unknown` for None."""
    if count is None:
        return "unknown"
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.3g} {unit}" if abs(value) < 1000 else f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"


def duration(seconds: float | None) -> str:
    """`seconds` for people: `8.3 s`, `4 min 12 s`, `1 h 02 min`, `unknown` for None."""
    if seconds is None:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def clock(seconds: float | None) -> str:
    """`seconds` as a clock shows them, for tables: `0:08`, `4:12`, `1:02:03`, `unknown` for None."""
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
