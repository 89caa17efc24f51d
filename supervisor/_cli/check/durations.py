"""Lengths of time as files write them: "1m30s" in compose files, "1min 30s" in systemd units."""

from __future__ import annotations

import math
import re
from typing import Final

_UNITS: Final = {
    "us": 1e-6,
    "usec": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "msec": 1e-3,
    "": 1.0,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
}
_PART: Final = re.compile(r"\s*(\d+(?:\.\d*)?)\s*([a-zµ]*)")


def seconds(value: object) -> float | None:
    """Return a length of time in seconds; None where it is none that can be read.

    Args:
        value: A number, or text like "90", "1m30s", "1min 30s" or "infinity".
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value)
    text = str(value).strip().lower()
    if text == "infinity":
        return math.inf
    parts = _PART.findall(text)
    is_whole = bool(parts) and not _PART.sub("", text).strip()
    if not is_whole or any(unit not in _UNITS for _, unit in parts):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
