"""What tells that nothing has come for a while, so that a connection can be kept alive.

A run must not be waited for with a time limit: its reader would be cancelled, and that stops the
run. So a task of its own reads the source, one item ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from supervisor._core.shield import shielded

T = TypeVar("T")


async def with_pauses(source: AsyncGenerator[T], seconds: float | None) -> AsyncGenerator[T | None]:
    """Yield the items of a source, and None whenever none has come for some time.

    Args:
        source: It is closed at the end, also where the reader leaves early.
        seconds: How long to wait for an item; None: without limit.
    """
    items = asyncio.Queue[T | None](1)
    reader = asyncio.create_task(_read(source, items))
    try:
        while not (reader.done() and items.empty()):
            item = await _next(items, seconds)
            if item is not None or not reader.done():
                yield item
        await reader  # raise what it has raised
    finally:
        await _end(reader)


async def _read(source: AsyncGenerator[T], items: asyncio.Queue[T | None]) -> None:
    try:
        async with aclosing(source):
            async for item in source:
                await items.put(item)
    finally:
        if items.empty():
            items.put_nowait(None)  # have the other side look again


async def _next(items: asyncio.Queue[T | None], seconds: float | None) -> T | None:
    if items.empty():
        try:
            async with asyncio.timeout(seconds):
                return await items.get()
        except TimeoutError:
            return None
    return items.get_nowait()


async def _end(reader: asyncio.Task[None]) -> None:
    """Have the source closed, and wait until it is."""
    reader.cancel()
    with shielded():
        await asyncio.wait({reader})
    if not reader.cancelled():
        reader.exception()  # it was raised already, or nobody is left to see it
