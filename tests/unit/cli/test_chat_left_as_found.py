"""What chat takes of the process for as long as it is shown, and gives back."""

from __future__ import annotations

import builtins
import signal
from typing import Any

import pytest

from supervisor._cli.chat.start import end_quietly_by_ctrl_c
from supervisor._cli.chat.terminal.refused_input import input_refused
from supervisor._cli.chat.terminal.suspension import suspendable


def nothing() -> None:
    """Do nothing."""


def test_input_is_refused_with_a_reason() -> None:
    """A tool that asks by itself learns how to ask; afterwards `input` is as before."""
    found = builtins.input
    with input_refused(), pytest.raises(RuntimeError, match="let a UserProxyAgent ask"):
        input("Your name? ")
    assert builtins.input is found


def test_an_input_of_the_programs_own_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program has put there since is not replaced."""

    def own(_: object = "") -> str:
        return "ann"

    monkeypatch.setattr(builtins, "input", builtins.input)
    with input_refused():
        monkeypatch.setattr(builtins, "input", own)
    assert builtins.input is own


@pytest.mark.parametrize(
    ("found", "left"),
    [(signal.default_int_handler, signal.SIG_DFL), (signal.SIG_IGN, signal.SIG_IGN)],
)
def test_ctrl_c_ends_a_chat_quietly_unless_it_is_ignored(found: Any, left: Any) -> None:
    """Whoever has started the chat may want SIGINT to be ignored."""
    before = signal.signal(signal.SIGINT, found)
    try:
        end_quietly_by_ctrl_c()
        assert signal.getsignal(signal.SIGINT) is left
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_of_the_programs_own_stays() -> None:
    """A handler of SIGCONT that the program has set meanwhile is left, and SIGTSTP is as before."""
    try:
        with suspendable(nothing, nothing):
            signal.signal(signal.SIGCONT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGCONT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
