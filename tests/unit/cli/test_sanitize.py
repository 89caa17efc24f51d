"""What a model writes cannot do anything to a terminal."""

from __future__ import annotations

import unicodedata

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor._cli.output.sanitize import one_line, sanitize

HOSTILE = [
    "\x1b[2J\x1b[H",  # clears the screen
    "\x1b]0;owned\x07",  # sets the title
    "\x1b]52;c;cm0gLXJm\x07",  # writes to the clipboard
    "\x1b[?1049h",  # the alternate screen
    "\x1b[?25l",  # hides the cursor
    "\x1bc",  # resets it
    "\x9b2J",  # the same as ESC [, in one character
    "\x08\x08\x08",  # goes back over what was written
    "\x00\x07\x7f\x0e",
    "\u202etxt.exe",  # turns the order around
    "\r",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_only_text(text: str) -> None:
    """What was on the screen is still there, the title is as it was, the cursor moves on only."""
    screen = pyte.Screen(40, 5)
    stream = pyte.Stream(screen)
    stream.feed("before\r\n")
    stream.feed(sanitize(text).replace("\n", "\r\n"))
    assert screen.display[0].rstrip() == "before"
    assert screen.title == ""
    assert screen.cursor.y >= 1
    assert not screen.cursor.hidden


@given(st.text(alphabet=st.characters(), max_size=50))
def test_no_control_character_is_left(text: str) -> None:
    """Only newline and tab are left, it can be encoded, and nothing changes at a second time."""
    safe = sanitize(text)
    controls = {c for c in safe if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")}
    assert controls <= {"\n", "\t"}
    assert safe.encode().decode() == safe
    assert sanitize(safe) == safe


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"])))
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    """Letters of every script, emoji, combining characters, newline and tab are left alone."""
    assert sanitize(f"{text}\n\t{text}") == f"{text}\n\t{text}"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("a\x0cb\u2028c", "a\nb\nc"),
        ("\x1b[2J", "␛[2J"),
        ("\x7f", "␡"),
        ("\x9b\udc80", "\ufffd\ufffd"),
        ("👩‍👩‍👧 e\u0301", "👩‍👩‍👧 e\u0301"),
    ],
)
def test_each_kind_has_its_picture(text: str, safe: str) -> None:
    """Line ends are newlines; a control character is shown by its picture."""
    assert sanitize(text) == safe


def test_one_line_is_one_line() -> None:
    """Whatever separates lines is a space."""
    assert one_line(" a\r\nb\u2028 c\t\x1bd ") == "a b c ␛d"
