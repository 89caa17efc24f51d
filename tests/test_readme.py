"""The front page: it is short, says how to run the tests, and its picture is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.docs.terminal_figure import PICTURE, record, text_of

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = 130


def test_the_front_page_is_short() -> None:
    """Who looks for more finds it behind a link."""
    assert len(PAGE.splitlines()) <= LINES


def test_it_names_the_command_that_runs_the_tests() -> None:
    """A contributor, and continuous integration, find `make test` on the front page."""
    assert re.search(r"^make test\b", PAGE, re.MULTILINE)


@pytest.mark.process
def test_the_picture_shows_what_the_program_does() -> None:
    """The program of the front page is interrupted in a terminal, and says what the picture has."""
    drawn = text_of(PICTURE.read_text(encoding="utf-8"))
    assert _story(record().lines) == _story(drawn)


def _story(lines: list[str]) -> list[str]:
    """Return what does not depend on time: no numbers, and no words that Ctrl-C has cut off."""
    return [re.sub(r"\d+", "0", re.sub(r"^.*\^C", "^C", line)).rstrip() for line in lines]
