"""The layout of a transcript: a heading for each speaker, and lines below it.

Each method returns the text to print, and remembers where that text ends. Nothing is wrapped: the
terminal does that, so a line that is copied out of it stays one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from supervisor._cli.output import amounts
from supervisor._cli.output.cells import cut, width_of
from supervisor._cli.output.palette import Palette

Width = int | Callable[[], int] | None
"""The cells of a terminal, or what returns them; None where no terminal has a width."""

_WITHOUT_TERMINAL: Final = 200  # cells of a folded line
_FEW_LINES: Final = 10  # of a block that is not wanted whole


class Page:
    """Where the text so far ends, and who has said it.

    Args:
        width: The terminal's cells.
        palette: The colours.
        verbose: Whether blocks are shown whole.
    """

    def __init__(self, width: Width, palette: Palette, *, verbose: bool) -> None:
        self.palette = palette
        self.verbose = verbose
        self.is_line_open = False
        """Whether the text ends within a line."""
        self._width = width
        self._speaker: str | None = None
        self.is_empty = True
        """Whether there is no text yet."""

    def heading(self, source: str) -> str:
        """Name who speaks, unless the lines above are already theirs."""
        said = self.end_line()
        if source == self._speaker or not source:
            return said
        gap = "" if self.is_empty else "\n"
        self._speaker, self.is_empty = source, False
        return f"{said}{gap}{self.palette.agent(source, source)}\n"

    def begin_anew(self) -> str:
        """End the lines of the speaker: the next text has a heading, whose ever it is."""
        self._speaker = None
        return self.end_line()

    def open(self, source: str, text: str) -> str:
        """Add text to the line of its speaker; the line stays open."""
        if not text:
            return ""
        said = "" if source == self._speaker else self.heading(source)
        return said + self.add(text)

    def add(self, text: str) -> str:
        """Add text as it is."""
        if text:
            self.is_empty = False
            self.is_line_open = not text.endswith("\n")
        return text

    def line(self, text: str) -> str:
        """Add a line."""
        return self.end_line() + self.add(f"{text}\n")

    def paragraph(self, source: str, text: str) -> str:
        """Add what an agent says at once."""
        return self.heading(source) + self.add(text.rstrip("\n")) + self.end_line()

    def note(self, source: str, text: str) -> str:
        """Add a line of ours about an agent."""
        return self.heading(source) + self.line(self.palette.dim(f"· {text}"))

    def folded(self, text: str, end: str, style: Callable[[str], str]) -> str:
        """Add a line that is cut to the width; its end matters most."""
        width = self._width() if callable(self._width) else self._width
        room = (width or _WITHOUT_TERMINAL) - width_of("⚙ ") - 1
        end = cut(end, max(room // 2, room - width_of(text)))
        return self.line(f"⚙ {cut(text, room - width_of(end))}{style(end)}")

    def block(self, text: str) -> str:
        """Add lines that belong to the one above: the first few, unless all are wanted."""
        lines = text.split("\n") if text else []
        more = 0 if self.verbose else max(0, len(lines) - _FEW_LINES)
        shown = [f"  {line}" for line in lines[: len(lines) - more]]
        if more:
            shown.append(f"  … {amounts.count(more, 'line')} more")
        return self.dim_lines(shown)

    def dim_lines(self, lines: Iterable[str]) -> str:
        """Add lines that matter less."""
        return "".join(self.line(self.palette.dim(line)) for line in lines)

    def end_line(self) -> str:
        """End the line that is open."""
        if not self.is_line_open:
            return ""
        self.is_line_open = False
        return "\n"
