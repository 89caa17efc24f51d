"""The autopsy: what refused to stop, with the stack of every thread and task."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import sys
import threading
import traceback


def write(line: str, loop: asyncio.AbstractEventLoop | None) -> None:
    """Write a report on stderr; called in a thread that may be left behind at any moment.

    Args:
        line: What has happened.
        loop: Whose tasks to show; None where there is none yet.
    """
    _put(f"{line}\n")
    with contextlib.suppress(Exception):  # no report must keep the next one
        _put(_tasks(loop))
    with contextlib.suppress(Exception):
        faulthandler.dump_traceback(2, all_threads=True)


def text(loop: asyncio.AbstractEventLoop | None) -> str:
    """The same as a text: tasks and threads, each with its stack.

    Args:
        loop: Whose tasks to show; None where there is none yet.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = [
        f"Thread {names.get(ident, ident)!r}:\n{''.join(traceback.format_stack(frame))}"
        # There is no other way; documented, in spite of its name.
        for ident, frame in sys._current_frames().items()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    ]
    return _tasks(loop) + "".join(stacks)


def _tasks(loop: asyncio.AbstractEventLoop | None) -> str:
    if loop is None:
        return ""
    return "".join(_task(task) for task in asyncio.all_tasks(loop))


def _task(task: asyncio.Task[object]) -> str:
    stack = [line for frame in task.get_stack() for line in traceback.format_stack(frame, limit=1)]
    return f"Task {task.get_name()!r}:\n{''.join(stack)}"


def _put(text: str) -> None:
    os.write(2, text.encode(errors="backslashreplace"))
