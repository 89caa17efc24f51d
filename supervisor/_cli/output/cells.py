"""Widths in a terminal's cells: a CJK character takes two, a combining one takes none."""

from __future__ import annotations

import unicodedata
from typing import Final

_MOST: Final = 8  # characters to a cell, with all that combine


def width_of(text: str) -> int:
    """Return how many cells a text without control characters takes."""
    if text.isascii():
        return len(text)
    try:
        from rich.cells import cell_len
    except ImportError:
        return sum(map(_width_of_character, text))
    return cell_len(text)


def cut(text: str, width: int) -> str:
    """Return a text of one line, cut off with an ellipsis where it takes more cells."""
    start = text[: width * _MOST]
    if len(start) == len(text) and width_of(text) <= width:
        return text
    if width < 1:
        return ""
    low, high = 0, len(start)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width_of(text[:middle]) < width else (low, middle - 1)
    return f"{text[:low]}…"


def _width_of_character(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
