"""Text that comes in pieces, as whole lines and the beginning of the next one.

Whole lines go above the editor and scroll with the rest; the beginning of a line belongs to what
the editor draws anew. A beginning that fills several rows of the terminal is broken at a space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prompt_toolkit.utils import get_cwidth

_ROWS: Final = 4


class Lines:
    """Pieces of text, in order.

    Args:
        columns: Returns the width of the terminal.
    """

    def __init__(self, columns: Callable[[], int]) -> None:
        self._columns = columns
        self._whole: list[str] = []
        self._is_ours: bool = True  # whose the unfinished line is
        self._was_ended = False  # a line of ours, for somebody else's text
        self.unfinished = ""
        """The line that has only begun."""

    def add(self, text: str, *, is_ours: bool = True) -> None:
        """Take in a piece.

        Args:
            text: The piece.
            is_ours: Whether it belongs to the conversation; else the program has printed it, and it
                has lines of its own.
        """
        if not text:
            return
        self._end_line_of_other(is_ours=is_ours)
        if is_ours and self._was_ended:
            text, self._was_ended = text.removeprefix("\n"), False
        # They would pass through prompt_toolkit's parser of colours as they are.
        whole, end, rest = (self.unfinished + text).translate({1: None, 2: None}).rpartition("\n")
        self._whole.append(whole + end)
        self.unfinished = self._broken(rest)

    def _end_line_of_other(self, *, is_ours: bool) -> None:
        if self.unfinished and is_ours is not self._is_ours:
            self._whole.append(f"{self.unfinished}\n")
            self.unfinished, self._was_ended = "", not is_ours
        self._is_ours = is_ours

    def take(self) -> str:
        """Return the whole lines so far, each only once."""
        whole, self._whole = "".join(self._whole), []
        return whole

    def _broken(self, line: str) -> str:
        """Break off what fills the rows; a line with colours is left as it is."""
        cells = self._columns() * _ROWS
        while "\x1b" not in line and get_cwidth(line) > cells:
            fits = _prefix(line, cells)
            at = fits.rfind(" ") + 1 or len(fits)
            self._whole.append(line[:at].rstrip(" ") + "\n")
            line = line[at:]
        return line


def _prefix(line: str, cells: int) -> str:
    width = 0
    for index, character in enumerate(line):
        width += get_cwidth(character)
        if width > cells and index:
            return line[:index]
    return line
