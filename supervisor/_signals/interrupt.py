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

A wait of the standard library that user code has called (`Event.wait`, `Queue.get`,
`Future.result`, a `select` of `subprocess`) is user code that waits, but not at each of its lines:
between two of them a lock may be let go that the next one will let go again. So it is raised at the
line alone on which they block. There each is inside of a `try` or `with` that puts its locks and
its list of waiters right, as for a `KeyboardInterrupt`. `WAITS` names these functions, and those of
theirs through which user code gets there; nothing else of these modules is interrupted, so that a
thread that starts, or an executor that takes in a call, is not half done.

Where it still falls short: code in C that never comes back to the interpreter, and a loop in
another thread than the main one. There an asynchronous exception would do for Python that computes,
but to look at which line it is and to raise are not one step: between the two it may have come to
code that must not be interrupted. Such a loop is told of in the log and on stderr; where EXIT
applies the deadline holds for it too, and elsewhere it goes on as soon as it is let go. On Python
3.11 and 3.12 a thread whose `join()` was interrupted counts as ended for `threading`, as after a
`KeyboardInterrupt`: the interpreter's end does not wait for it. A waiter that is interrupted in the
very moment in which it is notified takes that notification with it.
"""

from __future__ import annotations

import asyncio
import dis
import functools
from collections import deque
from collections.abc import Mapping
from types import CodeType, FrameType
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

WAITS: Final[Mapping[str, Mapping[str, str]]] = {
    "threading": {
        "Condition.wait": "acquire",
        "Thread._wait_for_tstate_lock": "acquire",  # up to Python 3.12
        "Thread.join": "join",  # from Python 3.13 on
        "Condition.wait_for": "",
        "Event.wait": "",
        "Semaphore.acquire": "",
        "Barrier.wait": "",
        "Barrier._enter": "",
        "Barrier._wait": "",
    },
    "queue": {"Queue.get": "", "Queue.put": "", "Queue.join": ""},
    "concurrent.futures._base": {
        "Future.result": "",
        "Future.exception": "",
        "wait": "",
        "as_completed": "",
        "_result_or_cancel": "",
        "Executor.map.<locals>.result_iterator": "",
        "Executor.__exit__": "",
    },
    "concurrent.futures.thread": {"ThreadPoolExecutor.shutdown": ""},
    "concurrent.futures.process": {
        "ProcessPoolExecutor.shutdown": "",
        "_chain_from_iterable_of_lists": "",
    },
    "selectors": {
        "SelectSelector.select": "_select",
        "_PollLikeSelector.select": "poll",
        "EpollSelector.select": "poll",
        "KqueueSelector.select": "control",
    },
}
"""By module: functions that wait, each with the call that blocks; without one, it calls a wait."""

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
    users = _user_code(frame)
    if task is not None and users is not None:
        where = f"{users.f_code.co_qualname} ({users.f_code.co_filename}:{users.f_lineno})"
        _interrupted.append(where)
        raise Interrupted(f"{where} blocked the event loop, and the process was told to stop")


def take_interrupted() -> list[str]:
    """Where code was interrupted since this was last asked: functions, files and lines."""
    return [_interrupted.popleft() for _ in range(len(_interrupted))]


def _user_code(innermost: FrameType | None) -> FrameType | None:
    """The user's code that is running, or waits, if that is all up to the loop or AutoGen."""
    users = frame = _behind_wait(innermost)
    if frame is None or _package(frame) in UNTOUCHABLE:
        return None
    while frame is not None and _package(frame) not in UNTOUCHABLE:
        frame = frame.f_back
    # No frame: of uvloop, which has none. Any other: called by what must not be interrupted.
    return users if frame is None or _package(frame) in _CALLERS else None


def _behind_wait(innermost: FrameType | None) -> FrameType | None:
    """Who waits, where the innermost code blocks in a wait; else that code itself."""
    call = _wait(innermost)
    if innermost is None or not call or innermost.f_lineno not in _lines(innermost.f_code, call):
        return innermost
    frame = innermost.f_back
    while frame is not None and (_wait(frame) is not None or _package(frame) == "contextlib"):
        frame = frame.f_back
    return frame


def _wait(frame: FrameType | None) -> str | None:
    if frame is None:
        return None
    return WAITS.get(frame.f_globals.get("__name__", ""), {}).get(frame.f_code.co_qualname)


@functools.cache
def _lines(code: CodeType, call: str) -> frozenset[int | None]:
    """The lines on which a function's code makes a call of this name."""
    found = (it.positions for it in dis.get_instructions(code) if it.argval == call)
    return frozenset(positions.lineno for positions in found if positions is not None)


def _package(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""
