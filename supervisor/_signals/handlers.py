"""Our signal handlers, and what is put back when they go.

Python knows a handler that C code has set (as `faulthandler` does) only as None, and cannot set it
again. So the C function is read and put back too.

Where it falls short: the flags of the handlers that were found (`siginterrupt`) cannot be read from
Python, so they are not put back.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


class SignalHandlers:
    """One Python handler for several signals, and what was found in its place.

    Args:
        handler: The handler.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.found: dict[int, Any] = {}
        """For each signal that is ours to put back, the Python handler that was found."""
        self.former: dict[int, Any] = {}
        """The same for the last time that it was, put back or not."""
        self._found_c: dict[int, int] = {}
        self.shared: set[int] = set()
        """Signals that somebody else handles in turn with us: not reinstalled as if reset."""

    def is_ours(self, handler: Any) -> bool:
        """Return whether this is the handler that is installed here."""
        return bool(handler == self.handler)

    def install(self, number: int) -> None:
        """Handle a signal."""
        # Noted first: another thread may fork between any two of these lines, and the handler that
        # was found may raise as soon as ours stands.
        self._found_c[number] = _c_handler(number)
        self.found[number] = self.former[number] = signal.getsignal(number)
        signal.signal(number, self.handler)

    def put_back(self, number: int) -> None:
        """Put back what was found, unless somebody else's handler stands there by now.

        The signal stays in `found` until `drop` is called, so this can be repeated.
        """
        found, found_c = self.found[number], self._found_c[number]
        back = found if found is not None else signal.SIG_DFL
        if _is_of_ended_runner(found):
            back = signal.default_int_handler
        if signal.getsignal(number) == self.handler:
            signal.signal(number, back)
        elif signal.getsignal(number) != back:
            return  # somebody else's by now: theirs to take back
        if _c_handler(number) != found_c:  # set by C code, which Python can neither name nor set
            _set_c_handler(number, found_c)

    def drop(self, number: int) -> None:
        """Forget a signal whose handler was put back."""
        del self.found[number], self._found_c[number]

    def call_former(self, number: int, frame: FrameType | None) -> None:
        """Call what was found, for a handler that stands above ours and calls ours.

        Where ours stands itself, somebody has put it back who had found it: then do nothing.
        """
        former = self.former.get(number)
        if callable(former) and signal.getsignal(number) != self.handler:
            former(number, frame)

    def reinstall_reset(self) -> None:
        """Install ours again where it was reset to a default, as a loop's removal does."""
        for number in self.found.keys() - self.shared:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self.handler)


def server_of(handler: Any) -> Any:
    """Return the object whose method handles a signal; None where it is no method.

    sse-starlette looks for that of SIGTERM, and ends its streams once its `should_exit` is true, as
    uvicorn's server has it. So the objects whose methods ours are have a `should_exit`, too.
    """
    return getattr(handler, "__self__", None)


def _is_of_ended_runner(handler: Any) -> bool:
    """Return whether this is the handler of an `asyncio.Runner` whose task is done.

    It cancels that task. The runner takes it back at its end, but only where it stands: if ours
    stood there, as of a block that was left open, the first Ctrl-C after that would do nothing.
    """
    if not isinstance(handler, functools.partial):
        return False
    task = handler.keywords.get("main_task")
    return isinstance(task, asyncio.Task) and task.done()


def is_main_thread() -> bool:
    """Return whether this thread is the one in which Python allows signal handlers to be set."""
    return threading.current_thread() is threading.main_thread()


def _c_handler(number: int) -> int:
    get = ctypes.pythonapi.PyOS_getsig
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.c_int]
    return get(number) or 0


def _set_c_handler(number: int, handler: int) -> None:
    put = ctypes.pythonapi.PyOS_setsig
    put.restype, put.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    put(number, handler)
