"""The pages that are told at a terminal, carried out as their reader would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from scripts.docs.fences import AT_A_TERMINAL
from tests.docs.terminal_sessions import ROOT, Session, play, sessions_of

# These take long, or show what another test of processes shows.
LONG = [
    "python first.py",
    "python blocked.py",
    "python program.py",
    "SUPERVISOR_GRACE=4",
    "python server.py",
    "python logged.py",
    "python keep.py",
    "kill -QUIT",
    "kill -USR1",
]


def _sessions(page: str) -> Iterator[ParameterSet]:
    for number, session in enumerate(sessions_of(ROOT / page)):
        is_long = any(words in line for words in LONG for line in session.lines)
        name = f"{Path(page).stem}-{number}-{session.heading}"
        yield pytest.param(session, id=name, marks=[pytest.mark.soak] * is_long)


SESSIONS = [each for page in AT_A_TERMINAL for each in _sessions(page)]

pytestmark = [pytest.mark.process, pytest.mark.blocks, pytest.mark.timeout(90)]


@pytest.mark.parametrize("session", SESSIONS)
def test_a_page_shows_what_the_terminal_shows(session: Session, tmp_path: Path) -> None:
    """Each session of a page goes as the page says, key by key and line by line."""
    play(session, tmp_path)


def test_what_is_left_to_the_soak_exists() -> None:
    """Each command that is called long is one of a page."""
    lines = [
        line for page in AT_A_TERMINAL for each in sessions_of(ROOT / page) for line in each.lines
    ]
    assert [words for words in LONG if not any(words in line for line in lines)] == []
