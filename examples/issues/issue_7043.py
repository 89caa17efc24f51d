"""#7043: GraphFlow State Persistence Bug: Workflow Gets Stuck After Interruption.

The manager takes the next nodes off its list before they run, so a saved state lacks them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor.testing import ScriptedAgent


def graph(reached: asyncio.Event | None = None) -> GraphFlow:
    """Make a graph of a, b and c; with an event, b sets it and then waits to be stopped."""

    async def wait(_messages: Sequence[BaseChatMessage], token: CancellationToken) -> str:
        if reached is not None:
            reached.set()
            waiting = asyncio.ensure_future(asyncio.sleep(3600))
            token.link_future(waiting)
            await waiting
        return "b"

    a, b, c = ScriptedAgent("a", ["a"]), ScriptedAgent("b", wait), ScriptedAgent("c", ["c"])
    builder = DiGraphBuilder().add_node(a).add_node(b).add_node(c)
    return GraphFlow([a, b, c], builder.add_edge(a, b).add_edge(b, c).build())


def told(result: TaskResult) -> str:
    """Return who has spoken, and why the run ended."""
    sources = [message.source for message in result.messages if message.source in "abc"]
    return f"{' and '.join(sources) or 'nobody'} spoke after load_state(): {result.stop_reason!r}"


async def alone() -> str:
    """Cancel the token in b's turn, and load the saved state into a fresh graph."""
    team, token = graph(reached := asyncio.Event()), CancellationToken()
    running = asyncio.create_task(team.run(task="Go", cancellation_token=token))
    await reached.wait()
    token.cancel()
    await asyncio.wait([running])
    fresh = graph()
    await fresh.load_state(await team.save_state())
    return told(await fresh.run(task="continue"))


async def supervised() -> str:
    """Stop the run in b's turn, and load the saved state into a fresh graph."""
    team = graph(reached := asyncio.Event())
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "Go")
        running = asyncio.create_task(run)
        await reached.wait()
        run.stop()
        await running
        fresh = graph()
        await fresh.load_state(await team.save_state())
        return told(await sup.stream(fresh))
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
