"""A status line below the text, on the screen of a terminal."""

from __future__ import annotations

import random

import pyte
import pytest

from supervisor._cli.output.cells import cut, width_of
from supervisor._cli.output.painter import Painter, Piece, wrapped
from tests.cli.terminal import Screen

STATUS = "ann · 3 s"


class Terminal:
    """A painter, and the screen that it paints."""

    def __init__(self, columns: int = 20, lines: int = 6) -> None:
        self.screen = Screen(columns, lines)
        self.stream = pyte.Stream(self.screen)
        self.painter = Painter(lambda: (self.screen.columns, self.screen.lines))

    def paint(self, text: str, status: str = STATUS, *, is_ours: bool = True) -> None:
        """Have a piece painted."""
        pieces = [Piece(text, is_ours=is_ours)] if text else []
        self.feed(self.painter.paint(pieces, status))

    def feed(self, text: str) -> None:
        """Write past the painter; a newline goes to the first column, too."""
        self.stream.feed(text.replace("\n", "\r\n"))

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, without empty ones at its end."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def cursor(self) -> tuple[int, int]:
        """The line and the column of the cursor."""
        return self.screen.cursor.y, self.screen.cursor.x


def test_the_status_stands_below_and_the_cursor_where_the_text_goes_on() -> None:
    """Text within a line leaves the cursor at its end, with the status one line below."""
    terminal = Terminal()
    terminal.paint("To be ")
    assert terminal.lines == ["To be", STATUS]
    assert terminal.cursor == (0, 6)
    terminal.paint("or not\nto")
    assert terminal.lines == ["To be or not", "to", STATUS]
    assert terminal.cursor == (1, 2)


def test_the_screen_scrolls_and_loses_nothing() -> None:
    """At the bottom of the screen, the line below the text is made by scrolling."""
    terminal = Terminal(lines=4)
    for number in range(10):
        terminal.paint(f"line {number}\n")
        terminal.paint("half")
        terminal.paint(" line\n")
    assert terminal.lines == ["line 9", "half line", "", STATUS]


@pytest.mark.parametrize("columns", [7, 20, 33])
@pytest.mark.parametrize(
    "alphabet", ["ab c", "日本 a", "e\u0301a ", "👍a\t", "aあ\n", "👍🏽 ab\n", "👩\u200da\ufe0f \n"]
)
def test_text_in_pieces_is_as_text_without_a_status(columns: int, alphabet: str) -> None:
    """Whatever the widths, wherever a terminal wraps: the status has overwritten no character."""
    rng = random.Random(f"{columns}{alphabet}")
    text = "".join(rng.choices(alphabet, k=200))
    plain, painted = Terminal(columns, 250), Terminal(columns, 250)
    plain.feed(text)
    while text:
        count = rng.randint(1, 5)
        piece, text = text[:count], text[count:]
        painted.paint(piece, f"ann · {count} s")
    painted.paint("", "")
    assert painted.lines == plain.lines
    assert painted.cursor == plain.cursor


@pytest.mark.parametrize("columns", [7, 20, 33])
@pytest.mark.parametrize("alphabet", ["ab c", "日本a", "aあ\n"])
def test_text_with_pauses_is_as_text_without(columns: int, alphabet: str) -> None:
    """Where the status is drawn between the pieces, too, every line is as it would be."""
    rng = random.Random(f"{columns}{alphabet}")
    text = "".join(rng.choices(alphabet, k=200))
    plain, painted = Terminal(columns, 250), Terminal(columns, 250)
    plain.feed(text)
    for character in text:
        painted.paint(character)
        painted.paint("", f"ann · {rng.randint(1, 9)} s")
    painted.paint("", "")
    assert painted.lines == plain.lines


def test_no_status_where_moving_would_lose_the_margin() -> None:
    """Behind the last column a terminal waits to wrap; there the status waits, too."""
    terminal = Terminal(columns=5)
    terminal.paint("12345")
    assert terminal.lines == ["12345"]
    terminal.paint("6")
    assert terminal.lines == ["12345", "6", "ann", "· 3", "s"]


@pytest.mark.parametrize(("more", "lines"), [("67\n", ["12345", "67"]), ("\n67", ["12345", "67"])])
def test_at_the_margin_the_status_comes_with_the_next_look(more: str, lines: list[str]) -> None:
    """Where no text comes, the status is drawn; the text goes on where it would have anyway."""
    terminal = Terminal(columns=5, lines=10)
    terminal.paint("12345")
    terminal.paint("")
    assert terminal.lines == ["12345", "", "ann", "· 3", "s"]
    terminal.paint(more, "")
    assert terminal.lines == lines


def test_a_status_that_does_not_change_is_not_painted_again() -> None:
    """Without text, and with the same status, nothing is written."""
    painter = Painter(lambda: (20, 6))
    assert painter.paint([], STATUS)
    assert painter.paint([], STATUS) == ""
    assert painter.paint([], "") == "\x1b[J"
    assert painter.paint([], "") == ""


def test_the_words_of_a_stop_are_whole_on_a_narrow_terminal() -> None:
    """A status that is longer than the terminal is wide takes several lines."""
    terminal = Terminal(columns=20, lines=8)
    terminal.paint("To be", "SIGINT: cancelling 'ann' (1.4 s left). Ctrl-C to abandon it.")
    assert " ".join(terminal.lines) == (
        "To be SIGINT: cancelling 'ann' (1.4 s left). Ctrl-C to abandon it."
    )
    assert terminal.cursor == (0, 5)


def test_a_tool_that_prints_gets_lines_of_its_own() -> None:
    """Within a sentence, a line that a tool prints stands between its halves."""
    terminal = Terminal(lines=10)
    terminal.paint("To be ")
    terminal.paint("progress: 1\n", is_ours=False)
    terminal.paint("or not")
    terminal.paint("warning", is_ours=False)
    terminal.paint("\nann\n")
    assert terminal.lines == ["To be", "progress: 1", "or not", "warning", "ann", "", STATUS]


def test_what_is_written_past_it_is_followed() -> None:
    """A child's line goes where the text goes on, and the next drawing clears what is left."""
    terminal = Terminal()
    terminal.paint("ann\n", "a rather long status")
    terminal.feed("child\nok")
    terminal.paint("", "short")
    assert terminal.lines == ["ann", "child", "ok", "short"]
    assert terminal.cursor == (2, 2)


def test_it_steps_aside_for_lines_of_others() -> None:
    """A report on stderr begins a line, and the sentence goes on below it."""
    terminal = Terminal()
    terminal.paint("To be ")
    terminal.feed(terminal.painter.step_aside() + "report\n")
    terminal.paint("or not")
    assert terminal.lines == ["To be", "report", "or not", STATUS]


def test_a_storm_of_resizes_leaves_the_text() -> None:
    """In every width the status fits, and the text is as it was."""
    terminal = Terminal(columns=40, lines=10)
    rng = random.Random(5)
    for number in range(200):
        terminal.screen.resize(10, rng.randint(12, 60))
        terminal.paint(f"{number}\n", "ann · 3 s · 1,234 tokens")
    terminal.paint("", "")
    shown = list(map(int, terminal.lines))
    assert len(shown) > 5
    assert shown == list(range(shown[0], 200))


@pytest.mark.parametrize("lines", [1, 2])
def test_a_terminal_without_room_has_no_status(lines: int) -> None:
    """On one or two lines there is only text."""
    terminal = Terminal(lines=lines)
    terminal.paint("To be")
    assert terminal.lines == ["To be"]


@pytest.mark.parametrize("text", ["hello world", "日本語テキスト", "e\u0301" * 10, "👩‍👩‍👧‍👦" * 4])
@pytest.mark.parametrize("width", range(12))
def test_a_cut_text_fits(text: str, width: int) -> None:
    """It takes no more cells than there are; one that fits is left alone."""
    found = cut(text, width)
    assert width_of(found) <= width
    assert found == text or (width_of(text) > width and found in ("", f"{text[: len(found) - 1]}…"))


def test_words_are_wrapped_by_cells() -> None:
    """A row has as many words as fit; a word that is longer than a row is cut."""
    assert wrapped("日本 ab cd", 7) == ["日本 ab", "cd"]
    assert wrapped("abcdefgh ij", 5) == ["abcd…", "ij"]
    assert wrapped("", 5) == []


@pytest.mark.parametrize("tail", ["\x1b[1mbold", "x" * 5000, "over\rwritten"])
def test_a_line_whose_end_is_not_computed_is_ended_for_others(tail: str) -> None:
    """Where the cursor is behind such a line is unknown, so what others print begins a new one."""
    terminal = Terminal()
    terminal.paint(tail, "")
    assert terminal.painter.step_aside() == "\n"
