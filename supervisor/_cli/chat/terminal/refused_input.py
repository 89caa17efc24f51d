"""`input()` under chat: refused, with a reason, where it would take the prompt's keys.

A tool that calls `input()` would block the event loop while it waits, and the prompt with it. In a
thread it would share the keys with the prompt. So who needs an answer is told how to ask.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Generator
from typing import Final, NoReturn

_REFUSED: Final = (
    "input() does not work under chat, whose prompt has the keyboard; "
    "let a UserProxyAgent ask, or use `autogen-supervisor run`"
)


def _refuse(_prompt: object = "", /) -> NoReturn:
    raise RuntimeError(_REFUSED)


@contextlib.contextmanager
def input_refused() -> Generator[None]:
    """Let `input()` raise a RuntimeError that says what to do instead."""
    found = builtins.input
    builtins.input = _refuse
    try:
        yield
    finally:
        if builtins.input is _refuse:  # else the program has put its own there since
            builtins.input = found
