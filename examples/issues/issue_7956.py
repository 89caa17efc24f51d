"""#7956: Cancelling an in-flight tool call deadlocks AssistantAgent.on_messages_stream.

The cancelled call never ends the agent's queue of events, and the agent waits on it for ever.
"""

from __future__ import annotations

import asyncio
import os
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import ToolCallExecutionEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor.testing import ScriptedModel, calls


def digging() -> tuple[RoundRobinGroupChat, asyncio.Event]:
    """Make a team, and an event that is set when its tool is called."""
    called = asyncio.Event()

    async def dig() -> str:
        """Dig for an hour."""
        called.set()
        await asyncio.sleep(3600)
        return "A hole."

    agent = AssistantAgent("digger", ScriptedModel([calls("dig"), "I give up."]), tools=[dig])
    return RoundRobinGroupChat([agent], max_turns=1), called


async def alone() -> str:
    """Cancel the token while the tool is in flight."""
    (team, called), token = digging(), CancellationToken()
    run = asyncio.create_task(team.run(task="Dig", cancellation_token=token))
    await called.wait()
    token.cancel()
    await asyncio.wait([run], timeout=2)
    print("ended" if run.done() else "still running 2 s after token.cancel()", flush=True)
    os._exit(0)  # asyncio.run would wait for it


async def supervised() -> str:
    """Stop the run there, and go on with the same team."""
    team, called = digging()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "Dig")
        running = asyncio.create_task(run)
        await called.wait()
        run.stop("Enough")
        result = await running
        closed = [m for m in result.messages if isinstance(m, ToolCallExecutionEvent)]
        further = await sup.stream(team)
        answer = closed[0].content[0].content.split()[0]
        return (
            f"{result.stop_reason}; the call: {answer} next run: {further.messages[-1].to_text()}"
        )
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
