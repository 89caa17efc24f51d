"""Small helpers for asyncio's tasks and loops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from supervisor._core.errors import UsageError


def refuse_eager(loop: asyncio.AbstractEventLoop) -> None:
    """Refuse a loop whose tasks run before their factory returns: they could not be followed.

    Raises:
        UsageError: An eager task factory is installed.
    """
    factory = loop.get_task_factory()
    if "eager_task_factory" in getattr(factory, "__qualname__", ""):
        raise UsageError(
            "an eager task factory is installed on the loop, and AutoGen hangs under it; "
            "call loop.set_task_factory(None) before you enter the Supervisor"
        )


def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, unless asyncio recurses without end, as it does where they wait in a ring."""
    for task in tasks:
        with contextlib.suppress(RecursionError):
            task.cancel()


def retrieve(task: asyncio.Future[Any]) -> None:
    """Read a finished task's exception, so that asyncio does not report it as never retrieved."""
    if task.done() and not task.cancelled():
        task.exception()


def leave_behind(*tasks: asyncio.Task[Any]) -> None:
    """Have the end of their loop not wait for tasks that refuse to end, nor report them as lost.

    `asyncio.run` cancels all tasks that asyncio knows of, and waits for them without limit. A task
    that is about to end takes itself from among them in this way ("Extending asyncio").
    """
    for task in tasks:
        asyncio._unregister_task(task)  # noqa: SLF001 - documented, as the docstring says
        cast(Any, task)._log_destroy_pending = False  # noqa: SLF001 - as asyncio's `gather` does
