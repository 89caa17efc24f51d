"""Interrupts synchronous code that blocks the event loop.

A coroutine that calls `time.sleep(60)`, or a tool that waits for a socket, blocks the loop: nothing
can be cancelled, and no step of the ladder is taken. A signal handler that raises in the main
thread ends such a call at once (PEP 475: an interrupted system call is resumed only if the handler
returns). An asynchronous exception (`PyThreadState_SetAsyncExc`) does not: it comes when the call
has returned.

A `CancelledError` is raised: it passes `except Exception`, and the loop survives it, as it lets
only `KeyboardInterrupt` and `SystemExit` through. It is raised over user code only. Raised inside
asyncio, the supervisor, AutoGen's runtime, logging or an import it would leave a lock held or a
module half made. There the watchdog tries again a little later.

A wait of the standard library that user code has called (`Event.wait`, `Queue.get`,
`Future.result`, a `select` of `subprocess`) counts as user code, but not at each of its lines:
between two of them a lock may be released that the next one releases again. So the exception is
raised only at the line on which they block. There each is inside a `try` or `with` that restores
its locks and its list of waiters, as for a `KeyboardInterrupt`. `WAITS` names these functions, and
those through which user code gets there. Nothing else of these modules is interrupted, so no thread
is left half started, and no call half taken in by an executor.

Where it falls short: C code that never comes back to the interpreter, and a loop in another thread
than the main one. There an asynchronous exception would work for Python code that computes. But
reading the line and raising are not one step: between the two the thread may come to code that must
not be interrupted. Such a loop is reported in the log and on stderr. Where EXIT applies, the
deadline holds for it too; elsewhere it goes on as soon as it is free. On Python 3.11 and 3.12 a
thread whose `join()` was interrupted counts as ended for `threading`, as after a
`KeyboardInterrupt`: the interpreter's end does not wait for it. A waiter that is interrupted just
as it is notified takes that notification with it.
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
"""Packages whose code is not interrupted, nor the code that they call, except that of tasks."""

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
"""By module: functions that wait, each with the call that blocks; "" if it calls another wait."""

_CALLERS: Final = frozenset({"asyncio", "autogen_core", "contextlib", "supervisor", "uvloop"})


_interrupted: Final[deque[str]] = deque()


class Interrupted(asyncio.CancelledError):
    """The code that blocked the event loop was interrupted, for it refused to stop."""


def interrupt(frame: FrameType | None) -> None:
    """Raise in the code that a signal handler has interrupted, where that does no harm.

    Args:
        frame: What was running, as the handler gets it.

    Raises:
        Interrupted: The code may be interrupted.
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
    """Return where code was interrupted since the last call: functions, files and lines."""
    return [_interrupted.popleft() for _ in range(len(_interrupted))]


def _user_code(innermost: FrameType | None) -> FrameType | None:
    """Return the user's code that runs or waits, if the loop or AutoGen has called it."""
    users = frame = _behind_wait(innermost)
    if frame is None or _package(frame) in UNTOUCHABLE:
        return None
    while frame is not None and _package(frame) not in UNTOUCHABLE:
        frame = frame.f_back
    # No frame: uvloop, which has none. Any other: its caller must not be interrupted.
    return users if frame is None or _package(frame) in _CALLERS else None


def _behind_wait(innermost: FrameType | None) -> FrameType | None:
    """Return the caller, where the innermost code blocks in a wait; else that code itself."""
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
    """Return the lines on which a function's code makes a call of this name."""
    found = (it.positions for it in dis.get_instructions(code) if it.argval == call)
    return frozenset(positions.lineno for positions in found if positions is not None)


def _package(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""
