"""What keeps a silent connection alive: a note whenever nothing has come for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from supervisor.integrations._streams.pauses import with_pauses


async def test_the_end_of_a_source_is_no_pause() -> None:
    """A source may take its time behind its last item."""
    may_end = asyncio.Event()

    async def source() -> AsyncGenerator[str]:
        yield "item"
        await may_end.wait()

    found: list[str | None] = []
    async for item in with_pauses(source(), None):
        found.append(item)
        asyncio.get_running_loop().call_soon(may_end.set)
    assert found == ["item"]


async def test_what_a_source_raises_is_raised_behind_its_items() -> None:
    """No item is lost by a failure behind it."""

    async def source() -> AsyncGenerator[str]:
        yield "item"
        raise RuntimeError("the source has failed")

    items = with_pauses(source(), 60)
    assert await anext(items) == "item"
    with pytest.raises(RuntimeError, match="the source has failed"):
        await anext(items)
