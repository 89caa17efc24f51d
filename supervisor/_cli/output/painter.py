"""What to write to a terminal so that a status line stands below the text.

The cursor stays where the text ends. To draw the status, make room below it (by IND, which keeps
the column, and scrolls where it must), save the cursor, write, and bring it back. Before the next
text, everything below the cursor is erased. So what others write to the terminal meanwhile goes
where the text goes on, and the next drawing clears what it has overwritten. For that, the line of
the cursor stays free even where the text has ended it. No mode of the terminal is changed: whenever
the process ends, there is nothing to give back.

Not chosen: a scroll region, or a hidden cursor, which a killed process leaves behind. Nor to draw
the open line anew each time, as rich's `Live` does: that has to know where the terminal has wrapped
it, also after a resize.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from supervisor._cli.output.cells import cut, width_of

_ERASE: Final = "\x1b[J"  # from the cursor to the end of the screen
_DOWN: Final = "\x1bD"  # IND
_SAVE, _RESTORE = "\x1b7", "\x1b8"
_LONGEST: Final = 4096  # characters of an open line whose end is computed
# The parts of an emoji, which one terminal shows as one character, and another side by side.
_DOUBTFUL: Final = re.compile("[\u200d\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")
_TAB: Final = 8
_LEAST_LINES: Final = 3  # of a terminal that has room for a status

Size = Callable[[], tuple[int, int]]
"""Returns a terminal's columns and lines."""


@dataclass(frozen=True)
class Piece:
    """Text to write.

    Args:
        text: The text.
        is_ours: Whether it belongs to the transcript; else a tool has printed it.
    """

    text: str
    is_ours: bool


class Painter:
    """Knows where the text ends, and whether a status stands below it.

    Args:
        size: The terminal's.
        style: Makes a line of the status look like one.
    """

    def __init__(self, size: Size, style: Callable[[str], str] = str) -> None:
        self._size = size
        self._style = style
        self._column: int | None = 0  # cells since the line began; None: unknown
        self._slack = 0  # cells by which terminals may disagree about that
        self._is_ours = True  # whose the open line is
        self._was_ended = False  # a line of the transcript's, for somebody else's text
        self._shown: tuple[str, ...] = ()

    def paint(self, pieces: Sequence[Piece], status: str) -> str:
        """Return what writes these pieces, with the status below them ("": none)."""
        rows = self._rows(status)
        if not pieces and rows == self._shown:
            return ""
        said = self.erase() + "".join(map(self._place, pieces))
        if rows and not pieces:  # no text has come for a while
            said += self._leave_margin()
        return said + self._draw(rows)

    def erase(self) -> str:
        """Return what removes the status."""
        said = _ERASE if self._shown else ""
        self._shown = ()
        return said

    def step_aside(self) -> str:
        """Return what to write before lines that somebody else writes: they begin a line."""
        is_open = self._column != 0
        self._was_ended = self._was_ended or (is_open and self._is_ours)
        self._column = self._slack = 0
        return self.erase() + "\n" * is_open

    def _place(self, piece: Piece) -> str:
        text, before = piece.text, ""
        if self._column != 0 and self._is_ours is not piece.is_ours:
            before, self._column, self._slack = "\n", 0, 0
            self._was_ended = self._was_ended or not piece.is_ours
        if piece.is_ours and self._was_ended:  # the line that goes on, or ends, was ended already
            text, self._was_ended = text.removeprefix("\n"), False
        self._is_ours = piece.is_ours
        self._advance(text)
        return before + text

    def _advance(self, text: str) -> None:
        """Note where the cursor is behind this text."""
        _, newline, tail = text.rpartition("\n")
        if newline:
            self._column = self._slack = 0
        if not tail or self._column is None:
            return
        if len(tail) > _LONGEST or "\x1b" in tail or "\r" in tail:
            self._column = None
        elif tail.isascii() and "\t" not in tail:
            self._column += len(tail)
        else:
            self._column = _behind(tail, self._column, self._size()[0])
            self._slack += 2 * len(_DOUBTFUL.findall(tail))

    def _rows(self, status: str) -> tuple[str, ...]:
        columns, lines = self._size()
        if not status or lines < _LEAST_LINES:
            return ()
        return tuple(wrapped(status, columns - 1)[: lines - 1])

    def _is_at_margin(self, columns: int) -> bool:
        """Return whether the terminal waits behind its last column, which moving makes it forget.

        Where the column of a text of ours is unknown, it may. That of somebody else's was reached
        by an escape sequence, hardly at the margin.
        """
        if self._column is None:
            return self._is_ours
        latest = self._column + self._slack
        return latest > 0 and latest % max(columns, 1) <= 2 * self._slack

    def _leave_margin(self) -> str:
        """Go to the next line, as the terminal will with the next character of ours."""
        column = self._column
        if not self._is_ours or not column or self._slack or column % self._size()[0]:
            return ""
        self._column, self._was_ended = 0, True
        return "\n"

    def _draw(self, rows: tuple[str, ...]) -> str:
        if not rows or self._is_at_margin(self._size()[0]):
            return ""
        self._shown = rows
        count = len(rows)
        drawn = "".join(f"\x1b[B\r{self._style(row)}" for row in rows)
        return f"{_DOWN * count}\x1b[{count}A{_SAVE}{drawn}{_RESTORE}"


def wrapped(text: str, width: int) -> list[str]:
    """Return a text of one line as lines of this many cells; a word that is longer is cut."""
    rows: list[str] = []
    row = ""
    for word in text.split():
        longer = f"{row} {word}" if row else word
        if row and width_of(longer) > width:
            rows.append(row)
            longer = word
        row = cut(longer, width)
    return [*rows, row] if row else rows


def _behind(text: str, column: int, columns: int) -> int | None:
    """Return the column behind a text: a wide character does not stand across the margin.

    Returns:
        None for a tab at the margin, with which terminals do not agree.
    """
    for character in text:
        place = column % columns
        if character == "\t" and column and not place:
            return None
        if character == "\t":
            column += min(_TAB - place % _TAB, columns - 1 - place)
        elif (width := width_of(character)) > 1 and place == columns - 1:
            column += 1 + width
        else:
            column += width
    return column
