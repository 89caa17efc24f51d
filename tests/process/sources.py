"""Programs that iterate a source of their own, without a team or AutoGen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from supervisor import Supervisor, run
from tests.process.scenarios import LADDER, LINGER
from tests.process.server import tell


def iterates(*, loop: Any, awaited: bool, refuses: bool = False) -> None:
    """Iterate, under `run`, a source that yields a number and waits, and has a task of its own.

    Args:
        loop: Which loop.
        awaited: Whether the run is awaited, and not iterated.
        refuses: Whether it swallows each cancellation.
    """

    async def helps() -> None:
        try:
            await asyncio.sleep(LINGER)
        finally:
            tell("helped")

    async def numbers() -> AsyncGenerator[int, None]:
        helper = asyncio.create_task(helps())
        try:
            yield 1
            await asyncio.sleep(0)  # the helper begins
            tell("busy")
            while refuses:
                try:
                    await asyncio.sleep(LINGER)
                except asyncio.CancelledError:
                    tell("refused")
            await helper
        finally:
            tell("closed")

    async def main(sup: Supervisor) -> None:
        source = sup.iterate(numbers())
        found = await source if awaited else [item async for item in source]
        reason = source.stop_request.reason if source.stop_request else None
        tell("result", items=found, reason=reason)

    run(main, loop=loop, ladder=LADDER)


PROGRAMS: dict[str, Callable[..., Any]] = {"iterates": iterates}
