"""Whose Ctrl-C is at a prompt of this process."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pytest

from supervisor._signals.listener import Listener
from supervisor._signals.prompt import Prompt


def _handler(*_: Any) -> None:
    """Handle nothing."""


@pytest.mark.parametrize(
    ("found", "is_called"),
    [(_handler, _handler), (signal.SIG_DFL, signal.default_int_handler), (None, None)],
)
def test_without_a_supervisor_at_work_the_prompt_has_it(
    monkeypatch: pytest.MonkeyPatch, found: Any, is_called: Any
) -> None:
    """The handler that was found is called; without one, Ctrl-C interrupts the line."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    owners: list[Listener] = []
    prompt = Prompt(lambda: owners)
    ask = prompt.look()
    assert prompt.owns_ctrl_c()
    assert ask(found) is (is_called or signal.default_int_handler)


def test_where_it_is_ignored_it_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt that ignores Ctrl-C goes on doing so."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    handler = Prompt(lambda: ()).look()(signal.SIG_IGN)
    assert handler is not None
    assert handler(signal.SIGINT, None) is None


def test_without_a_prompt_it_is_a_debuggers_or_ours() -> None:
    """A plain program has no prompt to leave Ctrl-C to."""
    prompt = Prompt(lambda: ())
    ask = prompt.look()
    assert not prompt.owns_ctrl_c()
    assert ask(_handler) is None
