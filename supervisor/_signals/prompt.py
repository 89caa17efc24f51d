"""Ctrl-C at the prompt of an interactive interpreter, where a block is kept open over inputs.

Such a block has a loop that runs only while something is awaited there, or, as in a kernel, all the
time. Other code comes between, and Ctrl-C is for what runs now: where that is no run of the block,
it does what it would do without us.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from supervisor._signals import debuggers, interpreters
from supervisor._signals.listener import Listener

_Handler = Callable[[int, FrameType | None], Any]


class Prompt:
    """The prompt, if there is one.

    Args:
        owners: Returns the supervisors of the main thread.
    """

    def __init__(self, owners: Callable[[], Iterable[Listener]]) -> None:
        self._owners = owners
        self.is_there = False

    def look(self) -> Callable[[Any], _Handler | None]:
        """See whether there is one; return what says whose Ctrl-C is, for the wakeup fd."""
        self.is_there = interpreters.is_interactive()
        return self._ctrl_c_handler if self.is_there else debuggers.ctrl_c_handler

    def owns_ctrl_c(self) -> bool:
        """Return whether no supervisor has a use for it: its loop or its runs; from any thread."""
        return self.is_there and not any(listener.is_running for listener in self._owners())

    def _ctrl_c_handler(self, found: Any) -> _Handler | None:
        if self.owns_ctrl_c():
            return _ignore if found == signal.SIG_IGN else _callable(found)
        return debuggers.ctrl_c_handler(found)


def _callable(found: Any) -> _Handler:
    handler: _Handler = found if callable(found) else signal.default_int_handler
    return handler


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing, as where the signal is ignored."""
