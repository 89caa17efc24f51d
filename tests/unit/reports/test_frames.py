"""Frames: at which line a task is, however it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from supervisor._reports.findings import Finding
from supervisor._reports.frames import LONGEST
from tests.unit.reports import waiting_tasks
from tests.unit.reports.waiting_tasks import (
    Generating,
    Hidden,
    at_work,
    awaits,
    innermost,
    iterates,
    reported,
    waits,
    waits_below,
    yields_below,
)


@pytest.mark.parametrize(
    "make",
    [
        waits,
        waits_below,
        iterates,
        lambda: awaits(Hidden()),
        lambda: awaits(Generating()),
        lambda: awaits(anext(yields_below())),
    ],
    ids=["coroutine", "nested", "async-for", "hidden", "generator", "anext"],
)
async def test_a_task_is_at_the_users_innermost_line(make: Any) -> None:
    """A task's stack ends at the user's innermost line, through coroutines and generators."""
    async with at_work(make()) as [task]:
        [finding] = reported(task)
    assert innermost(finding) == "waits"
    assert waiting_tasks.__file__ in finding.stack[-1]


async def test_the_running_task_is_found_by_its_thread() -> None:
    """A task that is running has the stack of its thread."""

    async def outer() -> list[Finding]:
        return await inner()

    async def inner() -> list[Finding]:
        task = asyncio.current_task()
        assert task is not None
        return reported(task)

    [finding] = await outer()
    text = str(finding)
    assert 0 < text.index("outer (") < text.index("inner (")


async def test_a_recursion_is_followed_to_its_two_hundredth_await() -> None:
    """A report takes no longer for a coroutine that awaits itself very often."""

    async def deeper(left: int) -> None:
        await (deeper(left - 1) if left else waits())

    async with at_work(deeper(LONGEST)) as [task]:
        [finding] = reported(task)
    assert innermost(finding).endswith("deeper")


class Wrapped(Coroutine[Any, Any, Any]):
    """A coroutine object of a class of its own, which has no frame."""

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self.coro = coro

    def send(self, value: Any) -> Any:
        """Resume it."""
        return self.coro.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise in it."""
        return self.coro.throw(*error)

    def close(self) -> None:
        """Close it."""
        self.coro.close()

    def __await__(self) -> Any:
        return self.coro.__await__()


async def test_a_running_task_that_hides_its_frame_is_left_out() -> None:
    """Which of the threads runs it cannot be told, and that fails nothing."""

    async def inner() -> list[Finding]:
        task = asyncio.current_task()
        assert task is not None
        return reported(task)

    assert await asyncio.create_task(Wrapped(inner())) == []
