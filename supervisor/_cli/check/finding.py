"""What a check has found: that something is right, worth knowing, or a problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "note", "problem"]
"""A problem makes the status 1."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Args:
        level: Whether it is right.
        where: Where it was found, as "compose.yaml: services.app".
        says: What was found, and what follows from it.
        advice: What to do about it; "" where there is nothing to do.
    """

    level: Level
    where: str
    says: str
    advice: str = ""


def ok(where: str, says: str) -> Finding:
    """Return that something is right."""
    return Finding(level="ok", where=where, says=says)


def note(where: str, says: str, advice: str = "") -> Finding:
    """Return what is worth knowing."""
    return Finding(level="note", where=where, says=says, advice=advice)


def problem(where: str, says: str, advice: str) -> Finding:
    """Return what would go wrong."""
    return Finding(level="problem", where=where, says=says, advice=advice)
