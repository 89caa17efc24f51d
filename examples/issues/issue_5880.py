"""#5880: Allow `BaseGroupChat.save_state` without requiring the team to stop running.

AutoGen allows it since then, and what it saves in the middle of a tool call cannot be continued.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedModel, calls


def researchers(called: asyncio.Event) -> RoundRobinGroupChat:
    """Make a team whose tool sets an event and then takes an hour."""

    async def look_up() -> str:
        """Look it up."""
        called.set()
        await asyncio.sleep(3600)
        return "It is so."

    model = ScriptedModel([calls("look_up"), "I could not look it up."])
    return RoundRobinGroupChat([AssistantAgent("agent", model, tools=[look_up])], max_turns=1)


async def alone() -> str:
    """Save the state while the tool is in flight, and load it into a fresh team."""
    team, fresh = researchers(called := asyncio.Event()), researchers(asyncio.Event())
    running = asyncio.create_task(team.run(task="Ask"))
    await called.wait()
    await fresh.load_state(await team.save_state())
    try:
        await fresh.run(task="Go on")
    except RuntimeError as error:
        print(str(error).partition(":")[0], "from the model, as a provider's error 400", flush=True)
    running.cancel()
    os._exit(0)  # asyncio.run would wait for the first run


async def supervised() -> str:
    """Keep the run in a store, and go on with a fresh team, as another process would."""
    called = asyncio.Event()
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder) / 'runs.db'}"
        async with Supervisor(signals={}, checkpoints=store) as sup:
            run = sup.stream(researchers(called), "Ask", id="research-1")
            running = asyncio.create_task(run)
            await called.wait()
            run.stop("The machine goes down")
            await running
        async with Supervisor(signals={}, checkpoints=store) as sup:
            result = await sup.stream(researchers(called), "Ask", id="research-1")
            return f"continued: {result.messages[-1].to_text()}"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
