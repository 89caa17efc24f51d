"""Small helpers for asyncio's tasks and loops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

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
