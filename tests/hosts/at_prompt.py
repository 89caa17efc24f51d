"""What somebody types at a prompt in the tests: agents that end, block and refuse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

from autogen_agentchat.messages import TextMessage

from supervisor import Ladder, Quarantined, Supervisor, supervise
from supervisor.testing import ScriptedAgent

LADDER = Ladder(drain=0.5, cancel=1, abandon=0.3)


class _Busy(ScriptedAgent):
    def __init__(self) -> None:
        super().__init__("busy", [])

    async def run_stream(self, **_: Any) -> AsyncGenerator[Any, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Say one thing, and work for ever."""
        yield TextMessage(content="one", source=self.name)
        print("is at work", flush=True)
        await self.work()

    async def work(self) -> None:
        """Wait, and end when cancelled."""
        await asyncio.sleep(1000)


class Waits(_Busy):
    """Ends when it is cancelled."""


class Blocks(_Busy):
    """Blocks the loop."""

    async def work(self) -> None:
        """Block."""
        time.sleep(1000)  # noqa: ASYNC251 - that is the point


class Refuses(_Busy):
    """Swallows each cancellation."""

    async def work(self) -> None:
        """Wait, whoever cancels it."""
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue


async def alone(agent: _Busy) -> None:
    """Run an agent by `supervise()`, and say how that ended."""
    try:
        result = await supervise(agent, "go", ladder=LADDER)
    except Quarantined as error:
        print(f"ended: {type(error).__name__}", flush=True)
    else:
        print(f"ended: {result.stop_reason}", flush=True)


async def in_block(agent: _Busy) -> None:
    """Run an agent in a block with the defaults of `exits`, and say how that ended."""
    try:
        async with Supervisor(ladder=LADDER) as sup:
            result = await sup.stream(agent, "go")
            print(f"ended: {result.stop_reason}", flush=True)
    except Quarantined as error:
        print(f"ended: {type(error).__name__}", flush=True)


async def in_open_block(sup: Supervisor, agent: _Busy) -> None:
    """Run an agent in a block that is open, and say how that ended."""
    try:
        result = await sup.stream(agent, "go")
    except Quarantined as error:
        print(f"ended: {type(error).__name__}", flush=True)
    else:
        print(f"ended: {result.stop_reason}", flush=True)


def blocks() -> None:
    """Block, outside of any run."""
    print("has" + " begun", flush=True)
    time.sleep(1000)


async def waits() -> None:
    """Wait, outside of any run."""
    print("has" + " begun", flush=True)
    await asyncio.sleep(1000)
