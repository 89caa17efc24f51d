"""Interrupting synchronous code that blocks the event loop.

A coroutine that calls `time.sleep(60)`, or a tool that waits for a socket, holds the loop: nothing
can be cancelled, the ladder's steps are not taken. What ends such a call at once is a signal
handler that raises, in the main thread (PEP 475: a system call that is interrupted is only taken up
again if the handler returns). An asynchronous exception (`PyThreadState_SetAsyncExc`) does not: it
comes when the call has returned.

What is raised is a `CancelledError`, for it has to pass `except Exception`, and the loop, which
lets only `KeyboardInterrupt` and `SystemExit` through, has to live. It is raised over user code
only. Raised inside asyncio, the supervisor, AutoGen's runtime, logging or an import it would leave
a lock held or a module half made, and so the watchdog tries again a little later.

Where it still falls short: code in C that never comes back to the interpreter, and a loop in
another thread than the main one. There an asynchronous exception would do for Python that computes,
but to look at which line it is and to raise are not one step: between the two it may have come to
code that must not be interrupted. Such a loop is told of in the log and on stderr; where EXIT
applies the deadline holds for it too, and elsewhere it goes on as soon as it is let go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import FrameType
from typing import Final

UNTOUCHABLE: Final = frozenset(
    {
        "_frozen_importlib",
        "_frozen_importlib_external",
        "asyncio",
        "autogen_core",
        "concurrent",
        "contextlib",
        "importlib",
        "logging",
        "queue",
        "selectors",
        "structlog",
        "supervisor",
        "threading",
        "uvloop",
    }
)
"""Packages whose code is not interrupted, nor what they call, but for the code of tasks."""

_CALLERS: Final = frozenset({"asyncio", "autogen_core", "contextlib", "supervisor", "uvloop"})


_interrupted: Final[deque[str]] = deque()


class Interrupted(asyncio.CancelledError):
    """The code that blocked the event loop was interrupted, for it refused to stop."""


def interrupt(frame: FrameType | None) -> None:
    """Raise in the code that a signal handler has interrupted, where that does no harm.

    Args:
        frame: The handler's: what was running.

    Raises:
        Interrupted: It may be.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return  # no loop is running: there is nothing to give back
    if task is not None and frame is not None and _is_users(frame):
        where = f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
        _interrupted.append(where)
        raise Interrupted(f"{where} blocked the event loop, and the process was told to stop")


def take_interrupted() -> list[str]:
    """Where code was interrupted since this was last asked: functions, files and lines."""
    return [_interrupted.popleft() for _ in range(len(_interrupted))]


def _is_users(innermost: FrameType) -> bool:
    """Whether the innermost code is the user's, up to where the loop or AutoGen has called it."""
    if _package(innermost) in UNTOUCHABLE:
        return False
    frame = innermost.f_back
    while frame is not None and _package(frame) not in UNTOUCHABLE:
        frame = frame.f_back
    # No frame: of uvloop, which has none. Any other: called by what must not be interrupted.
    return frame is None or _package(frame) in _CALLERS


def _package(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""
