"""#4376: Use External termination condition to stop execution in AGS.

ExternalTermination has no effect while a UserProxyAgent's `input_func` waits for the user.
"""

from __future__ import annotations

import asyncio
import os
import sys

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.conditions import ExternalTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor import Supervisor


def asking() -> tuple[RoundRobinGroupChat, ExternalTermination, asyncio.Event]:
    """Make a team whose user never answers, its condition, and an event: the user is asked."""
    asked, condition = asyncio.Event(), ExternalTermination()

    async def ask(_prompt: str, _token: CancellationToken | None) -> str:
        asked.set()
        await asyncio.sleep(3600)
        return "never"

    user = UserProxyAgent("user", input_func=ask)
    return RoundRobinGroupChat([user], termination_condition=condition), condition, asked


async def alone() -> str:
    """Set the condition, as AutoGen's documentation says."""
    team, condition, asked = asking()
    running = asyncio.create_task(team.run(task="Ask"))
    await asked.wait()
    condition.set()
    await asyncio.wait([running], timeout=2)
    print("ended" if running.done() else "still waits for the user 2 s later", flush=True)
    os._exit(0)  # asyncio.run would wait for it


async def supervised() -> str:
    """Stop the run; the question is cancelled with it."""
    team, _condition, asked = asking()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "Ask")
        running = asyncio.create_task(run)
        await asked.wait()
        run.stop("The page was closed")
        return str((await running).stop_reason)
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
