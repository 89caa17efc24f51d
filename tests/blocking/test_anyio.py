"""A task that anyio has cancelled waits for its run without being woken at every step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from autogen_core import AgentId, CancellationToken, SingleThreadedAgentRuntime

from supervisor import Supervisor
from tests.agents import FOREVER, Agent, team
from tests.serving.answerer import Answerer, Text

anyio: Any = pytest.importorskip("anyio")

STEPS = 100  # of the loop, in which the run is settling


class CleansUp(Agent):
    """Waits for ever; cancelled, it cleans up until it is released."""

    def __init__(self) -> None:
        super().__init__("cleans_up")
        self.is_cleaning = asyncio.Event()
        self.let_go = asyncio.Event()

    async def work(self, token: CancellationToken) -> None:
        """Wait; then clean up."""
        try:
            await asyncio.sleep(FOREVER)
        finally:
            self.is_cleaning.set()
            await self.let_go.wait()


Program = Callable[[CleansUp, Any], Coroutine[Any, Any, None]]


async def _awaits(agent: CleansUp, scope: Any) -> None:
    async with Supervisor(signals={}) as sup:
        with scope:
            await sup.stream(team(agent), "x")


async def _iterates(agent: CleansUp, scope: Any) -> None:
    async with Supervisor(signals={}) as sup:
        with scope:
            async for _ in sup.stream(team(agent), "x"):
                pass


async def _leaves(agent: CleansUp, scope: Any) -> None:
    with scope:
        async with Supervisor(signals={}) as sup:

            async def read() -> None:
                await sup.stream(team(agent), "x")

            sup.spawn(read())


async def _is_in_its_body(agent: CleansUp, scope: Any) -> None:
    with scope:
        async with Supervisor(signals={}) as sup:
            await sup.stream(team(agent), "x")


async def _serves(agent: CleansUp, scope: Any) -> None:
    runtime = SingleThreadedAgentRuntime()

    async def work(text: str) -> str:
        agent.is_working.set()
        await agent.work(CancellationToken())
        return text

    await Answerer.register(runtime, "answerer", lambda: Answerer(work))
    async with Supervisor(signals={}) as sup:
        asked = asyncio.ensure_future(runtime.send_message(Text("x"), AgentId("answerer", "k")))
        with scope:
            await sup.serve(runtime)
        await asyncio.wait([asked])
    assert asked.cancelled() or asked.exception() is not None


@pytest.mark.parametrize("program", [_awaits, _iterates, _leaves, _is_in_its_body, _serves])
async def test_a_cancelled_scope_does_not_keep_its_task_awake(program: Program) -> None:
    """While the run settles, however long, its reader is cancelled only a few times."""
    agent, scope = CleansUp(), anyio.CancelScope()
    running = asyncio.create_task(program(agent, scope))
    await agent.is_working.wait()
    scope.cancel()
    await agent.is_cleaning.wait()
    cancels = 0
    for _ in range(STEPS):
        await asyncio.sleep(0)
        cancels = max(cancels, running.cancelling())
    assert not running.done()
    agent.let_go.set()
    await running  # the scope takes its own cancellation
    assert cancels < 5
