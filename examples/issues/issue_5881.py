"""#5881: Add pause/resume APIs for agents in AgentChat.

`team.pause()` tells the agents, and AutoGen's own agents do nothing about it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedModel


def counting_team(begun: asyncio.Event) -> RoundRobinGroupChat:
    """Make a team of five turns that sets an event as it begins."""

    async def count(messages: Sequence[object]) -> str:
        begun.set()
        await asyncio.sleep(0.05)
        return str(len(messages))

    agents = [AssistantAgent(name, ScriptedModel(count)) for name in ("one", "two")]
    return RoundRobinGroupChat(list(agents), max_turns=5)


async def alone() -> str:
    """Pause the team in its first turn."""
    team = counting_team(begun := asyncio.Event())
    running = asyncio.create_task(team.run(task="Count"))
    await begun.wait()
    await team.pause()
    result = await running
    return f"{len(result.messages) - 1} of 5 turns after pause(): {result.stop_reason}"


async def supervised() -> str:
    """Let the run end after its first turn, and go on later."""
    team = counting_team(begun := asyncio.Event())
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "Count")
        running = asyncio.create_task(run)
        await begun.wait()
        run.drain("Paused")
        first = await running
        then = await sup.stream(team)
        turns = len(first.messages) - 1
        return f"{first.stop_reason} after {turns} turn, then {len(then.messages)} more"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
