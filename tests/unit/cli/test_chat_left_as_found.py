"""What chat takes of the process for as long as it is shown, and gives back."""

from __future__ import annotations

import builtins
import signal

import pytest

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


def test_a_handler_of_the_programs_own_stays() -> None:
    """A handler of SIGCONT that the program has set meanwhile is left, and SIGTSTP is as before."""
    try:
        with suspendable(nothing, nothing):
            signal.signal(signal.SIGCONT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGCONT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
