"""Tasks that wait, in the ways in which a coroutine can wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Generator
from typing import Any

from supervisor._reports import stacks
from supervisor._reports.findings import Finding, TaskInfo


@contextlib.asynccontextmanager
async def at_work(*coros: Any) -> AsyncGenerator[list[asyncio.Task[Any]]]:
    """Run tasks up to their first wait; cancel them in the end."""
    tasks = [asyncio.ensure_future(coro) for coro in coros]
    await asyncio.sleep(0.01)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def reported(*tasks: asyncio.Task[Any], **facts: Any) -> list[Finding]:
    """Return what the report finds of these tasks."""
    return list(stacks.tasks(TaskInfo(task=task, **facts) for task in tasks).shown)


def innermost(finding: Finding) -> str:
    """Return the function that a finding is at."""
    return finding.stack[-1].partition(" (")[0]


async def waits() -> None:
    """Wait in asyncio."""
    await asyncio.wait_for(asyncio.Event().wait(), 60)


async def waits_below() -> None:
    """Wait in another coroutine of ours."""
    await waits()


async def yields_below() -> AsyncGenerator[int]:
    """Wait before the first item."""
    await waits_below()
    yield 1


async def iterates() -> None:
    """Wait for a generator."""
    async for _ in yields_below():
        pass


class Hidden:
    """An awaitable that hides its coroutine."""

    def __await__(self) -> Generator[Any, Any, None]:
        return waits_below().__await__()


class Generating:
    """An awaitable by a generator."""

    def __await__(self) -> Generator[Any, Any, None]:
        yield from waits_below().__await__()


async def awaits(thing: Awaitable[object]) -> None:
    """Wait for something."""
    await thing
