"""When there are colours and a status line."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from supervisor._cli.output import look
from supervisor._cli.output.look import Look
from supervisor._cli.output.palette import wants_color

XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environ", "at_terminal", "in_pipe"),
    [
        (XTERM, True, False),
        ({}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({**XTERM, "NO_COLOR": "1"}, False, False),
        ({**XTERM, "NO_COLOR": ""}, True, False),
        ({**XTERM, "FORCE_COLOR": "1"}, True, True),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ({**XTERM, "FORCE_COLOR": "0"}, False, False),
        ({**XTERM, "FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_who_wants_colors(environ: Mapping[str, str], at_terminal: bool, in_pipe: bool) -> None:
    """NO_COLOR wins; FORCE_COLOR has them in a pipe, too; a dumb terminal has none."""
    assert wants_color(environ, is_terminal=True) is at_terminal
    assert wants_color(environ, is_terminal=False) is in_pipe


def test_a_terminal_has_a_status_line_and_colors() -> None:
    """NO_COLOR takes the colours, and TERM=dumb the status line, too."""
    leader, terminal = os.openpty()
    try:
        looks = [
            Look(environ, terminal)
            for environ in (XTERM, {**XTERM, "NO_COLOR": "1"}, {"TERM": "dumb"})
        ]
        found = [(each.is_terminal, each.has_color, each.has_status) for each in looks]
    finally:
        os.close(leader)
        os.close(terminal)
    assert found == [(True, True, True), (True, False, True), (True, False, False)]


def test_a_pipe_has_neither() -> None:
    """FORCE_COLOR brings colours into a pipe, but no status line."""
    reader, writer = os.pipe()
    try:
        plain, forced = Look(XTERM, writer), Look({**XTERM, "FORCE_COLOR": "1"}, writer)
    finally:
        os.close(reader)
        os.close(writer)
    assert (plain.is_terminal, plain.has_color, plain.has_status) == (False, False, False)
    assert (forced.is_terminal, forced.has_color, forced.has_status) == (False, True, False)
    assert plain.size() == (80, 24)


def test_without_rich_a_terminal_has_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, there are no colours and no status line."""
    monkeypatch.setattr(look, "has_rich", lambda: False)
    leader, terminal = os.openpty()
    try:
        found = Look({**XTERM, "FORCE_COLOR": "1"}, terminal)
    finally:
        os.close(leader)
        os.close(terminal)
    assert (found.lacks_rich, found.has_color, found.has_status) == (True, False, False)
