"""How the errors of a program are shown that is run as it is."""

from __future__ import annotations

import sys
import threading

import pytest

from supervisor._cli.program.launch import _show, _show_in_thread


def test_a_hook_for_exceptions_may_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status is that of the program, as in Python."""

    def leave(*_: object) -> None:
        sys.exit(5)

    with monkeypatch.context() as patched:
        patched.setattr(sys, "excepthook", leave)
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            patched.setattr(sys, name, None, raising=False)
        with pytest.raises(SystemExit, match="5"):
            _show(ValueError())


def test_an_error_of_a_thread_may_have_no_exception() -> None:
    """A program that calls the hook by itself may give the type alone."""
    shown: list[threading.ExceptHookArgs] = []
    args = threading.ExceptHookArgs((ValueError, None, None, None))
    _show_in_thread(shown.append, args)
    assert shown == [args]
