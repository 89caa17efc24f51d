"""Amounts in words: seconds, and how many of a thing."""

from __future__ import annotations

from typing import Final

_MINUTE: Final = 60


def seconds(value: float) -> str:
    """Return a length of time: "1.2 s", "3 min 20 s"."""
    return f"{max(value, 0.0):.1f} s" if value < _MINUTE else whole_seconds(value)


def whole_seconds(value: float) -> str:
    """Return a length of time that goes on: "1 s", "3 min 20 s"."""
    if value < _MINUTE:
        return f"{int(value)} s"
    minutes, rest = divmod(int(value), _MINUTE)
    return f"{minutes} min {rest} s"


def count(number: int, name: str) -> str:
    """Return a number with the thing's name: "1 message", "1,234 tokens"."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"
