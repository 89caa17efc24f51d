"""The helpers for loops: eager task factories are refused."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from supervisor._core.asyncio_tools import refuse_eager
from supervisor._core.errors import UsageError
from supervisor._core.tasks import TaskFactory


async def test_an_eager_factory_is_refused() -> None:
    """An eager task factory, asyncio's or one made by it, is an error that says what to do."""
    loop = asyncio.get_running_loop()
    refuse_eager(loop)

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        return asyncio.Task(coro, loop=loop, **options)

    # Before Python 3.12 there is none: one that is called the same.
    make.__qualname__ = "create_eager_task_factory.<locals>.factory"
    eager = getattr(asyncio, "eager_task_factory", make) if sys.version_info >= (3, 12) else make
    loop.set_task_factory(eager)
    try:
        with pytest.raises(UsageError, match=r"set_task_factory\(None\)"):
            refuse_eager(loop)
        with pytest.raises(UsageError):
            TaskFactory(loop).acquire()
        assert loop.get_task_factory() is eager
    finally:
        loop.set_task_factory(None)
